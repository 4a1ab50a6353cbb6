/**
 * The contract of a network backend. Types only; nothing here runs.
 *
 * A backend moves the bytes for net/ and server/, which do not depend on the backend. The backends
 * are node/epoll/ (the native poller), node/portable/ (node:net and node:dgram) and sim/network/
 * (simulated). A backend must define:
 *
 *   Network             opens sockets, resolves names, polls, and reports what is open
 *   Transport           a connection: connect, receive, send, shut down, options
 *   ListenerTransport   a listening socket: listen, accept
 *   DatagramTransport   a UDP socket: bind, receive, send, groups
 *
 * A member that is declared optional may be missing. Capabilities declares every other difference
 * between backends.
 *
 * The model is the non-blocking socket. A method named `try…` never waits: it returns a result,
 * returns its "would block" value, or throws. A task that got "would block" yields
 * `['recv', transport]` or `['send', transport]` and calls the method again when it resumes.
 *
 * Every backend obeys these rules. test/conformance/ runs the same cases on all of them.
 *
 * Readiness
 *  1. The flags `canRecv` and `canSend` start false. A notification sets a flag and wakes the
 *     waiter of that direction: `notifyRecv()` and `notifySend()` of Readiness.
 *  2. Only an attempt that exhausted the resource (an empty receive queue, a full send buffer)
 *     clears a flag. An edge-triggered poller reports each change once, so a flag that is cleared
 *     earlier is a lost wake-up.
 *  3. A spurious notification is legal: the attempt returns "would block" and the task waits again.
 *
 * Data
 *  4. Received bytes come before the end of file, and before an error that ended the connection, as
 *     long as the operating system still has them.
 *  5. Every buffer and every queue has a bound.
 *
 * Errors
 *  6. Attempts throw errors. An error is never an event and never ends the process.
 *  7. An error that ended a direction is sticky: every later attempt in that direction throws it.
 *     ENOBUFS and ENOMEM end no direction: the system was short of memory and the attempt did
 *     nothing.
 *
 * Closing
 *  8. `close()` is idempotent, rejects both waiters with ERR_CLOSED, and makes every later attempt
 *     throw ERR_CLOSED.
 *  9. A notification for a closed transport is dropped, even if its descriptor is in use again.
 *
 * Datagrams
 * 10. A datagram is sent whole or not at all. It is received whole, or cut at `maxLength` and
 *     marked as truncated. An empty datagram is legal. When the receive queue is full, the system
 *     or the backend drops the newest datagrams.
 * 11. Only ERR_CLOSED is sticky (an exception to rule 7). An error of the last send, or one that
 *     the peer of a connected socket caused (ICMP: ECONNREFUSED, EHOSTUNREACH), is thrown once, by
 *     the next attempt, which does nothing else.
 * 12. `canSend` is true as soon as the socket is bound.
 */
import type { Readiness } from '../kernel/readiness.ts';
import type { HandshakeStage, ProxyProtocolOptions } from './handshake.ts';
import type { TlsClientOptions, TlsInfo, TlsServerOptions } from './tls.ts';

// ---- networks ----

/** One instance of a backend. A run has one network, and each simulated host has its own. */
export interface Network {
  /** 'epoll', 'portable' or 'sim'. */
  readonly backend: string;
  readonly capabilities: Capabilities;

  /** Starts to listen; see `ListenerTransport.tryListen`. Throws an error that occurs at once. */
  listen(at: Endpoint, options: ListenOptions): ListenerTransport;

  /**
   * Starts to listen on a descriptor that this process has inherited. From then on the listener
   * owns the descriptor and closes it. The file of a Unix socket is left alone: it belongs to the
   * process that created it.
   * Throws EBADF, ENOTSOCK or EINVAL if the descriptor is not a listening socket. It stays open.
   */
  adopt(fd: number): ListenerTransport;

  /** Starts to connect; see `Transport.tryConnect`. Throws an error that occurs at once. */
  connect(to: Endpoint, options: TransportConnectOptions): Transport;

  /** Prepares the state that connections with these options share. Throws ERR_TLS_OPTIONS. */
  tlsClient(options: TlsClientOptions): TlsClient;

