/**
 * A datagram socket of the portable network: a socket of node:dgram.
 *
 * Receiving: node:dgram reads every datagram and cannot be paused. So this file has a receive queue
 * with the rule of the system: a datagram that does not fit is dropped and counted.
 *
 * Sending: node:dgram tries to send a datagram at once and reports the result in a later tick. If
 * the send buffer of the system is full, it queues datagrams without a bound. So it gets a bounded
 * amount at a time. `trySent` returns the results; an error is thrown there or, if `trySent` is not
 * called, by the next send.
 *
 * Invariants:
 *  1. At most MAX_QUEUED datagrams of MAX_QUEUED_BYTES are queued here, and at most one datagram or
 *     MAX_IN_FLIGHT bytes in node:dgram.
 *  2. The listener for 'error' is never removed: no failure can become an uncaught exception.
 *  3. An error is thrown once, except ERR_CLOSED and the failure of bind.
 *  4. The socket does not keep the process alive. Datagrams queued in node:dgram are lost on close.
 *
 * Addresses are resolved before this file gets them. `lookup` returns its argument at once, so that
 * node:dgram binds, connects and sends within the call.
 */
import type { RemoteInfo, Socket } from 'node:dgram';
import type { AddressInfo } from 'node:net';
import { constants } from 'node:os';
import { ClosedError } from '../../kernel/errors.ts';
import { Readiness } from '../../kernel/readiness.ts';
import { RingBuffer } from '../../support/ring-buffer.ts';
import type {
  DatagramOptions,
  DatagramTransport,
  Endpoint,
  IncomingDatagram,
} from '../../world/network.ts';
import { endpointText } from '../endpoint.ts';
import { systemError } from '../system-error.ts';
import type { PortableNetwork } from './network.ts';

/** Bounds of the receive queue: about the default of Linux (net.core.rmem_default). */
const MAX_QUEUED = 1024;
const MAX_QUEUED_BYTES = 262_144;

/** Bound of the bytes in node:dgram, including the overhead of each datagram. */
const MAX_IN_FLIGHT = 65_536;
/** The memory that a queued datagram takes in addition to its bytes. */
const DATAGRAM_OVERHEAD = 512;

const MAX_DATAGRAM = 65_535;

type IpEndpoint = Extract<Endpoint, { readonly host: string }>;

