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
import { ClosedError } from '../kernel/errors.ts';
import { Readiness } from '../kernel/readiness.ts';
import { Ring } from '../kernel/ring.ts';
import type {
  DatagramOptions,
  DatagramTransport,
  Endpoint,
  IncomingDatagram,
} from '../world/network.ts';
import { endpointText } from './endpoint.ts';
import type { Notices } from './portable-notices.ts';
import { systemError } from './system-error.ts';

/** What may wait to be received: about what Linux grants a socket (net.core.rmem_default). */
const MOST_QUEUED = 1024;
const MOST_QUEUED_BYTES = 262_144;

/** What may be with node:dgram, each datagram with what it costs beside its bytes. */
const MOST_UNDER_WAY = 65_536;
const DATAGRAM_COST = 512;

const LONGEST_DATAGRAM = 65_535;

/** What the datagram sockets of one network share. */
export interface DatagramHome {
  /** The open ones. */
  readonly datagrams: Set<PortableDatagram>;
  readonly notices: Notices;
}

type IpEndpoint = Extract<Endpoint, { readonly host: string }>;

export class PortableDatagram extends Readiness implements DatagramTransport {
  local: Endpoint;
  remote: Endpoint | undefined = undefined;
  dropped = 0;
  readonly #socket: Socket;
  readonly #home: DatagramHome;
  readonly #options: DatagramOptions;
  readonly #maxLength: number;
  readonly #queue = new Ring<IncomingDatagram>();
  #queuedBytes = 0;
  /** Bytes and costs of the datagrams that node:dgram has not answered for. */
  #underWay = 0;
  #bound = false;
  #connecting = false;
  /** Why tryBind fails, for ever. */
  #bindError: unknown = null;
  /** Why the peer could not be fixed, what the last send met, what came by itself: each once. */
  #connectError: unknown = null;
  #sendError: unknown = null;
  #strayError: unknown = null;
  #closed = false;