  /** Prepares the handshakes of a listener with these options. Throws ERR_TLS_OPTIONS. */
  tlsServer(options: TlsServerOptions): HandshakeStage;

  /** Starts to bind; see `DatagramTransport.tryBind`. Throws an error that occurs at once. */
  bindDatagram(at: Endpoint, options: DatagramOptions): DatagramTransport;

  /**
   * Looks a name up. Calls `done` once, after this call has returned: with at least one address, in
   * the order to try them, or with an error (ENOTFOUND, EAI_AGAIN). The returned function abandons
   * the look-up: `done` is not called after it.
   */
  resolve(
    host: string,
    done: (error: unknown, hosts: readonly { host: string; family: 4 | 6 }[]) => void,
  ): () => void;

  /**
   * Delivers the notifications that are pending now, without blocking. Returns the number of
   * sockets, or −1 if this backend gets notifications only from the event loop of the process.
   */
  poll(): number;

  /**
   * Carries out the queued sends (`Transport.queueSend`) and returns their number. The host calls
   * it at the end of a batch of tasks, and before it returns control to the event loop of the
   * process; `poll()` does the same first. Absent: no send is queued.
   */
  sendQueued?(): number;

  /**
   * Milliseconds after which every connection and byte that has arrived by now has been reported.
   * 0: `poll()` reports all of them.
   */
  readonly settleMs: number;

  /**
   * Identifies the file of the Unix socket at `path`; `undefined` if there is none. The returned
   * function removes that file, but not another one that has replaced it in the meantime.
   */
  socketFile(path: string): (() => void) | undefined;

  /** Closed connections whose final bytes are still in our memory. */
  readonly closing: number;

  limits(): NetworkLimits;

  /** Connections that the system dropped because the accept queue of any listener of this machine
   *  was full, since the machine started (ListenOverflows of Linux). Absent, `undefined`: not
   *  known. */
  listenOverflows?(): number | undefined;

  counters(): NetworkCounters;

  /** The open listeners. Absent: not known. */
  openListeners?(): Iterable<ListenerTransport>;

  /** One line for each open socket ("listener 127.0.0.1:25000"), for the leak report. */
  open(): readonly string[];

  /** Closes every open socket and releases the resources of the network. Idempotent. */
  close(): void;
}

/** The part of the scheduler's host that a network uses. Passed to its constructor. */
export interface NetworkOwner {
  /**
   * Calls `deliver`, which notifies waiters, and then runs the tasks that became ready, in the same
   * call from the event loop. A backend that gets the events of many sockets at once uses this. A
   * backend that gets one event at a time may also notify waiters without it.
   */
  deliver(deliver: () => void): void;
}

/** The features in which backends differ. Tests and servers check them instead of guessing. */
export interface Capabilities {
  /** True: connections that are not accepted stay in the system's queue. False: the backend accepts
   *  them, pauses up to `backlog` of them (a queue of Linux holds one more), and resets the rest.
   *  It also resets connections for which it has no descriptor. */
  readonly pausesAccept: boolean;
  /** The number of bytes that the system took of an interrupted send is exact. */
  readonly exactTorn: boolean;
  /** Several listeners, or datagram sockets, may share a port. */
  readonly reusePort: boolean;
  /** The options of a connection that this backend can set and read. */
  readonly options: readonly SocketOption[];
  /** Unix sockets may have abstract names (unix(7)): paths that begin with NUL and have no file.
   *  False: such a path is rejected with ERR_UNSUPPORTED. */
  readonly abstractNames: boolean;
  /** Connections may use TLS. */
  readonly tls: boolean;
  /** The system's result for a datagram is known when `trySendTo` returns: `trySent` is true. */
  readonly sendsAtOnce: boolean;
  /** True: datagrams wait in the system's queue, and `dropped` counts its drops. False: datagrams
   *  wait in a queue of the backend, and `dropped` counts the drops of that queue. */
  readonly exactDropped: boolean;
}

/** Limits of the system that a server works within. `undefined`: not known. */
export interface NetworkLimits {
  /** The maximum number of descriptors that the process may have open. */
  readonly descriptors: number | undefined;
  /** Descriptors open now. */
  readonly openDescriptors: number | undefined;
  /** The maximum length of an accept queue (somaxconn). */
  readonly backlog: number | undefined;
}

