/**
 * A datagram socket on the epoll network.
 *
 * Receiving. One call brings a batch; its datagrams are handed out one at a time. A batch asks for
 * two at least, although one is the normal case: that the second is missing tells that the queue is
 * empty, without another call. It doubles while batches come back full.
 *
 * Edges, as epoll-transport.ts has them, with two differences:
 *  - An error stands before the datagrams, not behind them (the kernel looks for it first), and is
 *    gone once it was told. So fewer datagrams than asked for always means "empty".
 *  - Nobody is told of room to send unless a send has met EAGAIN: an edge for every datagram that
 *    has left would cost a wake-up each.
 *
 * Invariants:
 *  1. `canRecv` is true while a datagram waits here, or the system may have one or an error.
 *  2. `canSend` is false only while EPOLLOUT is watched.
 *  3. `handle` is used only while not closed; the addon would refuse it anyway.
 */
import { ClosedError } from '../kernel/errors.ts';
import { Readiness } from '../kernel/readiness.ts';
import type {
  DatagramOptions,
  DatagramTransport,
  Endpoint,
  IncomingDatagram,
} from '../world/network.ts';
import { endpointText, familyOf, hostOf, portOf } from './endpoint.ts';
import { LONGEST_BATCH, LONGEST_DATAGRAM } from './epoll-arena.ts';
import type { Registered, Registry } from './epoll-registry.ts';
import { EAGAIN, EBADF, EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT } from './epoll-registry.ts';
import { systemError } from './system-error.ts';

const RECV_EVENTS = EPOLLIN | EPOLLHUP | EPOLLERR;
const SEND_EVENTS = EPOLLOUT | EPOLLHUP | EPOLLERR;

const LEAST_BATCH = 2;

/** Flags, options and figures of native/datagrams.c. */
const REUSE_PORT = 1;
const IPV6_ONLY = 2;
const REUSE_ADDRESS = 4;
const BROADCAST = 8;
const OPTION_BROADCAST = 0;
const OPTION_TTL = 1;
const OPTION_MULTICAST_TTL = 2;
const OPTION_MULTICAST_LOOPBACK = 3;
const FIGURE_RECV_BUFFER = 0;
const FIGURE_SEND_BUFFER = 1;
const FIGURE_DROPPED = 2;

/** The addon refuses empty memory; of this, nothing is sent. */
const ONE_BYTE: Uint8Array = new Uint8Array(1);

export class EpollDatagram extends Readiness implements DatagramTransport, Registered {
  readonly kind = 'datagram';
  readonly handle: number;
  readonly local: Endpoint;
  remote: Endpoint | undefined = undefined;
  readonly #registry: Registry;
  readonly #maxLength: number;
  /** Received, not handed out yet. */
  #queue: IncomingDatagram[] = [];
  /** The system's queue was empty, and no edge has come since. */
  #drained = false;
  /** How many the next batch asks for. */
  #batchLength = LEAST_BATCH;
  /** EPOLLOUT is watched. */
  #awaitsRoom = false;
  /** What was dropped until it was closed. */
  #droppedAtClose: number | undefined = undefined;
  #closed = false;

  constructor(registry: Registry, handle: number, at: Endpoint, maxLength: number) {
    super();
    this.#registry = registry;
    this.handle = handle;
    this.#maxLength = maxLength;
    const bound = registry.addon.local(handle);
    this.local = typeof bound === 'number' ? at : bound;
    this.canSend = true;
    registry.add(this);
  }

  tryBind(): boolean {
    this.#mustBeOpen();
    return true;
  }

  // ------------------------------------------------------------------------------------- receive

