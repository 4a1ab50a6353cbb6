/**
 * What a supervisor and its workers say to each other. The supervisor's end is in server/, the
 * worker's in node/process/lifecycle.ts, and a worker finds its listeners in net/tcp/listen.ts.
 *
 * A worker is told in its environment what it is. It takes away the variables that it has read:
 *   CORONET_WORKER   its place among the workers, from 1
 *   CORONET_LISTEN   the listeners that it has inherited: [["127.0.0.1:25000", 3], …] as JSON, each
 *                    address as the supervisor was given it, with the descriptor
 */
import type { Endpoint } from './network.ts';

/** What a supervisor tells a worker. */
export type ToWorker =
  /** Come to your end: what the first signal means to a program. `replaced`: a successor listens on
   *  the same sockets already. */
  | { readonly kind: 'stop'; readonly replaced: boolean }
  /** Be cancelled: what the second one means. */
  | { readonly kind: 'cut' }
  /** Tell your figures. */
  | { readonly kind: 'tell'; readonly question: number }
  /** Say that you turn. */
  | { readonly kind: 'ping'; readonly question: number };

/** What a worker tells its supervisor. */
export type FromWorker =
  /** It serves. */
  | { readonly kind: 'ready' }
  /** The figures of its servers: those that run, and those that have ended since it began. */
  | {
      readonly kind: 'figures';
      /** Which question this answers; 0: it was not asked. */
      readonly question: number;
      readonly servers: readonly ServerStatsMessage[];
    }
  /** It turns: this comes from a timer of its scheduler. */
  | {
      readonly kind: 'pong';
      /** The last question that it has heard. */
      readonly question: number;
      /** A debugger can stop it at any moment, for as long as a person likes. */
      readonly inspected: boolean;
    };

/** A server in a worker. */
export interface ServerStatsMessage {
  readonly address: string;
  /** What `server.stats()` gives there. */
  readonly stats: Readonly<Record<string, unknown>>;
}

/** Listening sockets at one address that are open here, and on which nobody here accepts. */
export interface SharedListeners {
  /** The real address: the port is known also where 0 was asked for. */
  readonly local: Endpoint;
  /** One for each worker where the system spreads connections among several, otherwise one. */
  readonly descriptors: readonly number[];
  /** Closes them. Idempotent. What waits in their queues is reset, unless another process has them
   *  open. */
  close(): void;
}
