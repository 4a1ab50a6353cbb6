/**
 * Datagram: a UDP socket as a task uses it.
 *
 * Invariants:
 *  1. At most one receive and one send (or connect) are in progress; another one gets ERR_BUSY
 *     before it touches a datagram.
 *  2. A cancelled operation did not happen: a receive is tried only when its task runs, so no
 *     datagram is taken for a task that will not see it; a send whose datagram was taken completes.
 *  3. Destinations reach the transport in the family of the socket, and numeric.
 *  4. Once connected, nothing of anybody else is handed out, although it may have been queued
 *     before.
 */

import { UsageError } from '../../kernel/errors.ts';
import type { Operation, Wait } from '../../kernel/operation.ts';
import { Lazy } from '../../kernel/operation.ts';
import type { Pollable, Readiness } from '../../kernel/readiness.ts';
import { chargeBytes, checkpoint, writable } from '../../kernel/waits.ts';
import { checkBoolean, checkInteger, show, wrongType } from '../../support/checks.ts';
import type { DatagramTransport, Endpoint } from '../../world/network.ts';
import type { Address } from '../address.ts';
import { ipFamily, SocketAddress } from '../address.ts';
import { datagramBytes } from '../bytes.ts';
import { busySocket } from '../errors.ts';
import type { Destination, IpEndpoint } from './destination.ts';
import { endpointOf, parseDestination, resolveDestination } from './destination.ts';
import { ReceiveDatagram, SendDatagram } from './operations.ts';

/** A datagram, and who sent it. */
export interface ReceivedDatagram {
  /** The whole of it (it may be empty), or its first `maxLength` bytes; the receiver's own. */
  readonly data: Buffer;
  /** The sender; `sendTo(data, from)` answers. An IPv4 sender on a dual-stack socket shows as
   *  '::ffff:192.0.2.1'. */
  readonly from: SocketAddress;
  /** True: it was longer than `maxLength`, and the rest is lost. */
  readonly truncated: boolean;
}

/** A UDP socket; made by `bindDatagram`. */
export class Datagram implements Pollable, Disposable {
  /** @internal */
  readonly transport: DatagramTransport;
  /** Where it is bound; the port is the real one if 0 was asked for. */
  readonly address: SocketAddress;
  /** The operation that is receiving, and the one that is sending. @internal */
  receiving: object | null = null;
  /** @internal */
  sending: object | null = null;
  readonly #family: 4 | 6;
  readonly #recvFrom: ReceiveDatagram;
  readonly #send: SendDatagram;
  /** The last sender, in both forms: most come from the same one. */
  #lastEndpoint: Endpoint | null = null;
  #lastFrom: SocketAddress | null = null;
  #remoteAddress: SocketAddress | undefined = undefined;
  #datagramsReceived = 0;
  #datagramsSent = 0;
  #closed = false;

  /** Datagram sockets are made by `bindDatagram`. @internal */
  constructor(transport: DatagramTransport) {
    this.transport = transport;
    this.address = new SocketAddress(transport.local);
    this.#family = this.address.family === 'IPv6' ? 6 : 4;
    this.#recvFrom = new ReceiveDatagram(this);
    this.#send = new SendDatagram(this);
  }

  // ---- receiving ----

  /**
   * Waits for the next datagram. Cancel: no datagram is lost.
   * Errors: ERR_CLOSED, ERR_BUSY; on a connected socket what the peer's system answered to an
   * earlier datagram (ECONNREFUSED, EHOSTUNREACH, …), once.
   */
  recvFrom(): Operation<ReceivedDatagram> {
    let operation = this.#recvFrom;
    if (!operation.take()) {
      operation = new ReceiveDatagram(this);
      operation.take();
    }
    return operation;
  }

  /** The next datagram if one is there. Errors: as `recvFrom`. */
  tryRecvFrom(): ReceivedDatagram | undefined {
    return this.receive();
  }

  // ---- sending ----