/** The numbers of open sockets of a network. All zero after a run. */
export interface NetworkCounters {
  readonly transports: number;
  readonly listeners: number;
  /** Datagram sockets. */
  readonly datagrams: number;
  /** Shared receive slabs that the network itself holds. */
  readonly slabs: number;
}

/** A numeric address or a path, as the operating system takes it. Never a name. */
export type Endpoint =
  | { readonly host: string; readonly port: number; readonly family: 4 | 6 }
  | { readonly path: string };

// ---- connections ----

/**
 * The name of an option of a connection. Values are numbers: 0 or 1, milliseconds, bytes, or a
 * count of probes.
 */
export type SocketOption =
  | 'noDelay'
  | 'keepAlive'
  | 'keepAliveIdleMs'
  | 'keepAliveIntervalMs'
  | 'keepAliveCount'
  | 'userTimeoutMs'
  | 'recvBufferSize'
  | 'sendBufferSize';

/**
 * Sizes of the system's buffers, in bytes. Linux doubles the value, keeps it between 2 KB and twice
 * its limits (net.core.rmem_max, wmem_max; socket(7)), and no longer tunes a size that was set.
 */
export interface BufferSizes {
  /** SO_RCVBUF. Set before the connection exists, so that its window can be as large. */
  readonly recvBufferSize?: number;
  /** SO_SNDBUF. */
  readonly sendBufferSize?: number;
}

/** Options of `Network.connect`. */
export interface TransportConnectOptions extends BufferSizes {
  /** The local address to bind before connecting. */
  readonly localAddress?: Endpoint;
}

/**
 * The options of TCP keep-alive. An absent member leaves the current value. Times are rounded up to
 * whole seconds, the unit of the system.
 */
export interface KeepAliveOptions {
  readonly enable: boolean;
  /** Milliseconds without traffic before the first probe: 1 to 32,767,000 (TCP_KEEPIDLE). */
  readonly idleMs?: number;
  /** Milliseconds between probes: 1 to 32,767,000 (TCP_KEEPINTVL). */
  readonly intervalMs?: number;
  /** Unanswered probes that end the connection: 1 to 127 (TCP_KEEPCNT). */
  readonly count?: number;
}

/** A connection of a backend, or an attempt to connect. */
export interface Transport extends Readiness {
  /** The local address. Known once connected or accepted; kept after close. */
  readonly local: Endpoint;
  /** The peer's address. Kept after close. The PROXY header stage replaces it with the address of
   *  the proxy's client. */
  remote: Endpoint;
  /** The TLS session, once the handshake is complete. Absent without TLS. */
  readonly tls?: TlsInfo | undefined;

  /**
   * True once connected. False while the attempt is pending (wait for 'send'). Always true for an
   * accepted connection. Throws the reason of a failed attempt (ECONNREFUSED, ETIMEDOUT, …); the
   * caller still has to close the transport.
   */
  tryConnect(): boolean;

  /**
   * Receives 1 to `max` bytes into memory that the backend chooses; the caller owns the result.
   * `undefined`: would block. An empty Buffer: end of file, which later calls return again.
   */
  tryRecv(max: number): Buffer | undefined;

  /** The error that ended the receiving direction, if an attempt has found one: every later attempt
   *  throws it. Absent: only an attempt shows it. */
  readonly recvError?: unknown;

  /** As `tryRecv`, into memory that the backend shares: the result is valid until the next receive
   *  of any transport of the backend. Absent: `tryRecv` is as cheap. */
  tryBorrow?(max: number): Buffer | undefined;

  /** Receives into `into`, which is not empty. Returns the number of bytes; 0: end of file; −1:
   *  would block. */
  tryRecvInto(into: Uint8Array): number;

  /** Takes back bytes that were received last: they are received again, first. The caller no longer
   *  uses them. Absent: the backend cannot. */
  unreceive?(bytes: Buffer): void;

