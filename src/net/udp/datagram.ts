/**
 * `bindDatagram`, and Datagram: a UDP socket as a task uses it.
 *
 * Invariants:
 *  1. At most one receive and one send (or connect) are in progress. Another one gets ERR_BUSY
 *     before it takes a datagram.
 *  2. A cancelled operation has no effect. A receive attempts only while its task runs, so it never
 *     takes a datagram for a task that will not get it. A send whose datagram was taken completes.
 *  3. The transport gets numeric destinations in the family of the socket.
 *  4. A connected socket returns only datagrams of its peer, although others may have been queued
 *     before it was connected.
 */

import type { Selectable } from '../../kernel/case.ts';
import { UsageError } from '../../kernel/errors.ts';
import type { Operation, Wait } from '../../kernel/operation.ts';
import { Lazy } from '../../kernel/operation.ts';
import type { Pollable, Readiness } from '../../kernel/readiness.ts';
import { isCancelled } from '../../kernel/scope/cancelled.ts';
import { chargeBytes, checkpoint, writable } from '../../kernel/waits.ts';
import type { Keys } from '../../support/checks.ts';
import {
  checkBoolean,
  checkInteger,
  checkKeys,
  checkOptionalBoolean,
  show,
  wrongType,
} from '../../support/checks.ts';
import type { DatagramOptions, DatagramTransport, Endpoint } from '../../world/network.ts';
import type { Address, ParsedAddress } from '../address.ts';
import { ipFamily, parseAddress, SocketAddress } from '../address.ts';
import { bindAt, untilOpen } from '../bind.ts';
import { bytesOf } from '../bytes.ts';
import { currentNetwork } from '../current-world.ts';
import { busySocket } from '../errors.ts';
import { keep } from '../tcp/loan.ts';
import { Receive } from '../tcp/receive.ts';
import { Send } from '../tcp/send.ts';
import { checkSizes, SIZE_KEYS } from '../tcp/socket-options.ts';
import type { Destination, IpEndpoint } from './destination.ts';
import { endpointOf, parseDestination, pathError, resolveDestination } from './destination.ts';

/** A received datagram, and its sender. */
export interface ReceivedDatagram {
  /** The datagram, which may be empty, or its first `maxLength` bytes. The receiver owns it. */
  readonly data: Buffer;
  /** The sender: `sendTo(data, from)` answers it. On a dual-stack socket the address of an IPv4
   *  sender is '::ffff:192.0.2.1'. */
  readonly from: SocketAddress;
  /** True: the datagram was longer than `maxLength`, and the rest is lost. */
  readonly truncated: boolean;
}

/**
 * Binds a UDP socket to `address`. A number or no host means all interfaces, IPv4 and IPv6.
 * Port 0 means any free port (see `datagram.address`), which suits a client.
 *
 * Options: `ipv6Only`; `reusePort`, several sockets share the port; `reuseAddress`, several sockets
 * of this machine receive from the same group; `broadcast`; `recvBufferSize` and `sendBufferSize`
 * in bytes; `maxLength`, the longest datagram that is received whole (default 65535, the maximum).
 *
 * Cancel: nothing is left open.
 * Errors: ERR_ADDRESS, EADDRINUSE, EACCES, EADDRNOTAVAIL, ENOTFOUND; TypeError, RangeError.
 *
 * @example
 * const datagram = yield* bindDatagram(5353);
 * const { data, from } = yield* datagram.recvFrom();
 * yield* datagram.sendTo(data, from);
 */
export function bindDatagram(address: Address, options: DatagramOptions = {}): Operation<Datagram> {
  const parsed = parseAddress(address);
  if (parsed.path !== undefined) throw pathError(parsed.path);
  checkDatagramOptions(options);
  return new Lazy(() => runBind(parsed, options));
}

function* runBind(address: ParsedAddress, options: DatagramOptions): Generator<Wait, Datagram> {
  yield* checkpoint();
  const network = currentNetwork();
  const transport = yield* bindAt(address, (at) => {
    const transport = network.bindDatagram(at, options);
    return untilOpen(transport, () => transport.tryBind());
  });
  return new Datagram(transport);
}

const DATAGRAM_KEYS: Keys<DatagramOptions> = {
  ipv6Only: true,
  reusePort: true,
  reuseAddress: true,
  broadcast: true,
  ...SIZE_KEYS,
  maxLength: true,
};

const BOOLEAN_OPTIONS = ['ipv6Only', 'reusePort', 'reuseAddress', 'broadcast'] as const;

function checkDatagramOptions(options: DatagramOptions): void {
  checkKeys('options', options, DATAGRAM_KEYS);
  for (const name of BOOLEAN_OPTIONS) checkOptionalBoolean(name, options[name]);
  checkSizes(options);
  if (options.maxLength !== undefined) checkInteger('maxLength', options.maxLength, 1, 65535);
}

