/** The errors of simulations. report/failure.ts writes the messages of failed runs. */

import type { UsageError } from '../kernel/errors.ts';
import { CoronetError, unsupported } from '../kernel/errors.ts';
import type { OrderName } from './choices/order.ts';
import type { TraceEvent } from './core.ts';

/** How a failed run ended. */
export interface RunOutcome {
  readonly error: unknown;
  readonly virtualMs: number;
  readonly steps: number;
  readonly events: readonly TraceEvent[];
  readonly tasks: readonly string[];
  readonly traceHash: string;
}

/** A run that fails the same way as the run it was shrunk from, with fewer random choices. */
export interface ShrunkRun extends RunOutcome {
  /** The number of choices that differ from their defaults. */
  readonly choices: number;
  /** The number of such choices in the original run. */
  readonly of: number;
}

/** The properties of a SimulationError. */
export interface FailedRun extends RunOutcome {
  readonly seed: number;
  readonly run: number;
  readonly order: OrderName;
  readonly replay: string | undefined;
  readonly shrunk: ShrunkRun | undefined;
}

/** A run of a simulation failed. `error` (also `cause`) is the reason. */
export class SimulationError extends CoronetError implements FailedRun {
  /** Repeats this run: `simulate(scenario, { seed, order })`. */
  declare readonly seed: number;
  /** The index of the run, from 0. */
  declare readonly run: number;
  declare readonly order: OrderName;
  /** The error of a program, or an error of the simulation such as InvariantError. */
  declare readonly error: unknown;
  /** The time of the failure in virtual milliseconds. */
  declare readonly virtualMs: number;
  /** The number of task steps before the failure. */
  declare readonly steps: number;
  /** The last events, the oldest first; at most 200. */
  declare readonly events: readonly TraceEvent[];
  /** One line for every unfinished task: its host, and what it waits for. */
  declare readonly tasks: readonly string[];
  declare readonly traceHash: string;
  /**
   * Repeats the shrunk run, or this run if it was not shrunk: `simulate(scenario, { replay })`,
   * `coronet sim FILE --replay TOKEN`. Undefined for a run that is not deterministic.
   */
  declare readonly replay: string | undefined;
  /** The shrunk run: only the choices remain that the failure needs. */
  declare readonly shrunk: ShrunkRun | undefined;

  constructor(message: string, run: FailedRun, code = 'ERR_SIMULATION') {
    super(code, message, { cause: run.error });
    const { events, tasks, shrunk, ...shown } = run;
    Object.assign(this, shown);
    // The message shows these already. A printed error must not repeat hundreds of lines.
    for (const [name, value] of Object.entries({ events, tasks, shrunk })) {
      Object.defineProperty(this, name, { value, enumerable: false });
    }
  }
}

/** Two runs with the same seed differ. The message shows where and names a likely cause. */
export class NotDeterministicError extends SimulationError {
  constructor(message: string, run: FailedRun) {
    super(message, run, 'ERR_NOT_DETERMINISTIC');
  }
}

/** An invariant of `world.always` or `world.eventually` does not hold. */
export class InvariantError extends CoronetError {
  readonly kind: 'always' | 'eventually';
  /** The name of the invariant. */
  readonly invariant: string;

  constructor(
    { kind, name }: { readonly kind: 'always' | 'eventually'; readonly name: string },
    problem: string,
    cause?: unknown,
  ) {
    const message = `${kind} '${name}' ${problem}`;
    super('ERR_INVARIANT', message, cause === undefined ? undefined : { cause });
    this.kind = kind;
    this.invariant = name;
  }
}

/** A run exceeded a limit: steps, virtual time, or the time for cancelled hosts to end. */
export class SimulationLimitError extends CoronetError {}

/** A text is not a replay token, is incomplete, or is from another version of Coronet. */
export class ReplayTokenError extends CoronetError {
  constructor(message: string) {
    super('ERR_REPLAY_TOKEN', message);
  }
}

/** The error of an operation that needs other processes or inherited descriptors. */
export function unsupportedBySimulatedHost(operation: string): UsageError {
  return unsupported('A simulated host', operation, 'Run every program on its own host.');
}