  /** Sends a part of `data`, which is not empty. Returns the number of bytes taken; 0: would block.
   *  The caller may change `data` when the call has returned. Throws EPIPE after
   *  `shutdown('send')` and after the peer has closed. */
  trySend(data: Uint8Array): number;

  /**
   * Queues a send of `data`, to be carried out together with those of other tasks. True: the caller
   * waits for 'send' and does not change `data`; the next `trySend`, of the same data, returns the
   * result. Any other call first carries the send out. False: use `trySend`. Absent: as false.
   */
  queueSend?(data: Uint8Array): boolean;

  /** Sends a part of the concatenation of `chunks`, as `trySend` does. Looks at no more than the
   *  first 64 chunks. Empty chunks are legal. */
  trySendv(chunks: readonly Uint8Array[]): number;

  /** 'send': the peer reads end of file after the bytes that were sent. 'recv': `tryRecv` returns
   *  end of file, and incoming bytes are dropped. Does nothing on a connection that has ended. */
  shutdown(how: 'send' | 'recv' | 'both'): void;

  /**
   * The value of an option. `undefined` if this backend cannot read it, for a TCP option of a Unix
   * socket, and after close. Never throws.
   */
  getOption(option: SocketOption): number | undefined;

  /**
   * Sets an option. The caller has checked the range. `noDelay` is 1 initially. A TCP option does
   * nothing on a Unix socket. Throws ERR_UNSUPPORTED if the option is not in
   * `Capabilities.options`, ERR_CLOSED after close, and the errors of setsockopt(2).
   */
  setOption(option: SocketOption, value: number): void;

  /** Ends the connection. Bytes that were sent are delivered if the peer receives them. The system
   *  may reset the connection if it has received bytes that were not read. */
  close(): void;

  /** Ends the connection with RST. Unsent bytes are dropped. */
  reset(): void;
}

/** Starts TLS on a connection to `host`. `tryConnect` of the result reports on the handshake. */
export type TlsClient = (raw: Transport, host: string) => Transport;

// ---- listeners ----

/** Options of `listen`. Accepted connections inherit the buffer sizes. */
export interface ListenOptions extends BufferSizes {
  /** The length of the queue of connections that are not accepted yet. Absent: the system's
   *  maximum. */
  readonly backlog?: number;
  /** Several listeners share the port; the kernel distributes connections among them. */
  readonly reusePort?: boolean;
  /** A listener at '::' accepts IPv6 only. Otherwise it accepts IPv4 as well. */
  readonly ipv6Only?: boolean;
  /** Permission bits of the file of a Unix socket, 0 to 0o777: a process with write permission may
   *  connect. Absent: 0o777 less the umask. The epoll backend sets them before any process can
   *  connect; the portable backend sets them as soon as it listens. */
  readonly mode?: number;
  /** Accept TLS connections with this certificate, key and other options. */
  readonly tls?: TlsServerOptions;
  /** Accept connections from proxies that send a PROXY protocol header. The header is sent in clear
   *  and comes first, before TLS. */
  readonly proxyProtocol?: ProxyProtocolOptions;
}

/** A listening socket of a backend. `canRecv` means that an accept may succeed. */
export interface ListenerTransport extends Readiness {
  /** The bound address, with the real port if 0 was requested. */
  readonly local: Endpoint;

  /** True once listening. False while pending (wait for 'send'). Throws EADDRINUSE, EACCES, …. */
  tryListen(): boolean;

  /**
   * The next connection; `undefined`: would block. A connection that ended in the queue is skipped.
   * Throws EMFILE, ENFILE, ENOBUFS or ENOMEM if the system has no descriptor left. The connection
   * stays in the queue, or was reset (`Capabilities.pausesAccept`).
   */
  tryAccept(): Transport | undefined;

  /** The number of connections, at least 1, that one `tryAccept` may take from the system's queue;
   *  later calls return the rest of them. Set by the caller. Absent: the backend chooses. A backend
   *  that cannot leave connections in the queue ignores it. */
  acceptBatch?: number;

  /**
   * Resets up to `max` connections of the system's queue, the oldest first, although the process
   * has no free descriptor. Returns how many. Absent: the backend cannot, or need not.
   */
  shed?(max: number): number;

