/** A captured async context, in which a task's steps run: an AsyncResource of Node is one. */
export interface AsyncContext {
  runInAsyncScope<T>(fn: () => T): T;
}

/** What the scheduler asks of the host that drives it. The rest of a host is its own affair. */
export interface SchedulerHost {
  /** Monotonic milliseconds, fractional, from any fixed origin. */
  now(): number;
  /** Something became ready, or a timer was armed, outside of a turn: call `turn()` soon. */
  wake(): void;
  /**
   * Deadlines are about to fire: deliver first what has come for the tasks meanwhile. Readiness
   * that is there wins over a time limit that is over.
   */
  beforeDeadlines?(): void;
  /** The caller's async context, where it is another one than that of the turns; otherwise null. */
  captureContext?(): AsyncContext | null;
  /** A number in [0, 1), from the host's source of randomness. */
  random(): number;
  /** Tells a person of something that no task is left to receive. Never throws. */
  warn(problem: unknown): void;
}