  constructor(at: Endpoint, options: DatagramOptions, home: DatagramHome) {
    super();
    const address = ipOnly(at);
    this.local = at;
    this.#home = home;
    this.#options = options;
    this.#maxLength = options.maxLength ?? LONGEST_DATAGRAM;
    this.#socket = createSocket({
      type: address.family === 6 ? 'udp6' : 'udp4',
      ipv6Only: options.ipv6Only === true,
      reuseAddr: options.reuseAddress === true,
      ...(options.reusePort === true ? { reusePort: true } : {}),
      lookup: answerAtOnce(address.family),
    });
    home.datagrams.add(this);
    this.#bind(address);
  }

  // ---------------------------------------------------------------------------------------- bind

  #bind({ host, port }: IpEndpoint): void {
    const socket = this.#socket;
    socket.on('error', (error) => this.#failed(error));
    socket.on('message', (data, from) => this.#received(data, from));
    socket.on('listening', () => this.#started());
    try {
      // In a cluster's worker too, the port is this process's own.
      socket.bind({ address: host, port, exclusive: true });
    } catch (error) {
      this.#failed(error);
    }
    socket.unref();
  }

  #started(): void {
    if (this.#closed) return;
    try {
      this.#prepare();
      const { address, port, family } = this.#socket.address();
      this.local = { host: address, port, family: family === 'IPv6' ? 6 : 4 };
      this.#bound = true;
    } catch (error) {
      this.#bindError = error;
    }
    this.#home.notices.canSend(this);
  }

  #prepare(): void {
    const { recvBufferSize, sendBufferSize, broadcast } = this.#options;
    if (recvBufferSize !== undefined) this.#socket.setRecvBufferSize(recvBufferSize);
    if (sendBufferSize !== undefined) this.#socket.setSendBufferSize(sendBufferSize);
    if (broadcast === true) this.#socket.setBroadcast(true);
  }

  tryBind(): boolean {
    this.#mustBeOpen();
    if (this.#bindError !== null) throw this.#bindError;
    if (!this.#bound) this.canSend = false;
    return this.#bound;
  }

  /** An error that no call has asked for: of bind, or an ICMP answer to an earlier datagram. */
  #failed(error: unknown): void {
    if (this.#closed) return;
    if (this.#bound) this.#strayError = error;
    else this.#bindError = error;
    this.#home.notices.canRecv(this);
    this.#home.notices.canSend(this);
  }

  // ------------------------------------------------------------------------------------- receive

  #received(data: Buffer, { address, port, family }: RemoteInfo): void {
    if (this.#closed) return;
    const truncated = data.length > this.#maxLength;
    // A copy: a cut one would keep all of it alive.
    const kept = truncated ? Buffer.from(data.subarray(0, this.#maxLength)) : data;
    if (!this.#hasRoomFor(kept)) {
      this.dropped += 1;
      return;
    }
    this.#queuedBytes += kept.length + DATAGRAM_COST;
    const from: Endpoint = { host: address, port, family: family === 'IPv6' ? 6 : 4 };
    this.#queue.push({ data: kept, from, truncated });
    this.#home.notices.canRecv(this);
  }

  #hasRoomFor({ length }: Buffer): boolean {
    const bytes = this.#queuedBytes + length + DATAGRAM_COST;
    return this.#queue.length < MOST_QUEUED && bytes <= MOST_QUEUED_BYTES;
  }

  /** An error first, as the system does it. */
  tryRecvFrom(): IncomingDatagram | undefined {
    this.#mustBeOpen();
    this.#throwStrayError();
    const next = this.#queue.length === 0 ? undefined : this.#queue.shift();
    if (next !== undefined) this.#queuedBytes -= next.data.length + DATAGRAM_COST;
    this.canRecv = this.#queue.length > 0;
    return next;
  }

  // ---------------------------------------------------------------------------------------- send

  trySendTo(data: Uint8Array, to: Endpoint | undefined): boolean {
    this.#mustBeOpen();
    this.#throwSendError();
    this.#throwStrayError();
    const cost = data.length + DATAGRAM_COST;
    const full = this.#underWay > 0 && this.#underWay + cost > MOST_UNDER_WAY;
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
    const answered = (error: unknown) => this.#answered(error ?? null, cost);
    if (to === undefined) {
      this.#socket.send(copy, answered);
    } else {
      const { host, port, family } = ipOnly(to);
      // node:dgram would say EINVAL.
      if (family !== this.#family) throw systemError(-constants.errno.EAFNOSUPPORT, 'send', to);
      this.#socket.send(copy, port, host, answered);
    }
    this.#underWay += cost;
  }

  #answered(error: unknown, cost: number): void {
    this.#underWay -= cost;
    if (this.#closed) return;
    this.#sendError ??= error;
    this.#home.notices.canSend(this);
  }

  trySent(): boolean {
    this.#mustBeOpen();
    this.#throwSendError();
    if (this.#underWay > 0) this.canSend = false;
    return this.#underWay === 0;
  }

  // ------------------------------------------------------------------------- peer, options, groups

  connect(to: Endpoint): void {
    this.#mustBeOpen();
    const { host, port, family } = ipOnly(to);
    if (family !== this.#family) throw systemError(-constants.errno.EAFNOSUPPORT, 'connect', to);
    this.#connectError = null;
    this.#connecting = true;
    this.#socket.connect(port, host, (error?: Error) => {
      this.#connecting = false;
      if (this.#closed) return;
      if (error) this.#connectError = error;
      else this.#notePeer();
      this.#home.notices.canSend(this);
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
    this.#mustBeOpen();
    const error = this.#connectError;
    this.#connectError = null;
    if (error !== null) throw error;
    if (this.remote === undefined) this.canSend = false;
    return this.remote !== undefined;
  }

  setBroadcast(on: boolean): void {
    this.#mustBeOpen();
    this.#socket.setBroadcast(on);
  }

  setTtl(hops: number): void {
    this.#mustBeOpen();
    this.#socket.setTTL(hops);
  }

  setMulticastTtl(hops: number): void {
    this.#mustBeOpen();
    this.#socket.setMulticastTTL(hops);
  }

  setMulticastLoopback(on: boolean): void {
    this.#mustBeOpen();
    this.#socket.setMulticastLoopback(on);
  }

  setMulticastInterface(by: string): void {
    this.#mustBeOpen();
    this.#socket.setMulticastInterface(by);
  }

  joinGroup(group: string, by: string | undefined): void {
    this.#mustBeOpen();
    this.#socket.addMembership(group, by);
  }

  leaveGroup(group: string, by: string | undefined): void {
    this.#mustBeOpen();
    this.#socket.dropMembership(group, by);
  }

  get recvBufferSize(): number {
    this.#mustBeOpen();
    return this.#socket.getRecvBufferSize();
  }

  get sendBufferSize(): number {
    this.#mustBeOpen();
    return this.#socket.getSendBufferSize();
  }

  // ----------------------------------------------------------------------------------------- end

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#home.datagrams.delete(this);
    this.#queue.clear();
    this.#socket.close();
    this.refuseWaiters(this.#closedError());
  }

  get #family(): 4 | 6 {
    return ipOnly(this.local).family;
  }

  #mustBeOpen(): void {
    if (this.#closed) throw this.#closedError();
  }

  #throwSendError(): void {
    const error = this.#sendError;
    this.#sendError = null;
    if (error !== null) throw error;
  }

  #throwStrayError(): void {
    const error = this.#strayError;
    this.#strayError = null;
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

function answerAtOnce(family: 4 | 6): Lookup {
  return (host, _options, done) => done(null, host, family);
}

function ipOnly(endpoint: Endpoint): IpEndpoint {
  if ('host' in endpoint) return endpoint;
  throw systemError(-constants.errno.EAFNOSUPPORT, 'bind', endpoint);
}
