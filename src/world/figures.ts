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