  /** Connections that wait to be accepted now. Absent, `undefined`: not known. */
  readonly queued?: number | undefined;

  /** Connections that were reset because the queue was full or descriptors were short. Absent: the
   *  system keeps the queue and does not report it. */
  readonly overflowed?: number | undefined;

  /** Stops listening. Connections that are not accepted are reset. */
  close(): void;
}

// ---- datagrams ----

/** Options of `bindDatagram`. */
export interface DatagramOptions {
  /** A socket at '::' receives IPv6 only. Otherwise it receives IPv4 as well. */
  readonly ipv6Only?: boolean;
  /** Several sockets share the port; the kernel distributes senders among them. */
  readonly reusePort?: boolean;
  /** Several sockets have the same port, and each receives what is sent to a group
   *  (SO_REUSEADDR). */
  readonly reuseAddress?: boolean;
  /** Permit sending to broadcast addresses; otherwise that fails with EACCES. */
  readonly broadcast?: boolean;
  /** Size of the system's receive queue in bytes. Absent: the system's default. */
  readonly recvBufferSize?: number;
  /** Size of the system's send queue in bytes. Absent: the system's default. */
  readonly sendBufferSize?: number;
  /** The longest datagram that is received whole, 1 to 65535 bytes; default 65535. */
  readonly maxLength?: number;
}

/** A datagram that a backend has received. */
export interface IncomingDatagram {
  /** The datagram, or its first `maxLength` bytes. The receiver owns it. */
  readonly data: Buffer;
  /** The sender. Consecutive datagrams of one sender may have the same object. */
  readonly from: Endpoint;
  /** True: the datagram was longer than `maxLength`, and the rest is lost. */
  readonly truncated: boolean;
}

/** A datagram socket of a backend. */
export interface DatagramTransport extends Readiness {
  /** The bound address, with the real port if 0 was requested. Kept after close. */
  readonly local: Endpoint;
  /** The peer of a connected socket. */
  readonly remote: Endpoint | undefined;

  /** True once bound. False while pending (wait for 'send'). Throws EADDRINUSE, EACCES, …. */
  tryBind(): boolean;

  /** The next datagram; `undefined`: would block. */
  tryRecvFrom(): IncomingDatagram | undefined;

  /**
   * Sends `data`, which may be empty, as one datagram to `to`, which has the family of `local`;
   * `undefined`: to the peer of a connected socket. False: would block. The caller may change
   * `data` when the call has returned. Throws the system's error (EMSGSIZE, EACCES, EHOSTUNREACH,
   * …), unless the backend reports it later: see `trySent`.
   */
  trySendTo(data: Uint8Array, to: Endpoint | undefined): boolean;

  /**
   * The result of the datagrams that `trySendTo` took. True: the system has sent all of them.
   * False: pending (wait for 'send'). Throws the error of a datagram that the system did not send,
   * once. If this is not called, the next `trySendTo` throws that error.
   */
  trySent(): boolean;

  /** Starts to connect to a peer: from then on only its datagrams are received. Called once. */
  connect(to: Endpoint): void;

  /** True once `remote` is set. False while pending (wait for 'send'). Throws the reason of a
   *  failure. */
  tryConnected(): boolean;

  setBroadcast(on: boolean): void;
  /** Hop limit of unicast datagrams, 1 to 255. */
  setTtl(hops: number): void;
  /** Hop limit of multicast datagrams, 0 to 255. */
  setMulticastTtl(hops: number): void;
  /** Whether this machine receives what it sends to its own groups. */
  setMulticastLoopback(on: boolean): void;
  /** `by` is an address of the interface, or a zone: '::%eth0'. */
  setMulticastInterface(by: string): void;
  joinGroup(group: string, by: string | undefined): void;
  leaveGroup(group: string, by: string | undefined): void;

  /** As the system reports it. Linux doubles the requested size. */
  readonly recvBufferSize: number;
  readonly sendBufferSize: number;
  /** Datagrams dropped because a queue was full; `undefined`: not known. Kept after close. */
  readonly dropped: number | undefined;

  /** Stops receiving. Datagrams in the queue are dropped. */
  close(): void;
}
