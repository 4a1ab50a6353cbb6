/** The contract between a scheduler and its host. */

/** The values of all AsyncLocalStorages at one moment. They never change. */
export type AsyncContext = object | undefined;

/** The async contexts of tasks. Between steps the host runs in that of the run. */
export interface AsyncContexts {
  /** Calls `fn`, which runs steps, in the context of the run. */
  around<T>(fn: () => T): T;
  /** The context in which the run began. */
  readonly own: AsyncContext;
  /** The context of the calling code. */
  capture(): AsyncContext;
  /** Enters the context of a task, before its step. */
  enter(context: AsyncContext): void;
  /** Returns to the context of the run. Returns the context that the step has left. */
  leave(): AsyncContext;
}

/** The functions that the scheduler requires of the host that drives it. */
export interface SchedulerHost {
  /** Milliseconds from a fixed origin: monotonic, fractional. */
  now(): number;
  /** A task became ready, or a timer was armed, outside a turn: the host calls `turn()` soon. */
  wake(): void;
  /**
   * Called before timers fire. The host first delivers pending readiness, which has precedence over
   * a time limit that has expired.
   */
  beforeDeadlines?(): void;
  /** Absent: tasks have no async contexts. */
  readonly contexts?: AsyncContexts | null;
  /** A number in [0, 1), from the host's source of randomness. */
  random(): number;
  /**
   * Reports a problem that no task can receive. Must not throw. `rethrown`: a callback of the
   * program threw it, so it is an error of the program even if it has the code of a warning.
   */
  warn(problem: unknown, rethrown?: boolean): void;
}
