/**
 * A datagram socket on the simulated network.
 *
 * The receive queue is bounded: a datagram that does not fit is dropped and counted. A send blocks
 * only if the link has a bandwidth and the bytes that have not left fill the send buffer.
 *
 * Invariants:
 *  1. `canRecv` is true while a datagram or an error waits. It may also be true otherwise.
 *  2. An error (ICMP: the peer's port is unreachable) is thrown by the next send or receive, once.
 */
import { Readiness } from '../../kernel/readiness.ts';
import { Timer } from '../../kernel/timers.ts';
import type {
  DatagramOptions,
  DatagramTransport,
  Endpoint,
  IncomingDatagram,
} from '../../world/network.ts';
import type { IpEndpoint } from './addresses.ts';
import { endpointText, isMapped } from './addresses.ts';
import type { ErrorCode } from './errors.ts';
import { closedHere, systemError } from './errors.ts';
import { SpuriousWakeUps } from './faults.ts';
import type { SimHostNetwork } from './network.ts';
import { effectiveSize } from './options.ts';

/** net.core.rmem_default and wmem_default of Linux, and the memory of a datagram without bytes. */
const DEFAULT_SIZE = 212_992;
const OVERHEAD = 768;
/** 65535 minus the headers of IPv4 and UDP, or of UDP alone (RFC 8200, section 3). */
const MAX_LENGTH_V4 = 65_507;
const MAX_LENGTH_V6 = 65_527;

export class SimDatagram extends Readiness implements DatagramTransport {
  readonly local: IpEndpoint;
  remote: IpEndpoint | undefined = undefined;
  readonly options: DatagramOptions;
  broadcast: boolean;
  /** Multicast options: hops, delivery to this host, outgoing interface. */
  multicastTtl = 1;
  multicastLoopback = true;
  multicastInterface: string | undefined = undefined;
  closed = false;
  dropped = 0;
  readonly #owner: SimHostNetwork;
  readonly #maxLength: number;
  readonly #recvBufferSize: number;
  readonly #sendBufferSize: number;
  readonly #queue: IncomingDatagram[] = [];
  /** The memory of the queue. */
  #queuedBytes = 0;
  #error: ErrorCode | null = null;
  /** Bytes that have not left: pairs of time and size, in order. */
  readonly #leaving: number[] = [];
  #leavingBytes = 0;
  readonly #spaceTimer = new Timer({ expire: () => this.notifySend() });
  readonly #spuriousWakeUps: SpuriousWakeUps;

  constructor(owner: SimHostNetwork, local: IpEndpoint, options: DatagramOptions) {
    super();
    this.#owner = owner;
    this.local = local;
    this.options = options;
    this.broadcast = options.broadcast === true;
    this.#maxLength = options.maxLength ?? 65_535;
    this.#recvBufferSize = effectiveSize('recvBufferSize', options.recvBufferSize, DEFAULT_SIZE);
    this.#sendBufferSize = effectiveSize('sendBufferSize', options.sendBufferSize, DEFAULT_SIZE);
    this.#spuriousWakeUps = new SpuriousWakeUps(owner.core, owner.host, this);
    this.canSend = true;
    this.#markEmpty();
  }

  tryBind(): boolean {
    this.#checkOpen();
    return true;
  }

  // ---- receive ----

  tryRecvFrom(): IncomingDatagram | undefined {
    this.#checkOpen();
    this.#throwError('recvmsg', undefined);
    const next = this.#queue.shift();
    if (next !== undefined) this.#queuedBytes -= next.data.length + OVERHEAD;
    if (this.#queue.length === 0) this.#markEmpty();
    return next;
  }

  #markEmpty(): void {
    this.canRecv = false;
    this.#spuriousWakeUps.mayWake('recv');
  }

