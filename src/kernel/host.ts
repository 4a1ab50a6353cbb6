/** The contract between a scheduler and its host. */

/** A captured async context for the steps of a task. Node's AsyncResource implements it. */
export interface AsyncContext {
  runInAsyncScope<T>(fn: () => T): T;
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
  /** The current async context if it differs from that of the turns; otherwise null. */
  captureContext?(): AsyncContext | null;
  /** A number in [0, 1), from the host's source of randomness. */
  random(): number;
  /** Reports a problem that no task can receive. Must not throw. */
  warn(problem: unknown): void;
}
