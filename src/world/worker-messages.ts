/**
 * The messages between a supervisor and its workers. The supervisor's end is server/workers/, the
 * worker's end is node/process/supervisor-link.ts.
 *
 * The supervisor sets two environment variables. The worker removes each when it has read it:
 *   CORONET_WORKER   the number of the worker, from 1
 *   CORONET_LISTEN   the listeners that the worker inherits, as JSON: [["127.0.0.1:25000", 3], …].
 *                    Each address as it was passed to the supervisor, followed by the descriptor.
 *                    If each worker has a queue of its own, the descriptors of the other queues
 *                    follow, by slot: [["127.0.0.1:25000", 3, [null, 4]]] in the first of two
 *                    workers. net/tcp/listen.ts reads it.
 */

/** From the supervisor to a worker. */
export type ToWorker =
  /** Stop, as on the first signal to a program. `replaced`: a successor already listens on the same
   *  sockets. */
  | { readonly kind: 'stop'; readonly replaced: boolean }
  /** Cancel the program, as on the second signal. */
  | { readonly kind: 'cut' }
  | { readonly kind: 'stats-request'; readonly requestId: number }
  /** Accept also from the queues of these slots, whose workers are not ready, and from no others.
   *  Sent to a worker that has sent 'takes-queues'. */
  | { readonly kind: 'serve-queues'; readonly slots: readonly number[] }
  /** Write the tasks to standard error. */
  | { readonly kind: 'show-tasks' }
  /** Check that the event loop and the scheduler run. */
  | { readonly kind: 'ping'; readonly requestId: number };

/** From a worker to its supervisor. */
export type FromWorker =
  | { readonly kind: 'ready' }
  /** It has taken over a listener and can accept from the queues of other workers. */
  | { readonly kind: 'takes-queues' }
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
