/** The figures of a scheduler. */

/** What a scheduler has done and holds. */
export interface SchedulerStats {
  /** Unfinished tasks. */
  readonly tasks: number;
  /** Tasks that are ready to run. */
  readonly ready: number;
  /** Armed timers: sleeps and deadlines. */
  readonly timers: number;
  /** Waits that something outside may end: sockets, promises, signals. */
  readonly outsideWaits: number;
  readonly spawned: number;
  readonly steps: number;
  readonly batches: number;
  /** The longest time for which the host heard nothing of the scheduler, in milliseconds. */
  readonly longestMs: number;
}
