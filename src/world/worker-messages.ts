/**
 * The messages between a supervisor and its workers. The supervisor's end is server/workers/, the
 * worker's end is node/process/supervisor-link.ts.
 *
 * The supervisor sets two environment variables. The worker removes each when it has read it:
 *   CORONET_WORKER   the number of the worker, from 1
 *   CORONET_LISTEN   the listeners that the worker inherits, as JSON: [["127.0.0.1:25000", 3], …].
 *                    Each address as it was passed to the supervisor, followed by the descriptor.
 *                    net/tcp/listen.ts reads it.
 */

/** From the supervisor to a worker. */
export type ToWorker =
  /** Stop, as on the first signal to a program. `replaced`: a successor already listens on the same
   *  sockets. */
  | { readonly kind: 'stop'; readonly replaced: boolean }
  /** Cancel the program, as on the second signal. */
  | { readonly kind: 'cut' }
  | { readonly kind: 'stats-request'; readonly requestId: number }
  /** Check that the event loop and the scheduler run. */
  | { readonly kind: 'ping'; readonly requestId: number };

/** From a worker to its supervisor. */
export type FromWorker =
  | { readonly kind: 'ready' }
  | {
      readonly kind: 'stats';
      /** The `requestId` that this answers; 0: sent without a request. */
      readonly requestId: number;
      /** The servers that run, and those that have ended since the worker started. */
      readonly servers: readonly ServerStatsMessage[];
    }
  /** Sent by a timer of the worker's scheduler. */
  | {
      readonly kind: 'pong';
      /** The `requestId` of the latest ping. */
      readonly requestId: number;
      /** A debugger can stop the worker at any moment and for any length of time. */
      readonly inspected: boolean;
    };

/** The stats of one server in a worker. */
export interface ServerStatsMessage {
  readonly address: string;
  /** The result of `server.stats()` in the worker. */
  readonly stats: Readonly<Record<string, unknown>>;
}
