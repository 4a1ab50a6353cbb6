/** One thread's part of a campaign: it loads the module and makes the runs that it is told to. */

import type { TraceEvent } from '../../sim/core.ts';
import type { ShrunkRun } from '../../sim/errors.ts';
import { ReplayTokenError, SimulationError } from '../../sim/errors.ts';
import type { Plan } from '../../sim/options.ts';
import { planOf } from '../../sim/options.ts';
import type { RunStats } from '../../sim/report/report.ts';
import { statsOf } from '../../sim/report/report.ts';
import { runRange } from '../../sim/simulate.ts';
import type { Scenario } from '../../sim/world.ts';
import { show } from '../../support/checks.ts';
import { CommandUsageError } from '../errors.ts';
import type { Flags } from './flags.ts';
import { commandOf } from './flags.ts';
import { parts } from './parts.ts';
import { loadScenario } from './scenario.ts';

/** What every thread is told. */
export interface WorkerInput {
  readonly file: string;
  readonly flags: Flags;
}

/** Some of the runs of a campaign, one after the other. */
export interface Block {
  /** The number of the first run, from 0. */
  readonly first: number;
  readonly count: number;
  /** Whether a run that fails is shrunk. */
  readonly shrink: boolean;
}

/** The runs that have succeeded, and the one after them, if it has failed. */
export interface BlockOutcome {
  readonly stats: readonly RunStats[];
  readonly failure: FailureRecord | null;
}

export class Explorer {
  readonly plan: Plan;
  readonly #scenario: Scenario;

  constructor(scenario: Scenario, plan: Plan) {
    this.#scenario = scenario;
    this.plan = plan;
  }

  async explore({ first, count, shrink }: Block): Promise<BlockOutcome> {
    const figures: RunStats[] = [];
    const plan = shrink ? this.plan : { ...this.plan, shrink: null };
    const done = (result: RunStats) => figures.push(statsOf(result));
    try {
      await runRange(this.#scenario, plan, parts.realProcess, { first, count, onResult: done });
      return { stats: figures, failure: null };
    } catch (error) {
      if (error instanceof SimulationError)
        return { stats: figures, failure: failureRecord(error) };
      throw error;
    }
  }
}

/** Throws CommandUsageError for a module or options that are wrong. */
export async function loadExplorer({ file, flags }: WorkerInput): Promise<Explorer> {
  const { scenario, options } = await loadScenario(file);
  try {
    const plan = planOf({ ...options, ...flags }, parts.makeNetwork, parts.debug());
    return new Explorer(scenario, { ...plan, command: commandOf(file, flags, options) });
  } catch (error) {
    throw isOfOptions(error) ? new CommandUsageError(error.message) : error;
  }
}

function isOfOptions(error: unknown): error is Error {
  const { code } = error as { readonly code?: unknown };
  const isRange = code === 'ERR_OUT_OF_RANGE' || code === 'ERR_INVALID_ARG_TYPE';
  return isRange || error instanceof ReplayTokenError;
}

/** A failed run as it goes from thread to thread and into JSON. */

/** What was thrown, as far as it can be told. */
export interface ThrownRecord {
  readonly name: string;
  readonly message: string;
  readonly code?: string;
  readonly invariant?: string;
  readonly stack?: string;
}

export interface FailureRecord {
  /** 'ERR_SIMULATION' or 'ERR_NOT_DETERMINISTIC'. */
  readonly code: string;
  readonly seed: number;
  /** Which of the runs it was, from 0. */
  readonly run: number;
  readonly order: string;
  readonly error: ThrownRecord;
  readonly virtualMs: number;
  readonly steps: number;
  readonly traceHash: string;
  readonly events: readonly TraceEvent[];
  readonly tasks: readonly string[];
  readonly replay: string | null;
  readonly shrunk: (Omit<ShrunkRun, 'error'> & { readonly error: ThrownRecord }) | null;
  /** The story, for people. */
  readonly message: string;
}

export function failureRecord(failure: SimulationError): FailureRecord {
  const { code, seed, run, order, virtualMs, steps, traceHash, events, tasks, message } = failure;
  const { shrunk, replay = null } = failure;
  return {
    ...{ code, seed, run, order, error: thrownRecord(failure.error) },
    ...{ virtualMs, steps, traceHash, events, tasks, replay },
    shrunk: shrunk === undefined ? null : { ...shrunk, error: thrownRecord(shrunk.error) },
    message,
  };
}

function thrownRecord(thrown: unknown): ThrownRecord {
  if (!(thrown instanceof Error)) return { name: typeof thrown, message: show(thrown) };
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
