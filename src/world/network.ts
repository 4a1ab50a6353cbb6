/**
 * The contract between the pure rooms (net, server) and whatever moves the bytes: the epoll
 * network, the portable network on node:net, the simulated one. Types only; nothing here runs.
 *
 * The shape is the one of non-blocking sockets. A *try* never waits: it answers with what it could
 * do, with "would block", or by throwing. A task that met "would block" yields `['recv',
 * transport]` or `['send', transport]` and tries again when it is resumed.
 *
 * Rules that every network keeps (test/conformance/ runs the same cases on all of them):
 *  1. The readiness flags start clear. A notice sets a flag and wakes the waiter of that direction,
 *     through `grantRecv()` / `grantSend()` of Readiness. Only a try that found the end of what is
 *     there clears the flag: a network that learns of readiness by edges must not lose one.
 *  2. Bytes come before the end of file, and before an error that ended the connection, as long as
 *     the operating system still has them.
 *  3. An error that ended a direction is sticky: every later try in that direction throws it again.
 *     Only ENOBUFS and ENOMEM end none: the system was short of memory, and that try did nothing.
 *     Errors are thrown by tries. They are never events and never end the process.
 *  4. `close()` is idempotent, wakes both waiters with ERR_CLOSED, and makes every later try throw
 *     ERR_CLOSED. Notices that were under way for a closed transport are dropped, also when its
 *     descriptor has been reused meanwhile.
 *  5. A spurious notice is legal: the try says "would block" and the task waits again.
 *  6. Nothing is buffered without a bound.
 */
import type { Readiness } from '../kernel/readiness.ts';
import type { Capabilities, NetworkCounters, NetworkLimits } from './capabilities.ts';
import type { HandshakeStage, ProxyProtocolOptions } from './handshake.ts';
import type { TlsClientOptions, TlsInfo, TlsServerOptions } from './tls.ts';

export type { Capabilities, NetworkCounters, NetworkLimits } from './capabilities.ts';

/** An address as the operating system sees it: no names, only numbers or a path. */
export type Endpoint =
  | { readonly host: string; readonly port: number; readonly family: 4 | 6 }
  | { readonly path: string };

/**
 * What can be set of a connection. Values are numbers: 0 and 1 for switches, milliseconds, bytes,
 * a count of probes.
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
 * The buffers of the system, in bytes. Linux keeps twice what it is told, from 2 KB up to twice its
 * limits (net.core.rmem_max, wmem_max; socket(7)), and no longer adapts a size that was set.
 */
export interface BufferSizes {
  /** SO_RCVBUF, before the first segment: so the window of the connection can be as large. */
  readonly recvBufferSize?: number;
  /** SO_SNDBUF. */
  readonly sendBufferSize?: number;
}

/** How `listen` binds and queues. Accepted connections inherit the sizes of the buffers. */
export interface ListenOptions extends BufferSizes {
  /** Length of the queue of connections that nobody has accepted; absent: the system's maximum. */
  readonly backlog?: number;
  /** Several listeners share the port; the kernel spreads connections among them. */
  readonly reusePort?: boolean;
  /** A listener on '::' leaves IPv4 alone. Otherwise it serves both. */
  readonly ipv6Only?: boolean;
  /** Permission bits of a Unix socket's file, 0 to 0o777: who may write to it may connect. Absent:
   *  what the umask leaves of 0o777. On epoll nobody can connect before they are set; the portable
   *  network sets them as soon as it listens. */
  readonly mode?: number;
  /** Connections are TLS: certificate, key and the rest of it. */
  readonly tls?: TlsServerOptions;
  /** Connections come from proxies that say for whom, with the PROXY protocol: in clear, before
   *  anything else, TLS included. */
  readonly proxyProtocol?: ProxyProtocolOptions;
}

export interface TransportConnectOptions extends BufferSizes {
  /** Bind the near end to this address first. */
  readonly localAddress?: Endpoint;
}

/**
 * How TCP probes a silent peer. What is absent stays as it is. Times are rounded up to the whole
 * seconds that reach the system.
 */