  tryRecvFrom(): IncomingDatagram | undefined {
    if (this.#queue.length === 0) this.#receiveBatch();
    const next = this.#queue.shift();
    this.canRecv = this.#queue.length > 0 || !this.#drained;
    return next;
  }

  /** An error leaves `#drained` as it is: behind it there may be datagrams. */
  #receiveBatch(): void {
    this.#mustBeOpen();
    const { addon, arena } = this.#registry;
    const asked = this.#batchLength;
    const { memory, records } = arena;
    const received = addon.recvDatagrams(this.handle, memory, this.#maxLength, records, asked);
    if (received < 0 && received !== EAGAIN) throw this.#error(received, 'recvmsg');
    for (let i = 0; i < received; i += 1) this.#queue.push(arena.take(i, this.#maxLength));
    this.#drained = received < asked;
    this.#batchLength = this.#drained ? LEAST_BATCH : Math.min(2 * asked, LONGEST_BATCH);
  }

  // ---------------------------------------------------------------------------------------- send

  trySendTo(data: Uint8Array, to: Endpoint | undefined): boolean {
    this.#mustBeOpen();
    const { length } = data;
    const memory = length === 0 ? ONE_BYTE : data;
    const { addon } = this.#registry;
    const sent =
      to === undefined
        ? addon.sendDatagram(this.handle, memory, length, 0, '', 0)
        : addon.sendDatagram(this.handle, memory, length, familyOf(to), hostOf(to), portOf(to));
    if (sent >= 0) return true;
    if (sent !== EAGAIN) throw this.#error(sent, 'send', to ?? this.remote);
    this.#awaitRoom();
    return false;
  }

  /** The answer came with the call. */
  trySent(): boolean {
    this.#mustBeOpen();
    return true;
  }

  /** The flag is cleared first: an event that tells of room is still to come, even if there is. */
  #awaitRoom(): void {
    this.canSend = false;
    if (this.#awaitsRoom) return;
    this.#awaitsRoom = true;
    this.#registry.addon.watchSend(this.handle, 1);
  }

  // ------------------------------------------------------------------------- peer, options, groups

  connect(to: Endpoint): void {
    const { addon } = this.#registry;
    this.#must('connect', to, addon.connectDatagram(this.handle, ...inThree(to)));
    const peer = addon.peer(this.handle);
    this.remote = typeof peer === 'number' ? to : peer;
  }

  tryConnected(): boolean {
    this.#mustBeOpen();
    return this.remote !== undefined;
  }

  setBroadcast(on: boolean): void {
    this.#setOption('setBroadcast', OPTION_BROADCAST, on ? 1 : 0);
  }

  setTtl(hops: number): void {
    this.#setOption('setTTL', OPTION_TTL, hops);
  }

  setMulticastTtl(hops: number): void {
    this.#setOption('setMulticastTTL', OPTION_MULTICAST_TTL, hops);
  }

  setMulticastLoopback(on: boolean): void {
    this.#setOption('setMulticastLoopback', OPTION_MULTICAST_LOOPBACK, on ? 1 : 0);
  }

  setMulticastInterface(by: string): void {
    const { addon } = this.#registry;
    const result = addon.multicastInterface(this.handle, ...inThree(numeric(by)));
    this.#must('setMulticastInterface', undefined, result);
  }

  joinGroup(group: string, by: string | undefined): void {
    const result = this.#registry.addon.joinGroup(this.handle, ...membership(group, by));
    this.#must('addMembership', undefined, result);
  }

  leaveGroup(group: string, by: string | undefined): void {
    const result = this.#registry.addon.leaveGroup(this.handle, ...membership(group, by));
    this.#must('dropMembership', undefined, result);
  }

  #setOption(syscall: string, option: number, value: number): void {
    const result = this.#registry.addon.datagramOption(this.handle, option, value);
    this.#must(syscall, undefined, result);
  }

  get recvBufferSize(): number {
    const size = this.#registry.addon.datagramFigure(this.handle, FIGURE_RECV_BUFFER);
    this.#must('getsockopt', undefined, size);
    return size;
  }

  get sendBufferSize(): number {
    const size = this.#registry.addon.datagramFigure(this.handle, FIGURE_SEND_BUFFER);
    this.#must('getsockopt', undefined, size);
    return size;
  }

  /** Kernels before 4.12, and what only looks like Linux, do not tell. */
  get dropped(): number | undefined {
    if (this.#closed) return this.#droppedAtClose;
    const count = this.#registry.addon.datagramFigure(this.handle, FIGURE_DROPPED);
    return count < 0 ? undefined : count;
  }

  // --------------------------------------------------------------------------------- notices, end

  /** An error is for whoever tries next: both may. */
  onEvents(bits: number): void {
    if ((bits & RECV_EVENTS) !== 0) {
      this.#drained = false;
      this.grantRecv();
    }
    if ((bits & SEND_EVENTS) === 0) return;
    if (this.#awaitsRoom) {
      this.#awaitsRoom = false;
      this.#registry.addon.watchSend(this.handle, 0);
    }
    this.grantSend();
  }

  close(): void {
    if (this.#closed) return;
    this.#droppedAtClose = this.dropped;
    this.#closed = true;
    this.#queue = [];
    this.#registry.remove(this);
    this.#registry.addon.close(this.handle, 0);
    this.refuseWaiters(this.#closedError());
  }

  #mustBeOpen(): void {
    if (this.#closed) throw this.#closedError();
  }

  /** The addon's answer to a call that is done at once. */
  #must(syscall: string, peer: Endpoint | undefined, result: number): void {
    if (result < 0) throw this.#error(result, syscall, peer);
  }

  #error(errno: number, syscall: string, peer?: Endpoint): Error {
    return errno === EBADF ? this.#closedError() : systemError(errno, syscall, peer);
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

/** Binds. Throws what bind(2) says. */
export function openDatagram(
  registry: Registry,
  poller: number,
  at: Endpoint,
  options: DatagramOptions,
): EpollDatagram {
  const { recvBufferSize = 0, sendBufferSize = 0, maxLength = LONGEST_DATAGRAM } = options;
  const flags = flagsOf(options);
  const sizes = [recvBufferSize, sendBufferSize] as const;
  const handle = registry.addon.bindDatagram(poller, ...inThree(at), flags, ...sizes);
  if (handle < 0) throw systemError(handle, 'bind', at);
  return new EpollDatagram(registry, handle, at, maxLength);
}

function flagsOf({ reusePort, ipv6Only, reuseAddress, broadcast }: DatagramOptions): number {
  return (
    (reusePort === true ? REUSE_PORT : 0) |
    (ipv6Only === true ? IPV6_ONLY : 0) |
    (reuseAddress === true ? REUSE_ADDRESS : 0) |
    (broadcast === true ? BROADCAST : 0)
  );
}

/** An endpoint as the addon takes it. */
function inThree(endpoint: Endpoint | undefined): Three {
  return [familyOf(endpoint), hostOf(endpoint), portOf(endpoint)];
}

type Three = [family: number, host: string, port: number];

function membership(group: string, by: string | undefined): [...Three, ...Three] {
  return [...inThree(numeric(group)), ...inThree(by === undefined ? undefined : numeric(by))];
}

/** An address without a port; only IPv6 has colons. */
function numeric(host: string): Endpoint {
  return { host, port: 0, family: host.includes(':') ? 6 : 4 };
}
