/** What a server is to the outside: its address, its figures, its end. */
import type { SocketAddress } from '../net/address.ts';
import type { DrainReport, ServerStats } from './reports.ts';

export type { Handler, ServerOptions } from './options.ts';
export type { ServerStats } from './reports.ts';

/**
 * A running server, as `onListening` gets it.
 *
 * What happens to its connections is also told on channels of node:diagnostics_channel, each
 * message with the address of the server as `server`: 'coronet:server:connection' ({ peer }),
 * 'coronet:server:close' (a CloseRecord), 'coronet:server:limit' ({ limit, peer }: a limit, 'shed'
 * included, has ended, refused or held back connections; `peer` where it was one).
 */
export interface Server {
  readonly address: SocketAddress;
  /** The network it runs on: 'epoll', 'portable', 'sim'. */
  readonly backend: string;
  /** The figures now, as a frozen record. */
  stats(): ServerStats;
  /**
   * Drains: what waits to be accepted is accepted, as soon as there is room, and the listener is
   * closed; idle connections get end of file at `recv`, busy ones once they have answered. What is
   * left after `graceMs` is cut.
   */
  stop(options?: { readonly graceMs?: number }): void;
  /** How the server came to its end after a stop; `undefined` before that end. */
  readonly drainReport: DrainReport | undefined;
}
