/**
 * A datagram socket of the portable network: a node:dgram socket turned from push to pull.
 *
 * Receiving. node:dgram reads whatever comes, and cannot be paused. So this file keeps the queue
 * that the system would have kept, with the same rule: what finds no room is dropped, and counted.
 *
 * Sending. node:dgram takes a datagram, tries to send it in the same moment, and tells what became
 * of it in a later tick; what the system has no room for it queues without a bound. So only so much
 * is given to it at a time, and its answers are asked for with `trySent`: an error of a send is
 * thrown there or, if nobody asks, by the next send.
 *
 * Invariants:
 *  1. At most MOST_QUEUED datagrams of MOST_QUEUED_BYTES wait here, and at most one datagram or
 *     MOST_UNDER_WAY bytes are with node:dgram.
 *  2. The listener for 'error' is there for ever: no failure can become an uncaught exception.
 *  3. An error is thrown once, then forgotten; ERR_CLOSED for ever.
 *  4. The socket does not keep the process alive. What node:dgram still queues at close is lost.
 *
 * Names are looked up before they come here. `lookup` answers at once with what it is asked, so
 * node:dgram binds, connects and sends in the call and not in a later one.
 */
import type { RemoteInfo, Socket } from 'node:dgram';
import { createSocket } from 'node:dgram';
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
import type { NotificationQueue } from './notification-queue.ts';

/** What may wait to be received: about what Linux grants a socket (net.core.rmem_default). */
const MAX_QUEUED = 1024;
const MAX_QUEUED_BYTES = 262_144;

/** What may be with node:dgram, each datagram with what it costs beside its bytes. */
const MAX_IN_FLIGHT = 65_536;
const DATAGRAM_OVERHEAD = 512;

const MAX_DATAGRAM = 65_535;

/** What the datagram sockets of one network share. */
export interface DatagramContext {
  /** The open ones. */
  readonly datagrams: Set<PortableDatagram>;
  readonly notifications: NotificationQueue;
}

type IpEndpoint = Extract<Endpoint, { readonly host: string }>;

export class PortableDatagram extends Readiness implements DatagramTransport {
  local: Endpoint;
  remote: Endpoint | undefined = undefined;
  dropped = 0;
  readonly #socket: Socket;
  readonly #context: DatagramContext;
  readonly #options: DatagramOptions;
  readonly #maxLength: number;
  readonly #queue = new RingBuffer<IncomingDatagram>();
  #queuedBytes = 0;
  /** Bytes and costs of the datagrams that node:dgram has not answered for. */
  #inFlight = 0;
  #bound = false;
  #connecting = false;
  /** Why tryBind fails, for ever. */
  #bindError: unknown = null;
  /** Why the peer could not be fixed, what the last send met, what came by itself: each once. */
  #connectError: unknown = null;
  #sendError: unknown = null;
  #asyncError: unknown = null;
  #closed = false;

