/** One thread's part of a campaign: it loads the module and makes the runs that it is told to. */
import { ReplayTokenError, SimulationError } from '../../sim/errors.ts';
import type { Plan } from '../../sim/options.ts';
import { planOf } from '../../sim/options.ts';
import type { RunFigures } from '../../sim/report.ts';
import { figuresOf } from '../../sim/report.ts';
import { runSome } from '../../sim/simulate.ts';
import type { Scenario } from '../../sim/world.ts';
import { UsageMistake } from '../mistakes.ts';
import type { Flags } from './flags.ts';
import { commandOf } from './flags.ts';
import { parts } from './parts.ts';
import type { FailureRecord } from './record.ts';
import { failureRecord } from './record.ts';
import { loadScenario } from './scenario.ts';

/** What every thread is told. */
export interface Task {
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
  readonly figures: readonly RunFigures[];
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
    const figures: RunFigures[] = [];
    const plan = shrink ? this.plan : { ...this.plan, shrink: null };
    const done = (result: RunFigures) => figures.push(figuresOf(result));
    try {
      await runSome(this.#scenario, plan, parts.outside, { first, count, done });
      return { figures, failure: null };
    } catch (error) {
      if (error instanceof SimulationError) return { figures, failure: failureRecord(error) };
      throw error;
    }
  }
}

/** Throws UsageMistake for a module or options that are wrong. */
export async function loadExplorer({ file, flags }: Task): Promise<Explorer> {
  const { scenario, options } = await loadScenario(file);
  try {
    const plan = planOf({ ...options, ...flags }, parts.makeMedium, parts.debug());
    return new Explorer(scenario, { ...plan, command: commandOf(file, flags, options) });
  } catch (error) {
    throw isOfOptions(error) ? new UsageMistake(error.message) : error;
  }
}

function isOfOptions(error: unknown): error is Error {
  const { code } = error as { readonly code?: unknown };
  const isRange = code === 'ERR_OUT_OF_RANGE' || code === 'ERR_INVALID_ARG_TYPE';
  return isRange || error instanceof ReplayTokenError;
}
