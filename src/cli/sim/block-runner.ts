/** The block runner of one thread: loads the module and simulates blocks of runs. */

import { nodeProcess } from '../../node/simulation-support.ts';
import type { FailedRun, ShrunkRun } from '../../sim/errors.ts';
import { ReplayTokenError, SimulationError } from '../../sim/errors.ts';
import type { Plan, SimOptions } from '../../sim/options.ts';
import { planOf } from '../../sim/options.ts';
import type { RecordedRun } from '../../sim/report/record-run.ts';
import { recordRun } from '../../sim/report/record-run.ts';
import { statsOf } from '../../sim/report/report.ts';
import type { RunResult, RunStats } from '../../sim/run-once.ts';
import { runRange } from '../../sim/simulate.ts';
import { isInstance, show } from '../../support/checks.ts';
import { CommandUsageError } from '../errors.ts';
import type { Flags } from './flags.ts';
import { commandOf } from './flags.ts';
import { ownStack } from './output.ts';
import { loadScenario } from './scenario.ts';
import type { StoryFailure } from './story/story.ts';

/** The input of every thread. */
export interface ThreadInput {
  readonly file: string;
  readonly flags: Flags;
}

/** Consecutive runs of a campaign. */
export interface Block {
  /** The index of the first run, from 0. */
  readonly first: number;
  readonly count: number;
  /** Whether a failed run is shrunk. */
  readonly shrink: boolean;
  /** Whether the failed run, or else the only run, is recorded. */
  readonly record: boolean;
}

/** The runs that succeeded, and the run after them if it failed. */
export interface BlockOutcome {
  readonly stats: readonly RunStats[];
  readonly failure: FailureRecord | null;
  /** The run that the block was to record. */
  readonly recorded: StoryRun | null;
}

/** A recorded run that a thread can send. */
export interface StoryRun extends Omit<RecordedRun, 'failure'> {
  readonly failure: StoryFailure | null;
}

export interface BlockRunner {
  readonly plan: Plan;
  runBlock(block: Block): Promise<BlockOutcome>;
}

/** Throws CommandUsageError for a wrong module or wrong options. */
export async function loadBlockRunner({ file, flags }: ThreadInput): Promise<BlockRunner> {
  const { scenario, options } = await loadScenario(file);
  const plan = { ...planFor({ ...options, ...flags }), command: commandOf(file, flags, options) };
  const runBlock = async ({ first, count, shrink, record }: Block): Promise<BlockOutcome> => {
    const stats: RunStats[] = [];
    const onResult = (result: RunResult): void => void stats.push(statsOf(result));
    const shrinkLimits = shrink ? plan.shrinkLimits : null;
    let failure: SimulationError | null = null;
    try {
      const range = { first, count, onResult };
      await runRange(scenario, { ...plan, shrinkLimits }, nodeProcess, range);
    } catch (error) {
      if (!(error instanceof SimulationError)) throw error;
      failure = error;
    }
    const isRecorded = record && (failure !== null || plan.runs === 1);
    const run = failure ?? { seed: plan.seed + first };
    const recorded = isRecorded ? await recordRun(scenario, plan, run, nodeProcess) : null;
    return {
      stats,
      failure: failure === null ? null : failureRecord(failure),
      recorded: recorded === null ? null : storyRun(recorded),
    };
  };
  return { plan, runBlock };
}

function planFor(options: SimOptions): Plan {
  try {
    return planOf(options, { realProcess: nodeProcess });
  } catch (error) {
    throw isUsageError(error) ? new CommandUsageError(error.message) : error;
  }
}

function isUsageError(error: unknown): error is Error {
  const { code } = error as { readonly code?: unknown };
  const isWrongValue = code === 'ERR_OUT_OF_RANGE' || code === 'ERR_INVALID_ARG_TYPE';
  return isWrongValue || error instanceof ReplayTokenError;
}

/** A thrown value that a thread can send and JSON can represent. */
export interface ThrownRecord {
  readonly name: string;
  readonly message: string;
  readonly code?: string;
  readonly invariant?: string;
  readonly stack?: string;
}

type Serializable<T> = Omit<T, 'error' | 'replay' | 'shrunk'> & { readonly error: ThrownRecord };

/** A failed run that a thread can send and JSON can represent. */
export interface FailureRecord extends Serializable<FailedRun> {
  /** 'ERR_SIMULATION' or 'ERR_NOT_DETERMINISTIC'. */
  readonly code: string;
  readonly replay: string | null;
  readonly shrunk: Serializable<ShrunkRun> | null;
  /** The report to read. */
  readonly message: string;
}

function failureRecord(failure: SimulationError): FailureRecord {
  const { code, seed, run, order, virtualMs, steps, traceHash, events, tasks, message } = failure;
  const { shrunk, replay = null } = failure;
  return {
    ...{ code, seed, run, order, error: thrownRecord(failure.error) },
    ...{ virtualMs, steps, traceHash, events, tasks, replay },
    shrunk: shrunk === undefined ? null : { ...shrunk, error: thrownRecord(shrunk.error) },
    message,
  };
}

function storyRun({ failure, ...run }: RecordedRun): StoryRun {
  if (failure === null) return { ...run, failure };
  const { error, host, chain, tasks } = failure;
  const { name, message, stack = '' } = thrownRecord(error);
  return { ...run, failure: { name, message, stack: ownStack(stack), host, chain, tasks } };
}

function thrownRecord(thrown: unknown): ThrownRecord {
  if (!isInstance(thrown, Error)) return { name: typeof thrown, message: show(thrown) };
  const { name, message, stack } = thrown;
  const { code, invariant } = thrown as { readonly code?: unknown; readonly invariant?: unknown };
  return {
    name: String(name),
    message: String(message),
    ...(code === undefined ? {} : { code: String(code) }),
    ...(invariant === undefined ? {} : { invariant: String(invariant) }),
    ...(stack === undefined ? {} : { stack: String(stack) }),
  };
}
