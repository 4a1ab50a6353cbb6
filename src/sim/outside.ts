/**
 * What a simulation asks of the process around it, given to it by the entry file. Only waits that
 * belong to the process (promises, emitters) and the event loop's turn depend on it; nothing that a
 * run computes does.
 */
export interface Outside {
  /** Lets the event loop turn once: signals, timers and I/O of the process are served. */
  breathe(): Promise<void>;
  /** Calls `action` after so many real milliseconds, and holds the process until then. */
  later(ms: number, action: () => void): () => void;
  /** A question that is answered with true once so many real milliseconds have passed. */
  limit(ms: number): () => boolean;
  /**
   * Has `used` called whenever the running task reaches for the real world, with the name of what
   * it reached for ("Math.random"). The answer ends that.
   */
  watch(used: (name: string) => void): () => void;
}