  /**
   * Sends `data` (at most 65507 bytes to an IPv4 address; it may be empty) as one datagram, whole
   * or not at all. It says nothing about arrival. A name is looked up each time, and the first
   * address that fits is taken; an address without a host is this machine. Until it returns, `data`
   * must not be changed.
   * Cancel: it was not sent, or it was sent and the operation completes.
   * Errors: ERR_CLOSED, ERR_BUSY, ERR_CONNECTED, ERR_ADDRESS; ENOTFOUND, EMSGSIZE (too long),
   * EACCES (broadcast not permitted), EHOSTUNREACH, ENETUNREACH, …
   */
  sendTo(data: Uint8Array | string, address: Address): Operation<void> {
    const bytes = datagramBytes(data);
    const to = parseDestination(address, this.#family);
    if (to.family !== 0) return this.#sending(bytes, endpointOf(to, this.#family));
    return new Lazy(() => this.#runSendTo(bytes, to));
  }

  *#runSendTo(data: Uint8Array, name: Destination): Generator<Wait, void> {
    const to = yield* resolveDestination(name, this.#family);
    yield* this.#sending(data, to);
  }

  /**
   * Sends `data` to the peer of a connected socket. Cancel: as `sendTo`.
   * Errors: as `sendTo`; ERR_NOT_CONNECTED; what the peer's system answered to an earlier datagram
   * (ECONNREFUSED, …), once: this one was not sent then.
   */
  send(data: Uint8Array | string): Operation<void> {
    return this.#sending(datagramBytes(data), undefined);
  }

  /**
   * As `sendTo`, without waiting: false means that there is no room now. Names cannot be looked up
   * here. On the portable network the system's answer comes later, so an error of this datagram is
   * thrown by the next one.
   */
  trySendTo(data: Uint8Array | string, address: Address): boolean {
    const bytes = datagramBytes(data);
    const to = parseDestination(address, this.#family);
    if (to.family === 0) throw needsLookupError(to.host);
    return this.transmit(bytes, endpointOf(to, this.#family));
  }

  /** As `send`, without waiting: false means that there is no room now. Else as `trySendTo`. */
  trySend(data: Uint8Array | string): boolean {
    return this.transmit(datagramBytes(data), undefined);
  }

  #sending(data: Uint8Array, to: IpEndpoint | undefined): Operation<void> {
    let operation = this.#send;
    if (!operation.take()) {
      operation = new SendDatagram(this);
      operation.take();
    }
    operation.data = data;
    operation.to = to;
    return operation;
  }

  // ---- the peer ----

  /**
   * Fixes the peer: from then on `send` sends to it and `sendTo` is refused, only its datagrams are
   * received, and errors that its system reports are thrown here. Nothing is sent, so nobody need
   * be there. For another peer, bind another socket.
   * Cancel: the socket is as it was.
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
    const place = {};
    this.sending = place;
    try {
      if (transport.remote !== undefined) throw alreadyConnected(this.name, 'connect(address)');
      transport.connect(found ?? endpointOf(to, this.#family));
      while (!transport.tryConnected()) yield* writable(transport);
    } finally {
      if (this.sending === place) this.sending = null;
    }
  }

  /** The peer of a connected socket. Kept after close. */
  get remoteAddress(): SocketAddress | undefined {
    const { remote } = this.transport;
    if (remote !== undefined) this.#remoteAddress ??= new SocketAddress(remote);
    return this.#remoteAddress;
  }

  // ---- options and groups: errors are the system's, and ERR_CLOSED ----

  /** Whether datagrams may be sent to broadcast addresses. */
  setBroadcast(on: boolean): void {
    checkBoolean('on', on);
    this.transport.setBroadcast(on);
  }

  /** Hops that datagrams to one receiver may take, 1..255. */
  setTtl(hops: number): void {
    checkInteger('hops', hops, 1, 255);
    this.transport.setTtl(hops);
  }

  /** Hops that datagrams to a group may take, 0..255; the system begins with 1, its own network. */
  setMulticastTtl(hops: number): void {
    checkInteger('hops', hops, 0, 255);
    this.transport.setMulticastTtl(hops);
  }

  /** Whether members on this machine hear what this socket sends to a group; true at first. */
  setMulticastLoopback(on: boolean): void {
    checkBoolean('on', on);
    this.transport.setMulticastLoopback(on);
  }

  /**
   * By which interface datagrams to groups leave: an IPv4 address of it ('192.0.2.1'), or its name
   * as an IPv6 zone ('::%eth0').
   */
  setMulticastInterface(by: string): void {
    checkIp('by', by);
    this.transport.setMulticastInterface(by);
  }

  /**
   * Receives what is sent to `group` ('239.1.2.3', 'ff02::fb'), through one interface (named as in
   * `setMulticastInterface`; absent: the system's choice). EINVAL for what is no group.
   */
  joinGroup(group: string, by?: string): void {
    checkIp('group', group);
    if (by !== undefined) checkIp('by', by);
    this.transport.joinGroup(group, by);
  }

  /** Takes a `joinGroup` with the same arguments back. EADDRNOTAVAIL if there was none. */
  leaveGroup(group: string, by?: string): void {
    checkIp('group', group);
    if (by !== undefined) checkIp('by', by);
    this.transport.leaveGroup(group, by);
  }

  /** Bytes of the system's receive queue, as it reports them: Linux doubles what was asked for. */
  get recvBufferSize(): number {
    return this.transport.recvBufferSize;
  }

  /** Likewise of the send queue. */
  get sendBufferSize(): number {
    return this.transport.sendBufferSize;
  }

  // ---- facts and the end ----

  /** Datagrams that were handed out here. */
  get datagramsReceived(): number {
    return this.#datagramsReceived;
  }

  /** Datagrams that the network has taken. */
  get datagramsSent(): number {
    return this.#datagramsSent;
  }

  /**
   * Datagrams that found no room in the queue; `undefined` where that is not known. On the portable
   * network those that the system itself has dropped are not among them.
   */
  get dropped(): number | undefined {
    return this.transport.dropped;
  }

  /** Closes the socket. Idempotent; a task that waits on it gets ERR_CLOSED. */
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

  /** What `yield ['recv', datagram]` waits on. */
  get readiness(): Readiness {
    return this.transport;
  }

  // ---- for the operations of this room ----

  /** The name in messages. @internal */
  get name(): string {
    return this.transport.describe();
  }

  /** One try to receive, counted. @internal */
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

  /** One try to send, counted. @internal */
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

  /** Queued before the peer was fixed; the system lets nothing else in since. */
  #isFromOtherPeer({ host, port }: SocketAddress): boolean {
    const peer = this.remoteAddress;
    return peer !== undefined && (peer.port !== port || peer.host !== host);
  }
}

function checkIp(name: string, host: string): void {
  if (typeof host !== 'string') throw wrongType(name, 'an IP address', host);
  if (ipFamily(host) !== 0) return;
  const text = `Expected \`${name}\` to be an IP address, got ${show(host)}`;
  throw new UsageError('ERR_ADDRESS', text);
}

function needsLookupError(host: string): UsageError {
  return new UsageError(
    'ERR_ADDRESS',
    `Expected an IP address, got the name ${show(host)}: to look it up takes time.\n` +
      '  wrong:  datagram.trySendTo(data, address)\n' +
      '  right:  yield* datagram.sendTo(data, address)',
  );
}

function wrongSendError(who: string, connected: boolean): UsageError {
  if (connected) return alreadyConnected(who, 'sendTo(data, address)');
  return new UsageError(
    'ERR_NOT_CONNECTED',
    `The datagram socket ${who} has no peer to send to.\n` +
      '  wrong:  datagram.send(data)\n' +
      '  right:  datagram.sendTo(data, address), or yield* datagram.connect(address) before',
  );
}

function alreadyConnected(who: string, call: string): UsageError {
  return new UsageError(
    'ERR_CONNECTED',
    `The datagram socket is connected with ${who} and has no other peer.\n` +
      `  wrong:  datagram.${call}\n  right:  datagram.send(data)`,
  );
}