export interface KeepAliveOptions {
  readonly enable: boolean;
  /** Milliseconds without traffic before the first probe: 1 to 32,767,000 (TCP_KEEPIDLE). */
  readonly idleMs?: number;
  /** Milliseconds between probes: 1 to 32,767,000 (TCP_KEEPINTVL). */
  readonly intervalMs?: number;
  /** Probes without an answer that end the connection: 1 to 127 (TCP_KEEPCNT). */
  readonly count?: number;
}

/** A connection, or the attempt at one. */
export interface Transport extends Readiness {
  /** The near end. Known once connected or accepted; kept after close. */
  readonly local: Endpoint;
  /** The far end. Kept after close. Who accepts from a proxy may put here for whom it speaks. */
  remote: Endpoint;
  /** What is known of the TLS connection, once it stands. Absent on what is not TLS. */
  readonly tls?: TlsInfo | undefined;

  /**
   * Connection attempts only: true once connected, false while under way (wait for 'send').
   * Throws why the attempt failed (ECONNREFUSED, ETIMEDOUT, …); the transport must still be closed.
   * Always true on an accepted transport.
   */
  tryConnect(): boolean;

  /**
   * Receives 1..max bytes into memory of the network's choice; the caller owns the result.
   * `undefined`: would block. An empty Buffer: end of file, again and again.
   */
  tryRecv(max: number): Buffer | undefined;

  /** Receives into `into` (not empty): the number of bytes, 0 at end of file, −1: would block. */
  tryRecvInto(into: Uint8Array): number;

  /** Sends some of `data` (not empty): how many bytes were taken, 0: would block. The memory is the
   *  caller's again at once. EPIPE after the near end was shut down or the peer has gone. */
  trySend(data: Uint8Array): number;

  /** As trySend, over several pieces in order: the number of bytes taken from their concatenation.
   *  At most the first 64 pieces are looked at. Empty pieces are legal. */
  trySendv(chunks: readonly Uint8Array[]): number;

  /** 'send': the peer sees end of file after what was sent. 'recv': tryRecv gives end of file, what
   *  comes in is dropped. Not an error on a connection that has already ended. */
  shutdown(how: 'send' | 'recv' | 'both'): void;

  /**
   * What an option is, as far as it is known: `undefined` for what this network cannot read, for
   * options of TCP on a Unix socket, and after close. Never throws.
   */
  getOption(option: SocketOption): number | undefined;

  /**
   * Sets an option; the caller has checked the range. `noDelay` is 1 from the start. Options of TCP
   * do nothing on a Unix socket. Throws ERR_UNSUPPORTED for what is not in
   * `Capabilities.options`, ERR_CLOSED after close, and the system's refusal (setsockopt).
   */
  setOption(option: SocketOption, value: number): void;

  /** Ends the connection. What was sent is delivered if the peer takes it (the system may reset the
   *  connection if unread input is pending). */
  close(): void;

  /** Ends the connection with RST; what is unsent is dropped. */
  reset(): void;
}

/** A listening socket. `canRecv` means: an accept is worth a try. */
export interface ListenerTransport extends Readiness {
  /** The bound address; the port is the real one when 0 was asked for. */
  readonly local: Endpoint;

  /** True once listening; false while under way (wait for 'send'). Throws EADDRINUSE, EACCES, …. */
  tryListen(): boolean;

  /**
   * The next connection; `undefined`: none is there. Throws EMFILE, ENFILE, ENOBUFS, ENOMEM when
   * the system cannot give a descriptor; the connection stays queued. A connection that died in the
   * queue is skipped.
   */
  tryAccept(): Transport | undefined;

  /** How many connections one `tryAccept` may take from the system's queue, to hand out later those
   *  that it does not return; at least one. Written by who accepts; absent: as many as are good for
   *  speed. A network that cannot leave them in the queue does not look at it. */
  acceptBatch?: number;

