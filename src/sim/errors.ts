/** The errors of simulations. The texts of failed runs are made in failure.ts. */

import type { UsageError } from '../kernel/errors.ts';
import { CoronetError, unsupported } from '../kernel/errors.ts';
import type { OrderName } from './choices/order.ts';
import type { TraceEvent } from './core.ts';

/** A run that fails the same way as another one, with the fewest choices that were found. */
export interface ShrunkRun {
  /** How many choices differ from their defaults, and how many did in the whole run. */
  readonly choices: number;
  readonly of: number;
  readonly error: unknown;
  readonly virtualMs: number;
  readonly steps: number;
  readonly events: readonly TraceEvent[];
  readonly tasks: readonly string[];
  readonly traceHash: string;
}

/** What is known of the run that failed. */
export interface FailedRun {
  readonly seed: number;
  readonly run: number;
  readonly order: OrderName;
  readonly error: unknown;
  readonly virtualMs: number;
  readonly steps: number;
  readonly events: readonly TraceEvent[];
  readonly tasks: readonly string[];
  readonly traceHash: string;
  readonly replay: string | undefined;
  readonly shrunk: ShrunkRun | undefined;
}

/**
 * A run of a simulation has failed. `error` (and `cause`) is why; `seed` plays that run again,
 * alone.
 */
export class SimulationError extends CoronetError {
  /** Plays the run again: `simulate(scenario, { seed, order })`. */
  readonly seed: number;
  /** Which of the runs it was, from 0. */
  readonly run: number;
  readonly order: OrderName;
  /** What failed: the error of a program, or one of the codes of simulations. */
  readonly error: unknown;
  /** When, in virtual milliseconds, and after how many steps of tasks. */
  readonly virtualMs: number;
  readonly steps: number;
  /** The last events, the oldest first; at most 200. */
  declare readonly events: readonly TraceEvent[];
  /** A line for every task that had not ended: its host, and what it waits for. */
  declare readonly tasks: readonly string[];
  readonly traceHash: string;
  /**
   * Plays the shrunk run again, or, where there is none, the run itself:
   * `simulate(scenario, { replay })`, `coronet sim FILE --replay TOKEN`. Undefined for a run that
   * is not the same every time.
   */
  readonly replay: string | undefined;
  /** The run in which only the choices are left that the failure needs, if it is another one. */
  declare readonly shrunk: ShrunkRun | undefined;

  constructor(message: string, run: FailedRun, code = 'ERR_SIMULATION') {
    super(code, message, { cause: run.error });
    this.seed = run.seed;
    this.run = run.run;
    this.order = run.order;
    this.error = run.error;
    this.virtualMs = run.virtualMs;
    this.steps = run.steps;
    this.traceHash = run.traceHash;
    this.replay = run.replay;
    // The message tells of them. Whoever prints the error must not get hundreds of lines more.
    for (const name of ['events', 'tasks', 'shrunk'] as const) {
      Object.defineProperty(this, name, { value: run[name], enumerable: false });
    }
  }
}

/** Two runs with the same seed went different ways; the message shows where, and guesses why. */
export class NotDeterministicError extends SimulationError {
  constructor(message: string, run: FailedRun) {
    super(message, run, 'ERR_NOT_DETERMINISTIC');
  }
}

/** What `always` or `eventually` demanded did not hold. `invariant` is its name. */
export class InvariantError extends CoronetError {
  readonly invariant: string;

  constructor(code: string, message: string, invariant: string, cause?: unknown) {
    super(code, message, cause === undefined ? undefined : { cause });
    this.invariant = invariant;
  }
}

/** A run did not come to its end within what it was given: steps, virtual time, or unwinding. */
export class SimulationLimitError extends CoronetError {}

/** A text is no token of a run, or not of this version, or not whole. */
export class ReplayTokenError extends CoronetError {
  constructor(message: string) {
    super('ERR_REPLAY_TOKEN', message);
  }
}

/** A simulated host has no other processes, and no descriptors to give them or to get from them. */

export function unsupportedBySimulatedHost(what: string): UsageError {
  return unsupported('A simulated host', what, 'Give every program a host of its own.');
}