  /** Receives a datagram. `bytes` may be shared with other receivers. */
  deliver(bytes: Buffer, from: IpEndpoint): void {
    const length = Math.min(bytes.length, this.#maxLength);
    if (this.#queuedBytes + length + OVERHEAD > this.#recvBufferSize) {
      this.dropped++;
      this.#owner.core.trace('drop', this.#owner.host, '', bytes.length, () => 'queue full');
      return;
    }
    this.#queuedBytes += length + OVERHEAD;
    const data = Buffer.from(bytes.subarray(0, length));
    this.#queue.push({ data, from, truncated: length < bytes.length });
    this.#spuriousWakeUps.reset();
    this.notifyRecv();
  }

  /** The answer of an unreachable port. Only a connected socket reports it (udp(7)). */
  portUnreachable(to: IpEndpoint): void {
    const { remote } = this;
    if (this.closed || remote?.port !== to.port) return;
    this.#error = 'ECONNREFUSED';
    this.notifyRecv();
    this.notifySend();
  }

  // ---- send ----

  trySendTo(data: Uint8Array, to: Endpoint | undefined): boolean {
    this.#checkOpen();
    const target = (to ?? this.remote) as IpEndpoint;
    this.#throwError('send', target);
    if (data.length > maxLengthTo(target)) throw systemError('EMSGSIZE', 'send', target);
    if (!this.#hasSpace(data.length)) return false;
    const leaves = this.#owner.datagramRouter.send(this, Buffer.from(data), target);
    if (typeof leaves === 'string') throw systemError(leaves, 'send', target);
    if (leaves > this.#owner.core.now) this.#addLeaving(leaves, data.length);
    return true;
  }

  #hasSpace(length: number): boolean {
    const leaving = this.#leaving;
    const { now } = this.#owner.core;
    while (leaving.length > 0 && (leaving[0] as number) <= now) {
      this.#leavingBytes -= leaving[1] as number;
      leaving.splice(0, 2);
    }
    if (leaving.length === 0 || this.#leavingBytes + length <= this.#sendBufferSize) return true;
    this.canSend = false;
    this.#owner.core.arm(this.#spaceTimer, leaving[0] as number);
    return false;
  }

  #addLeaving(at: number, length: number): void {
    this.#leaving.push(at, length + OVERHEAD);
    this.#leavingBytes += length + OVERHEAD;
  }

  /** A simulated send completes at once. */
  trySent(): boolean {
    this.#checkOpen();
    return true;
  }

  #throwError(syscall: string, peer: IpEndpoint | undefined): void {
    const code = this.#error;
    if (code === null) return;
    this.#error = null;
    if (this.#queue.length === 0) this.canRecv = false;
    throw systemError(code, syscall, peer);
  }

  // ---- peer, options, groups ----

  connect(to: Endpoint): void {
    this.#checkOpen();
    const problem = this.#owner.datagramRouter.problemWith(this, to as IpEndpoint);
    if (problem !== null) throw systemError(problem, 'connect', to);
    this.remote = to as IpEndpoint;
  }

  tryConnected(): boolean {
    this.#checkOpen();
    return this.remote !== undefined;
  }

  setBroadcast(on: boolean): void {
    this.#checkOpen();
    this.broadcast = on;
  }

  /** Every host is one hop away, so the TTL has no effect. */
  setTtl(_hops: number): void {
    this.#checkOpen();
  }

  setMulticastTtl(hops: number): void {
    this.#checkOpen();
    this.multicastTtl = hops;
  }

  setMulticastLoopback(on: boolean): void {
    this.#checkOpen();
    this.multicastLoopback = on;
  }

  setMulticastInterface(by: string): void {
    this.#checkOpen();
    const problem = this.#owner.multicastGroups.problemWithInterface(by);
    if (problem !== null) throw systemError(problem, 'setMulticastInterface');
    this.multicastInterface = by;
  }

  joinGroup(group: string, by: string | undefined): void {
    this.#checkOpen();
    const problem = this.#owner.multicastGroups.join(this, group, by);
    if (problem !== null) throw systemError(problem, 'addMembership');
  }

  leaveGroup(group: string, by: string | undefined): void {
    this.#checkOpen();
    const problem = this.#owner.multicastGroups.leave(this, group, by);
    if (problem !== null) throw systemError(problem, 'dropMembership');
  }

  get recvBufferSize(): number {
    this.#checkOpen();
    return this.#recvBufferSize;
  }

  get sendBufferSize(): number {
    this.#checkOpen();
    return this.#sendBufferSize;
  }

  // ---- end ----

  close(): void {
    if (this.closed) return;
    this.#release();
    this.#owner.forgetDatagram(this);
    this.rejectWaiters(this.#closedError());
  }

  /** The host has crashed. No task waits any more. */
  crash(): void {
    this.recvWaiter = null;
    this.sendWaiter = null;
    this.#release();
  }

  #release(): void {
    this.closed = true;
    this.#queue.length = 0;
    this.#owner.core.disarm(this.#spaceTimer);
  }

  #checkOpen(): void {
    if (this.closed) throw this.#closedError();
  }

  #closedError(): unknown {
    return closedHere(`The datagram socket ${endpointText(this.local)}`);
  }

  override describe(): string {
    return endpointText(this.remote ?? this.local);
  }

  openLine(): string {
    return `datagram socket ${endpointText(this.local)}`;
  }
}

function maxLengthTo({ host, family }: IpEndpoint): number {
  return family === 4 || isMapped(host) ? MAX_LENGTH_V4 : MAX_LENGTH_V6;
}