  /**
   * Resets up to `most` connections that wait in the system's queue, the oldest first, although
   * the process has no descriptor left; how many. Absent: the network cannot, or does so by itself.
   */
  shed?(most: number): number;

  /** Connections that wait to be accepted now. Absent, `undefined`: not known. */
  readonly queued?: number | undefined;

  /** Connections that were reset because nobody had accepted them and the queue was full. Absent:
   *  the system keeps the queue, and does not tell. */
  readonly overflowed?: number | undefined;

  /** Stops listening; connections that nobody has accepted are reset. */
  close(): void;
}

/** Lays TLS over a connection to `host`. `tryConnect` of the result tells of the handshake. */
export type TlsClient = (raw: Transport, host: string) => Transport;

// ---- datagrams ----
//
// The rules above hold, with these differences, which are those between a datagram and a stream:
//  7. Every datagram stands for itself. It is sent whole or not at all, received whole or cut at
//     `maxLength` (and says so); empty ones are legal. What comes faster than it is received is
//     dropped, the newest first, by the system or by the network.
//  8. No error is sticky but ERR_CLOSED. An error of the last send, or of the peer of a connected
//     socket (ICMP: ECONNREFUSED, EHOSTUNREACH), is thrown once, by the next try, which has done
//     nothing then; the try after it goes on as if nothing had been.
//  9. A bound socket can send at once: `canSend` is set from then on.

/** How `bindDatagram` binds, and how much a socket holds. */
export interface DatagramOptions {
  /** A socket on '::' leaves IPv4 alone. Otherwise it serves both. */
  readonly ipv6Only?: boolean;
  /** Several sockets share the port; the kernel spreads senders among them. */
  readonly reusePort?: boolean;
  /** Several sockets have the same port, and each gets what is sent to a group (SO_REUSEADDR). */
  readonly reuseAddress?: boolean;
  /** Datagrams may be sent to broadcast addresses; otherwise that is EACCES. */
  readonly broadcast?: boolean;
  /** Bytes that the system's receive queue may hold; absent: its own value. */
  readonly recvBufferSize?: number;
  /** Bytes that the system's send queue may hold; absent: its own value. */
  readonly sendBufferSize?: number;
  /** The longest datagram that is received whole, 1..65535 bytes; default 65535. */
  readonly maxLength?: number;
}

/** A datagram as a network hands it over. */
export interface IncomingDatagram {
  /** What was sent, or its first `maxLength` bytes; the receiver's own. */
  readonly data: Buffer;
  /** The sender. While it stays the same it may be the same object. */
  readonly from: Endpoint;
  /** True: the datagram was longer than `maxLength`, and the rest is lost. */
  readonly truncated: boolean;
}

/** A datagram socket. */
export interface DatagramTransport extends Readiness {
  /** The bound address; the port is the real one when 0 was asked for. Kept after close. */
  readonly local: Endpoint;
  /** The peer of a connected socket. */
  readonly remote: Endpoint | undefined;

  /** True once bound; false while under way (wait for 'send'). Throws EADDRINUSE, EACCES, …. */
  tryBind(): boolean;

  /** The next datagram; `undefined`: would block. */
  tryRecvFrom(): IncomingDatagram | undefined;

  /**
   * Sends `data` (it may be empty) as one datagram to `to`, which is of the family of `local`;
   * `undefined`: to the peer of a connected socket. False: would block. The memory is the caller's
   * again at once. Throws why the system refuses it (EMSGSIZE, EACCES, EHOSTUNREACH, …), unless the
   * network learns that later: see `trySent`.
   */
  trySendTo(data: Uint8Array, to: Endpoint | undefined): boolean;

  /**
   * What became of the datagrams that were taken. True: the system has them all. False: it has not
   * answered yet (wait for 'send'). Throws the error of one that it refused, once; unless somebody
   * asks here, the next `trySendTo` throws it.
   */
  trySent(): boolean;

  /** Begins to fix the peer: from then on only its datagrams come in. Called once. */
  connect(to: Endpoint): void;

  /** True once `remote` is set; false while under way (wait for 'send'). Throws why it failed. */
  tryConnected(): boolean;