  constructor(at: Endpoint, options: DatagramOptions, home: DatagramContext) {
    super();
    const address = requireIp(at);
    this.local = at;
    this.#context = home;
    this.#options = options;
    this.#maxLength = options.maxLength ?? MAX_DATAGRAM;
    this.#socket = createSocket({
      type: address.family === 6 ? 'udp6' : 'udp4',
      ipv6Only: options.ipv6Only === true,
      reuseAddr: options.reuseAddress === true,
      ...(options.reusePort === true ? { reusePort: true } : {}),
      lookup: identityLookup(address.family),
    });
    home.datagrams.add(this);
    this.#bind(address);
  }

  // ---------------------------------------------------------------------------------------- bind

  #bind({ host, port }: IpEndpoint): void {
    const socket = this.#socket;
    socket.on('error', (error) => this.#onError(error));
    socket.on('message', (data, from) => this.#onMessage(data, from));
    socket.on('listening', () => this.#onListening());
    try {
      // In a cluster's worker too, the port is this process's own.
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
      const { address, port, family } = this.#socket.address();
      this.local = { host: address, port, family: family === 'IPv6' ? 6 : 4 };
      this.#bound = true;
    } catch (error) {
      this.#bindError = error;
    }
    this.#context.notifications.writable(this);
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

  /** An error that no call has asked for: of bind, or an ICMP answer to an earlier datagram. */
  #onError(error: unknown): void {
    if (this.#closed) return;
    if (this.#bound) this.#asyncError = error;
    else this.#bindError = error;
    this.#context.notifications.readable(this);
    this.#context.notifications.writable(this);
  }

  // ------------------------------------------------------------------------------------- receive

  #onMessage(data: Buffer, { address, port, family }: RemoteInfo): void {
    if (this.#closed) return;
    const truncated = data.length > this.#maxLength;
    // A copy: a cut one would keep all of it alive.
    const kept = truncated ? Buffer.from(data.subarray(0, this.#maxLength)) : data;
    if (!this.#hasRoomFor(kept)) {
      this.dropped += 1;
      return;
    }
    this.#queuedBytes += kept.length + DATAGRAM_OVERHEAD;
    const from: Endpoint = { host: address, port, family: family === 'IPv6' ? 6 : 4 };
    this.#queue.push({ data: kept, from, truncated });
    this.#context.notifications.readable(this);
  }

  #hasRoomFor({ length }: Buffer): boolean {
    const bytes = this.#queuedBytes + length + DATAGRAM_OVERHEAD;
    return this.#queue.length < MAX_QUEUED && bytes <= MAX_QUEUED_BYTES;
  }

  /** An error first, as the system does it. */
  tryRecvFrom(): IncomingDatagram | undefined {
    this.#assertOpen();
    this.#throwAsyncError();
    const next = this.#queue.length === 0 ? undefined : this.#queue.shift();
    if (next !== undefined) this.#queuedBytes -= next.data.length + DATAGRAM_OVERHEAD;
    this.canRecv = this.#queue.length > 0;
    return next;
  }

  // ---------------------------------------------------------------------------------------- send

  trySendTo(data: Uint8Array, to: Endpoint | undefined): boolean {
    this.#assertOpen();
    this.#throwSendError();
    this.#throwAsyncError();
    const cost = data.length + DATAGRAM_OVERHEAD;
    const full = this.#inFlight > 0 && this.#inFlight + cost > MAX_IN_FLIGHT;
    if (!this.#bound || this.#connecting || full) {
      this.canSend = false;
      return false;
    }
    this.#send(data, to, cost);
    return true;
  }

  /** A copy, since the caller may change its bytes before node:dgram has let go of them. */
  #send(data: Uint8Array, to: Endpoint | undefined, cost: number): void {
    const copy = Buffer.from(data);
    const answered = (error: unknown) => this.#onSent(error ?? null, cost);
    if (to === undefined) {
      this.#socket.send(copy, answered);
    } else {
      const { host, port, family } = requireIp(to);
      // node:dgram would say EINVAL.
      if (family !== this.#family) throw systemError(-constants.errno.EAFNOSUPPORT, 'send', to);
      this.#socket.send(copy, port, host, answered);
    }
    this.#inFlight += cost;
  }

  #onSent(error: unknown, cost: number): void {
    this.#inFlight -= cost;
    if (this.#closed) return;
    this.#sendError ??= error;
    this.#context.notifications.writable(this);
  }

  trySent(): boolean {
    this.#assertOpen();
    this.#throwSendError();
    if (this.#inFlight > 0) this.canSend = false;
    return this.#inFlight === 0;
  }

  // ------------------------------------------------------------------------- peer, options, groups

  connect(to: Endpoint): void {
    this.#assertOpen();
    const { host, port, family } = requireIp(to);
    if (family !== this.#family) throw systemError(-constants.errno.EAFNOSUPPORT, 'connect', to);
    this.#connectError = null;
    this.#connecting = true;
    this.#socket.connect(port, host, (error?: Error) => {
      this.#connecting = false;
      if (this.#closed) return;
      if (error) this.#connectError = error;
      else this.#notePeer();
      this.#context.notifications.writable(this);
    });
    this.#notePeer();
  }

  /** node:dgram tells in a later tick, but knows at once. */
  #notePeer(): void {
    try {
      const { address, port, family } = this.#socket.remoteAddress();
      this.remote = { host: address, port, family: family === 'IPv6' ? 6 : 4 };
      this.#connecting = false;
    } catch {
      // Not connected, or not yet.
    }
  }

  tryConnected(): boolean {
    this.#assertOpen();
    const error = this.#connectError;
    this.#connectError = null;
    if (error !== null) throw error;
    if (this.remote === undefined) this.canSend = false;
    return this.remote !== undefined;
  }

  setBroadcast(on: boolean): void {
    this.#assertOpen();
    this.#socket.setBroadcast(on);
  }

  setTtl(hops: number): void {
    this.#assertOpen();
    this.#socket.setTTL(hops);
  }

  setMulticastTtl(hops: number): void {
    this.#assertOpen();
    this.#socket.setMulticastTTL(hops);
  }

  setMulticastLoopback(on: boolean): void {
    this.#assertOpen();
    this.#socket.setMulticastLoopback(on);
  }

  setMulticastInterface(by: string): void {
    this.#assertOpen();
    this.#socket.setMulticastInterface(by);
  }

  joinGroup(group: string, by: string | undefined): void {
    this.#assertOpen();
    this.#socket.addMembership(group, by);
  }

  leaveGroup(group: string, by: string | undefined): void {
    this.#assertOpen();
    this.#socket.dropMembership(group, by);
  }

  get recvBufferSize(): number {
    this.#assertOpen();
    return this.#socket.getRecvBufferSize();
  }

  get sendBufferSize(): number {
    this.#assertOpen();
    return this.#socket.getSendBufferSize();
  }

  // ----------------------------------------------------------------------------------------- end

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#context.datagrams.delete(this);
    this.#queue.clear();
    this.#socket.close();
    this.rejectWaiters(this.#closedError());
  }

  get #family(): 4 | 6 {
    return requireIp(this.local).family;
  }

  #assertOpen(): void {
    if (this.#closed) throw this.#closedError();
  }

  #throwSendError(): void {
    const error = this.#sendError;
    this.#sendError = null;
    if (error !== null) throw error;
  }

  #throwAsyncError(): void {
    const error = this.#asyncError;
    this.#asyncError = null;
    if (error !== null) throw error;
  }

  #closedError(): ClosedError {
    const who = endpointText(this.local);
    return new ClosedError('ERR_CLOSED', `The datagram socket ${who} was closed here`);
  }

  override describe(): string {
    return endpointText(this.remote ?? this.local);
  }

  openLine(): string {
    return `datagram socket ${endpointText(this.local)}`;
  }
}

type Lookup = (
  host: string,
  options: unknown,
  done: (error: null, address: string, family: number) => void,
) => void;

function identityLookup(family: 4 | 6): Lookup {
  return (host, _options, done) => done(null, host, family);
}

function requireIp(endpoint: Endpoint): IpEndpoint {
  if ('host' in endpoint) return endpoint;
  throw systemError(-constants.errno.EAFNOSUPPORT, 'bind', endpoint);
}