/**
 * A UDP socket; created by `bindDatagram`.
 *
 * @example
 * const { data, from } = yield* datagram.recvFrom();
 * yield* datagram.sendTo(data, from);
 */
export class Datagram implements Pollable, Disposable {
  /** @internal */
  readonly transport: DatagramTransport;
  /** The bound address, with the real port if 0 was requested. */
  readonly address: SocketAddress;
  /** The operation that is receiving, and the one that is sending. @internal */
  receiving: object | null = null;
  /** @internal */
  sending: object | null = null;
  /** A datagram socket has no writer. @internal */
  readonly sendWritten: undefined;
  readonly #family: 4 | 6;
  readonly #recvFrom: ReceiveDatagram;
  readonly #send: SendDatagram;
  /** The last sender, in both forms, because consecutive datagrams often have the same sender. */
  #lastEndpoint: Endpoint | null = null;
  #lastFrom: SocketAddress | null = null;
  #remoteAddress: SocketAddress | undefined = undefined;
  #datagramsReceived = 0;
  #datagramsSent = 0;
  #closed = false;

  /** Datagram sockets are created by `bindDatagram`. @internal */
  constructor(transport: DatagramTransport) {
    this.transport = transport;
    this.address = new SocketAddress(transport.local);
    this.#family = this.address.family === 'IPv6' ? 6 : 4;
    this.#recvFrom = new ReceiveDatagram(this).reuse();
    this.#send = new SendDatagram(this).reuse();
  }

  // ---- receiving ----

  /**
   * Waits for the next datagram.
   * Cancel: no datagram is lost.
   * Errors: ERR_CLOSED, ERR_BUSY; on a connected socket, an error that an earlier datagram caused
   * at the peer (ECONNREFUSED, EHOSTUNREACH, …), once.
   */
  recvFrom(): Selectable<ReceivedDatagram> {
    return this.#recvFrom.acquire() ? this.#recvFrom : new ReceiveDatagram(this);
  }

  /** The next datagram; `undefined`: would block. Errors: as `recvFrom`. */
  tryRecvFrom(): ReceivedDatagram | undefined {
    return this.receive();
  }

  // ---- sending ----

  /** @internal */
  isSending(): boolean {
    return this.sending !== null;
  }