export class PortableDatagram extends Readiness implements DatagramTransport {
  local: Endpoint;
  remote: Endpoint | undefined = undefined;
  dropped = 0;
  readonly #socket: Socket;
  readonly #network: PortableNetwork;
  readonly #options: DatagramOptions;
  readonly #maxLength: number;
  readonly #queue = new RingBuffer<IncomingDatagram>();
  #queuedBytes = 0;
  /** Bytes and overhead of the datagrams whose result node:dgram has not reported. */
  #inFlight = 0;
  #bound = false;
  #connecting = false;
  /** The error that every `tryBind` throws. */
  #bindError: unknown = null;
  /** Errors that are thrown once: of `connect`, of a send, and of the peer (ICMP). */
  readonly #pendingErrors = {
    connect: null as unknown,
    send: null as unknown,
    peer: null as unknown,
  };
  #closed = false;

  constructor(at: Endpoint, options: DatagramOptions, network: PortableNetwork) {
    super();
    const address = requireIp(at);
    this.local = at;
    this.#network = network;
    this.#options = options;
    this.#maxLength = options.maxLength ?? MAX_DATAGRAM;
    this.#socket = process.getBuiltinModule('node:dgram').createSocket({
      type: address.family === 6 ? 'udp6' : 'udp4',
      ipv6Only: options.ipv6Only === true,
      reuseAddr: options.reuseAddress === true,
      ...(options.reusePort === true ? { reusePort: true } : {}),
      lookup: identityLookup(address.family),
    });
    network.datagrams.add(this);
    this.#bind(address);
  }

  // ---- bind ----

  #bind({ host, port }: IpEndpoint): void {
    const socket = this.#socket;
    socket.on('error', (error) => this.#onError(error));
    socket.on('message', (data, from) => this.#onMessage(data, from));
    socket.on('listening', () => this.#onListening());
    try {
      // `exclusive`: a worker of node:cluster does not share the port with the primary process.
      socket.bind({ address: host, port, exclusive: true });
    } catch (error) {
      this.#onError(error);
    }
    socket.unref();
  }

  #onListening(): void {
    if (this.#closed) return;
    try {
      this.#applyOptions();
      this.local = ipEndpoint(this.#socket.address());
      this.#bound = true;
    } catch (error) {
      this.#bindError = error;
    }
    this.#network.notifications.writable(this);
  }

  #applyOptions(): void {
    const { recvBufferSize, sendBufferSize, broadcast } = this.#options;
    if (recvBufferSize !== undefined) this.#socket.setRecvBufferSize(recvBufferSize);
    if (sendBufferSize !== undefined) this.#socket.setSendBufferSize(sendBufferSize);
    if (broadcast === true) this.#socket.setBroadcast(true);
  }

  tryBind(): boolean {
    this.#assertOpen();
    if (this.#bindError !== null) throw this.#bindError;
    if (!this.#bound) this.canSend = false;
    return this.#bound;
  }

  /** An error of bind, or an ICMP error for an earlier datagram. */
  #onError(error: unknown): void {
    if (this.#closed) return;
    if (this.#bound) this.#pendingErrors.peer = error;
    else this.#bindError = error;
    this.#network.notifications.readable(this);
    this.#network.notifications.writable(this);
  }

  // ---- receive ----

  #onMessage(data: Buffer, sender: RemoteInfo): void {
    if (this.#closed) return;
    const truncated = data.length > this.#maxLength;
    // A copy, because a slice would keep the whole datagram in memory.
    const kept = truncated ? Buffer.from(data.subarray(0, this.#maxLength)) : data;
    if (!this.#hasSpaceFor(kept)) {
      this.dropped += 1;
      return;
    }
    this.#queuedBytes += kept.length + DATAGRAM_OVERHEAD;
    this.#queue.push({ data: kept, from: ipEndpoint(sender), truncated });
    this.#network.notifications.readable(this);
  }

  #hasSpaceFor({ length }: Buffer): boolean {
    const bytes = this.#queuedBytes + length + DATAGRAM_OVERHEAD;
    return this.#queue.length < MAX_QUEUED && bytes <= MAX_QUEUED_BYTES;
  }

  /** A pending error comes before the queued datagrams, as in recvfrom(2). */
  tryRecvFrom(): IncomingDatagram | undefined {
    this.#assertOpen();
    this.#throwPending('peer');
    const next = this.#queue.length === 0 ? undefined : this.#queue.shift();
    if (next !== undefined) this.#queuedBytes -= next.data.length + DATAGRAM_OVERHEAD;
    this.canRecv = this.#queue.length > 0;
    return next;
  }

  // ---- send ----

  trySendTo(data: Uint8Array, to: Endpoint | undefined): boolean {
    this.#assertOpen();
    this.#throwPending('send');
    this.#throwPending('peer');
    const cost = data.length + DATAGRAM_OVERHEAD;
    const full = this.#inFlight > 0 && this.#inFlight + cost > MAX_IN_FLIGHT;
    if (!this.#bound || this.#connecting || full) {
      this.canSend = false;
      return false;
    }
    this.#send(data, to, cost);
    return true;
  }

  /** Sends a copy, because the caller may change its bytes while node:dgram needs them. */
  #send(data: Uint8Array, to: Endpoint | undefined, cost: number): void {
    const copy = Buffer.from(data);
    const done = (error: unknown) => this.#onSent(error ?? null, cost);
    if (to === undefined) {
      this.#socket.send(copy, done);
    } else {
      const { host, port, family } = requireIp(to);
      // node:dgram would report EINVAL.
      if (family !== this.#family) throw systemError(-constants.errno.EAFNOSUPPORT, 'send', to);
      this.#socket.send(copy, port, host, done);
    }
    this.#inFlight += cost;
  }

  #onSent(error: unknown, cost: number): void {
    this.#inFlight -= cost;
    if (this.#closed) return;
    this.#pendingErrors.send ??= error;
    this.#network.notifications.writable(this);
  }

  trySent(): boolean {
    this.#assertOpen();
    this.#throwPending('send');
    if (this.#inFlight > 0) this.canSend = false;
    return this.#inFlight === 0;
  }

  // ---- peer, options, groups ----

  connect(to: Endpoint): void {
    this.#assertOpen();
    const { host, port, family } = requireIp(to);
    if (family !== this.#family) throw systemError(-constants.errno.EAFNOSUPPORT, 'connect', to);
    this.#pendingErrors.connect = null;
    this.#connecting = true;
    this.#socket.connect(port, host, (error?: Error) => {
      this.#connecting = false;
      if (this.#closed) return;
      if (error) this.#pendingErrors.connect = error;
      else this.#updateRemote();
      this.#network.notifications.writable(this);
    });
    this.#updateRemote();
  }

  /** node:dgram emits 'connect' in a later tick, but has the address at once. */
  #updateRemote(): void {
    try {
      this.remote = ipEndpoint(this.#socket.remoteAddress());
      this.#connecting = false;
    } catch {
      // Not connected yet, or the connect has failed.
    }
  }

  tryConnected(): boolean {
    this.#assertOpen();
    this.#throwPending('connect');
    if (this.remote === undefined) this.canSend = false;
    return this.remote !== undefined;
  }

  setBroadcast(on: boolean): void {
    this.#openSocket.setBroadcast(on);
  }

  setTtl(hops: number): void {
    this.#openSocket.setTTL(hops);
  }

  setMulticastTtl(hops: number): void {
    this.#openSocket.setMulticastTTL(hops);
  }

  setMulticastLoopback(on: boolean): void {
    this.#openSocket.setMulticastLoopback(on);
  }

  setMulticastInterface(by: string): void {
    this.#openSocket.setMulticastInterface(by);
  }

  joinGroup(group: string, by: string | undefined): void {
    this.#openSocket.addMembership(group, by);
  }

  leaveGroup(group: string, by: string | undefined): void {
    this.#openSocket.dropMembership(group, by);
  }

  get recvBufferSize(): number {
    return this.#openSocket.getRecvBufferSize();
  }

  get sendBufferSize(): number {
    return this.#openSocket.getSendBufferSize();
  }

  // ---- end ----

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#network.datagrams.delete(this);
    this.#queue.clear();
    this.#socket.close();
    this.rejectWaiters(this.#closedError());
  }

  get #family(): 4 | 6 {
    return requireIp(this.local).family;
  }

  get #openSocket(): Socket {
    this.#assertOpen();
    return this.#socket;
  }

  #assertOpen(): void {
    if (this.#closed) throw this.#closedError();
  }

  #throwPending(kind: 'connect' | 'send' | 'peer'): void {
    const error = this.#pendingErrors[kind];
    this.#pendingErrors[kind] = null;
    if (error !== null) throw error;
  }

  #closedError(): ClosedError {
    const name = endpointText(this.local);
    return new ClosedError('ERR_CLOSED', `The datagram socket ${name} was closed by this program`);
  }

  override describe(): string {
    return endpointText(this.remote ?? this.local);
  }

  openLine(): string {
    return `datagram socket ${endpointText(this.local)}`;
  }
}

type LookupDone = (error: null, address: string, family: number) => void;

function identityLookup(family: 4 | 6) {
  return (host: string, _options: unknown, done: LookupDone): void => done(null, host, family);
}

function ipEndpoint({ address, port, family }: AddressInfo): IpEndpoint {
  return { host: address, port, family: family === 'IPv6' ? 6 : 4 };
}

function requireIp(endpoint: Endpoint): IpEndpoint {
  if ('host' in endpoint) return endpoint;
  throw systemError(-constants.errno.EAFNOSUPPORT, 'bind', endpoint);
}