  setBroadcast(on: boolean): void;
  /** Hops of what is sent to one receiver, 1..255, and to a group, 0..255. */
  setTtl(hops: number): void;
  setMulticastTtl(hops: number): void;
  /** Whether this machine hears what is sent to its own groups. */
  setMulticastLoopback(on: boolean): void;
  /** An interface is named by an address of it, or by a zone: '::%eth0'. */
  setMulticastInterface(by: string): void;
  joinGroup(group: string, by: string | undefined): void;
  leaveGroup(group: string, by: string | undefined): void;

  /** As the system reports it: Linux doubles what was asked for. */
  readonly recvBufferSize: number;
  readonly sendBufferSize: number;
  /** Datagrams dropped for want of room; `undefined`: not known here. Kept after close. */
  readonly dropped: number | undefined;

  /** Stops receiving; what nobody has received is dropped. */
  close(): void;
}

// ---- networks ----

/** How a network reaches the scheduler that runs on it. Given to the network when it is made. */
export interface NetworkOwner {
  /**
   * Runs `deliver` (which grants waiters), then the tasks that it made ready, in the same call from
   * outside. A network that hears of many sockets at once uses this; one that hears of each by
   * itself may grant at any time.
   */
  deliver(deliver: () => void): void;
}

export interface Network {
  /** 'epoll', 'portable', 'sim'. */
  readonly backend: string;
  readonly capabilities: Capabilities;

  /** Begins to listen; see `ListenerTransport.tryListen`. Throws what is known at once. */
  listen(at: Endpoint, options: ListenOptions): ListenerTransport;

  /**
   * Begins to listen on a descriptor that this process has inherited, and owns it from then on: it
   * is closed with the listener. The file of a Unix socket is left alone: it belongs to whoever has
   * made it. EBADF, ENOTSOCK, EINVAL: the descriptor is no socket that listens; it stays open.
   */
  adopt(fd: number): ListenerTransport;

  /** Begins to connect; see `Transport.tryConnect`. Throws what is known at once. */
  connect(to: Endpoint, options: TransportConnectOptions): Transport;

  /** Prepares what connections with these options share. Throws ERR_TLS_OPTIONS. */
  tlsClient(options: TlsClientOptions): TlsClient;

  /** Likewise, for a listener. */
  tlsServer(options: TlsServerOptions): HandshakeStage;

  /** Begins to bind; see `DatagramTransport.tryBind`. Throws what is known at once. */
  bindDatagram(at: Endpoint, options: DatagramOptions): DatagramTransport;

  /**
   * Looks a name up. `done` is called once, later, with at least one address, in the order to try,
   * or with the error (ENOTFOUND, EAI_AGAIN). The returned function gives the question up.
   */
  resolve(
    host: string,
    done: (error: unknown, hosts: readonly { host: string; family: 4 | 6 }[]) => void,
  ): () => void;

  /**
   * Delivers the readiness that is there now, without blocking, and says of how many sockets. −1:
   * this network can only hear of readiness when the process returns to its event loop.
   */
  poll(): number;

  /** Milliseconds after which every connection and byte that has arrived by now has been reported.
   *  0: `poll()` reports all of them. */
  readonly settleMs: number;

  /**
   * Notes the file of the Unix socket at `path`, if there is one. The returned function removes
   * that very file, and none that has taken its place meanwhile.
   */
  socketFile(path: string): (() => void) | undefined;

  /** Connections that were closed while some of their last bytes were still in our memory. */
  readonly closing: number;

  limits(): NetworkLimits;

  /** Connections that were dropped because the accept queue of some listener of this machine was
   *  full, since it was started (ListenOverflows of Linux). Absent, `undefined`: not known. */
  listenOverflows?(): number | undefined;

  counters(): NetworkCounters;

  /** What is open, one line each ("listener 127.0.0.1:25000"), for the report of leaks. */
  open(): readonly string[];

  /** Closes everything that is open and releases the network's own resources. Idempotent. */
  close(): void;
}