  /**
   * Sends `data` as one datagram: it may be empty, and has at most 65507 bytes for an IPv4 address.
   * A return does not mean that it arrived. A name is looked up each time, and the first usable
   * address is taken. An address without a host is this machine. Do not change `data` before it
   * returns.
   * Cancel: the datagram is not sent, or it is sent and the operation completes.
   * Errors: ERR_CLOSED, ERR_BUSY, ERR_CONNECTED, ERR_ADDRESS; ENOTFOUND, EMSGSIZE (too long),
   * EACCES (broadcast not permitted), EHOSTUNREACH, ENETUNREACH, …
   */
  sendTo(data: Uint8Array | string, address: Address): Operation<void> {
    const bytes = bytesOf(data);
    const to = parseDestination(address, this.#family);
    if (to.family !== 0) return this.#sending(bytes, endpointOf(to, this.#family));
    return new Lazy(() => this.#runSendTo(bytes, to));
  }

  *#runSendTo(data: Uint8Array, name: Destination): Generator<Wait, void> {
    const to = yield* resolveDestination(name, this.#family);
    yield* this.#sending(data, to);
  }

  /**
   * Sends `data` to the peer of a connected socket.
   * Cancel: as `sendTo`.
   * Errors: as `sendTo`; ERR_NOT_CONNECTED; an error that an earlier datagram caused at the peer
   * (ECONNREFUSED, …), once, and then this one is not sent.
   */
  send(data: Uint8Array | string): Operation<void> {
    return this.#sending(bytesOf(data), undefined);
  }

  /**
   * As `sendTo`, without waiting. False: would block. A name is an error, because a look-up waits.
   * On the portable backend the system's result arrives later, so the next send throws the error of
   * this datagram.
   */
  trySendTo(data: Uint8Array | string, address: Address): boolean {
    const bytes = bytesOf(data);
    const to = parseDestination(address, this.#family);
    if (to.family === 0) throw needsLookupError(to.host);
    return this.transmit(bytes, endpointOf(to, this.#family));
  }

  /** As `send`, without waiting. False: would block. Otherwise as `trySendTo`. */
  trySend(data: Uint8Array | string): boolean {
    return this.transmit(bytesOf(data), undefined);
  }

  #sending(data: Uint8Array, to: IpEndpoint | undefined): Operation<void> {
    const operation = this.#send.acquire() ? this.#send : new SendDatagram(this);
    operation.data = data;
    operation.to = to;
    return operation;
  }

  // ---- the peer ----

  /**
   * Connects to a peer: from then on `send` sends to it, `sendTo` is an error, only datagrams of
   * the peer are received, and the errors that it causes are thrown here. Nothing is sent, so the
   * peer need not exist. For another peer, bind another socket.
   * Cancel: the socket is not connected.
   * Errors: ERR_CLOSED, ERR_BUSY, ERR_CONNECTED, ERR_ADDRESS; ENOTFOUND, ENETUNREACH, EACCES, …
   */
  connect(address: Address): Operation<void> {
    const to = parseDestination(address, this.#family);
    return new Lazy(() => this.#runConnect(to));
  }

  *#runConnect(to: Destination): Generator<Wait, void> {
    const { transport } = this;
    yield* checkpoint();
    const found = to.family === 0 ? yield* resolveDestination(to, this.#family) : undefined;
    if (this.sending !== null) throw busySocket('send', this.name);
    const connecting = {};
    this.sending = connecting;
    try {
      if (transport.remote !== undefined) throw alreadyConnected(this.name, 'connect(address)');
      transport.connect(found ?? endpointOf(to, this.#family));
      while (!transport.tryConnected()) yield* writable(transport);
    } finally {
      if (this.sending === connecting) this.sending = null;
    }
  }

  /** The peer of a connected socket. Kept after close. */
  get remoteAddress(): SocketAddress | undefined {
    const { remote } = this.transport;
    if (remote !== undefined) this.#remoteAddress ??= new SocketAddress(remote);
    return this.#remoteAddress;
  }

  // ---- options and groups: they throw the system's errors, and ERR_CLOSED ----

  /** Whether sending to broadcast addresses is permitted. */
  setBroadcast(on: boolean): void {
    checkBoolean('on', on);
    this.transport.setBroadcast(on);
  }

  /** Hop limit of unicast datagrams, 1 to 255. */
  setTtl(hops: number): void {
    checkInteger('hops', hops, 1, 255);
    this.transport.setTtl(hops);
  }

  /** Hop limit of multicast datagrams, 0 to 255. The default is 1, the local network. */
  setMulticastTtl(hops: number): void {
    checkInteger('hops', hops, 0, 255);
    this.transport.setMulticastTtl(hops);
  }

  /** Whether group members on this machine receive what this socket sends. The default is true. */
  setMulticastLoopback(on: boolean): void {
    checkBoolean('on', on);
    this.transport.setMulticastLoopback(on);
  }

  /**
   * The interface for outgoing multicast datagrams: an IPv4 address of it ('192.0.2.1'), or its
   * name as an IPv6 zone ('::%eth0').
   */
  setMulticastInterface(by: string): void {
    checkIp('by', by);
    this.transport.setMulticastInterface(by);
  }

  /**
   * Joins `group` ('239.1.2.3', 'ff02::fb') on one interface (named as in `setMulticastInterface`;
   * absent: the system chooses). EINVAL if `group` is not a group.
   */
  joinGroup(group: string, by?: string): void {
    checkIp('group', group);
    if (by !== undefined) checkIp('by', by);
    this.transport.joinGroup(group, by);
  }

  /** Undoes a `joinGroup` with the same arguments. EADDRNOTAVAIL if there was none. */
  leaveGroup(group: string, by?: string): void {
    checkIp('group', group);
    if (by !== undefined) checkIp('by', by);
    this.transport.leaveGroup(group, by);
  }

  /** The size of the system's receive queue in bytes, as it reports it. Linux doubles a size that
   *  was set. */
  get recvBufferSize(): number {
    return this.transport.recvBufferSize;
  }

  /** The size of the system's send queue in bytes, as it reports it. */
  get sendBufferSize(): number {
    return this.transport.sendBufferSize;
  }

  // ---- facts and the end ----

  /** The number of datagrams that were received here. */
  get datagramsReceived(): number {
    return this.#datagramsReceived;
  }

  /** The number of datagrams that the network has taken. */
  get datagramsSent(): number {
    return this.#datagramsSent;
  }

  /**
   * The number of datagrams that were dropped because the queue was full; `undefined`: not known.
   * On the portable backend it does not include drops of the system's queue.
   */
  get dropped(): number | undefined {
    return this.transport.dropped;
  }

  /** Closes the socket. Idempotent. A task that waits on it gets ERR_CLOSED. */
  close(): void {
    this.#closed = true;
    this.transport.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** The resource of `yield ['recv', datagram]`. */
  get readiness(): Readiness {
    return this.transport;
  }

  // ---- for the operations of this layer ----

  /** The name in messages. @internal */
  get name(): string {
    return this.transport.describe();
  }

  /** One attempt to receive, counted. @internal */
  receive(): ReceivedDatagram | undefined {
    for (;;) {
      const incoming = this.transport.tryRecvFrom();
      if (incoming === undefined) return undefined;
      const { data, truncated } = incoming;
      const from = this.#senderOf(incoming.from);
      chargeBytes(data.length);
      if (this.#isFromOtherPeer(from)) continue;
      this.#datagramsReceived++;
      return { data, from, truncated };
    }
  }

  /** One attempt to send, counted. @internal */
  transmit(data: Uint8Array, to: IpEndpoint | undefined): boolean {
    const { transport } = this;
    const connected = transport.remote !== undefined;
    if (!this.#closed && connected !== (to === undefined))
      throw wrongSendError(this.name, connected);
    if (!transport.trySendTo(data, to)) return false;
    this.#datagramsSent++;
    chargeBytes(data.length);
    return true;
  }

  #senderOf(endpoint: Endpoint): SocketAddress {
    if (this.#lastFrom === null || this.#lastEndpoint !== endpoint) {
      this.#lastEndpoint = endpoint;
      this.#lastFrom = new SocketAddress(endpoint);
    }
    return this.#lastFrom;
  }

  /** True for a datagram that was queued before the socket was connected. */
  #isFromOtherPeer({ host, port }: SocketAddress): boolean {
    const peer = this.remoteAddress;
    return peer !== undefined && (peer.port !== port || peer.host !== host);
  }
}

// ---- the operations: a socket reuses one for each direction ----

class ReceiveDatagram extends Receive<ReceivedDatagram, Datagram> {
  protected get call(): string {
    return 'datagram.recvFrom()';
  }

  protected attempt(): ReceivedDatagram | undefined {
    const { socket } = this;
    return socket.transport.canRecv ? socket.receive() : undefined;
  }
}

/**
 * `sendTo` and `send`: attempts until the network has taken the datagram, then waits until it knows
 * the system's result. Most backends know it at once.
 *
 * A datagram that was taken cannot be recalled: the send completes even if its task is cancelled.
 * The next operation then reports the cancellation, and an error of the system, if there is one.
 */
class SendDatagram extends Send<void, Datagram> {
  private taken = false;
  /** Released when the operation ends. */
  data: Uint8Array = NOTHING;
  to: IpEndpoint | undefined = undefined;

  protected get call(): string {
    return this.to === undefined ? 'datagram.send(data)' : 'datagram.sendTo(data, address)';
  }

  protected attempt(): boolean {
    const { socket } = this;
    this.taken ||= socket.transmit(this.data, this.to);
    return this.taken && socket.transport.trySent();
  }

  protected result(): void {}

  protected keepData(): void {
    if (!this.taken) this.data = keep(this.data);
  }

  protected failed(): void {
    this.taken = false;
  }

  override throw(error: unknown): IteratorResult<Wait, void> {
    if (this.taken && isCancelled(error)) return this.finish(undefined);
    return super.throw(error);
  }

  protected settle(): void {
    this.state = 'idle';
    this.taken = false;
    this.data = NOTHING;
    if (this.socket.sending === this) this.socket.sending = null;
  }
}

const NOTHING: Uint8Array = new Uint8Array(0);

// ---- checks and errors ----

function checkIp(name: string, host: string): void {
  if (typeof host !== 'string') throw wrongType(name, 'an IP address', host);
  if (ipFamily(host) !== 0) return;
  const text = `Expected \`${name}\` to be an IP address, got ${show(host)}`;
  throw new UsageError('ERR_ADDRESS', text);
}

function needsLookupError(host: string): UsageError {
  return new UsageError(
    'ERR_ADDRESS',
    `Expected an IP address, got the name ${show(host)}: a look-up has to wait.\n` +
      '  wrong:  datagram.trySendTo(data, address)\n' +
      '  right:  yield* datagram.sendTo(data, address)',
  );
}

function wrongSendError(name: string, connected: boolean): UsageError {
  if (connected) return alreadyConnected(name, 'sendTo(data, address)');
  return new UsageError(
    'ERR_NOT_CONNECTED',
    `The datagram socket ${name} has no peer to send to.\n` +
      '  wrong:  datagram.send(data)\n' +
      '  right:  datagram.sendTo(data, address), or yield* datagram.connect(address) first',
  );
}

function alreadyConnected(name: string, call: string): UsageError {
  return new UsageError(
    'ERR_CONNECTED',
    `The datagram socket is connected to ${name} and cannot send to another peer.\n` +
      `  wrong:  datagram.${call}\n  right:  datagram.send(data)`,
  );
}
