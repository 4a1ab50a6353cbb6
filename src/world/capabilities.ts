/** What networks may differ in. Types only. */
import type { SocketOption } from './network.ts';

/** What a network can and cannot do, so that tests and servers ask instead of guessing. */
export interface Capabilities {
  /** Not accepting leaves connections in the system's queue. Otherwise they are accepted, held
   *  paused up to the backlog, and reset beyond it. */
  readonly pausesAccept: boolean;
  /** After a cut-off send, the number of bytes that the system took is known exactly. */
  readonly exactTorn: boolean;
  /** Several connections are accepted per call into the system. */
  readonly batchedAccept: boolean;
  /** Several listeners, or datagram sockets, may share a port. */
  readonly reusePort: boolean;
  /** What this network can set of a connection, and read back. */
  readonly options: readonly SocketOption[];
  /** Unix sockets may have names without a file (unix(7), "abstract"): paths that begin with NUL.
   *  Otherwise they are refused with ERR_UNSUPPORTED. */
  readonly abstractNames: boolean;
  /** Connections may be TLS. */
  readonly tls: boolean;
  /** Several datagrams are received per call into the system. */
  readonly batchedDatagrams: boolean;
  /** What the system says to a datagram is known when `trySendTo` returns: `trySent` is true. */
  readonly sendsAtOnce: boolean;
  /** A datagram that nobody receives waits in the system's queue, and those that it drops are
   *  counted. Otherwise it waits in a queue of the network's, and those that this drops are. */
  readonly exactDropped: boolean;
}

/** What a network knows in numbers: the bounds of its system, and what is open on it. */

/** Bounds of the system that a server has to live within. `undefined`: not known here. */
export interface NetworkLimits {
  /** The most descriptors that the process may have open. */
  readonly descriptors: number | undefined;
  /** Descriptors open now. */
  readonly openDescriptors: number | undefined;
  /** The longest accept queue the system grants (somaxconn). */
  readonly backlog: number | undefined;
}

/** What is open on a network now: all zero after a run. */
export interface NetworkCounters {
  readonly transports: number;
  readonly listeners: number;
  /** Datagram sockets. */
  readonly datagrams: number;
  /** Shared receive slabs that the network itself holds. */
  readonly slabs: number;
}
