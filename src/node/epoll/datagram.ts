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
import { ClosedError } from '../../kernel/errors.ts';
import { Readiness } from '../../kernel/readiness.ts';
import type {
  DatagramOptions,
  DatagramTransport,
  Endpoint,
  IncomingDatagram,
} from '../../world/network.ts';
import type { Addon } from '../addon.ts';
import { endpointText, familyOf, hostOf, portOf } from '../endpoint.ts';
import { systemError } from '../system-error.ts';
import type { Registered, Registry } from './registry.ts';
import { EAGAIN, EBADF, EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT } from './registry.ts';

const RECV_EVENTS = EPOLLIN | EPOLLHUP | EPOLLERR;
const SEND_EVENTS = EPOLLOUT | EPOLLHUP | EPOLLERR;

const MIN_BATCH = 2;

/** Flags, options and figures of native/datagrams.c. */
const REUSE_PORT = 1;
const IPV6_ONLY = 2;
const REUSE_ADDRESS = 4;
const BROADCAST = 8;
const OPTION_BROADCAST = 0;
const OPTION_TTL = 1;
const OPTION_MULTICAST_TTL = 2;
const OPTION_MULTICAST_LOOPBACK = 3;
const STAT_RECV_BUFFER = 0;
const STAT_SEND_BUFFER = 1;
const STAT_DROPPED = 2;

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
  #batchLength = MIN_BATCH;
  /** EPOLLOUT is watched. */
  #watchesSend = false;
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
    this.#assertOpen();
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
    this.#assertOpen();
    const { addon, arena } = this.#registry;
    const asked = this.#batchLength;
    const { memory, records } = arena;
    const received = addon.recvDatagrams(this.handle, memory, this.#maxLength, records, asked);
    if (received < 0 && received !== EAGAIN) throw this.#error(received, 'recvmsg');
    for (let i = 0; i < received; i += 1) this.#queue.push(arena.take(i, this.#maxLength));
    this.#drained = received < asked;
    this.#batchLength = this.#drained ? MIN_BATCH : Math.min(2 * asked, MAX_BATCH);
  }

  // ---------------------------------------------------------------------------------------- send

  trySendTo(data: Uint8Array, to: Endpoint | undefined): boolean {
    this.#assertOpen();
    const { length } = data;
    const memory = length === 0 ? ONE_BYTE : data;
    const { addon } = this.#registry;
    const sent =
      to === undefined
        ? addon.sendDatagram(this.handle, memory, length, 0, '', 0)
        : addon.sendDatagram(this.handle, memory, length, familyOf(to), hostOf(to), portOf(to));
    if (sent >= 0) return true;
    if (sent !== EAGAIN) throw this.#error(sent, 'send', to ?? this.remote);
    this.#watchSend();
    return false;
  }

  /** The answer came with the call. */
  trySent(): boolean {
    this.#assertOpen();
    return true;
  }

  /** The flag is cleared first: an event that tells of room is still to come, even if there is. */
  #watchSend(): void {
    this.canSend = false;
    if (this.#watchesSend) return;
    this.#watchesSend = true;
    this.#registry.addon.watchSend(this.handle, 1);
  }

  // ------------------------------------------------------------------------- peer, options, groups

  connect(to: Endpoint): void {
    const { addon } = this.#registry;
    this.#check('connect', to, addon.connectDatagram(this.handle, ...endpointArguments(to)));
    const peer = addon.peer(this.handle);
    this.remote = typeof peer === 'number' ? to : peer;
  }

  tryConnected(): boolean {
    this.#assertOpen();
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
    const result = addon.multicastInterface(this.handle, ...endpointArguments(numericEndpoint(by)));
    this.#check('setMulticastInterface', undefined, result);
  }

  joinGroup(group: string, by: string | undefined): void {
    const result = this.#registry.addon.joinGroup(this.handle, ...membershipArguments(group, by));
    this.#check('addMembership', undefined, result);
  }

  leaveGroup(group: string, by: string | undefined): void {
    const result = this.#registry.addon.leaveGroup(this.handle, ...membershipArguments(group, by));
    this.#check('dropMembership', undefined, result);
  }

  #setOption(syscall: string, option: number, value: number): void {
    const result = this.#registry.addon.datagramOption(this.handle, option, value);
    this.#check(syscall, undefined, result);
  }

  get recvBufferSize(): number {
    const size = this.#registry.addon.datagramFigure(this.handle, STAT_RECV_BUFFER);
    this.#check('getsockopt', undefined, size);
    return size;
  }

  get sendBufferSize(): number {
    const size = this.#registry.addon.datagramFigure(this.handle, STAT_SEND_BUFFER);
    this.#check('getsockopt', undefined, size);
    return size;
  }

  /** Kernels before 4.12, and what only looks like Linux, do not tell. */
  get dropped(): number | undefined {
    if (this.#closed) return this.#droppedAtClose;
    const count = this.#registry.addon.datagramFigure(this.handle, STAT_DROPPED);
    return count < 0 ? undefined : count;
  }

  // --------------------------------------------------------------------------------- notices, end

  /** An error is for whoever tries next: both may. */
  onEvents(bits: number): void {
    if ((bits & RECV_EVENTS) !== 0) {
      this.#drained = false;
      this.notifyRecv();
    }
    if ((bits & SEND_EVENTS) === 0) return;
    if (this.#watchesSend) {
      this.#watchesSend = false;
      this.#registry.addon.watchSend(this.handle, 0);
    }
    this.notifySend();
  }

  close(): void {
    if (this.#closed) return;
    this.#droppedAtClose = this.dropped;
    this.#closed = true;
    this.#queue = [];
    this.#registry.remove(this);
    this.#registry.addon.close(this.handle, 0);
    this.rejectWaiters(this.#closedError());
  }

  #assertOpen(): void {
    if (this.#closed) throw this.#closedError();
  }

  /** The addon's answer to a call that is done at once. */
  #check(syscall: string, peer: Endpoint | undefined, result: number): void {
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
  const { recvBufferSize = 0, sendBufferSize = 0, maxLength = MAX_DATAGRAM } = options;
  const flags = flagsOf(options);
  const sizes = [recvBufferSize, sendBufferSize] as const;
  const handle = registry.addon.bindDatagram(poller, ...endpointArguments(at), flags, ...sizes);
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
function endpointArguments(endpoint: Endpoint | undefined): EndpointArguments {
  return [familyOf(endpoint), hostOf(endpoint), portOf(endpoint)];
}

type EndpointArguments = [family: number, host: string, port: number];

function membershipArguments(
  group: string,
  by: string | undefined,
): [...EndpointArguments, ...EndpointArguments] {
  return [
    ...endpointArguments(numericEndpoint(group)),
    ...endpointArguments(by === undefined ? undefined : numericEndpoint(by)),
  ];
}

/** An address without a port; only IPv6 has colons. */
function numericEndpoint(host: string): Endpoint {
  return { host, port: 0, family: host.includes(':') ? 6 : 4 };
}

/**
 * The arena: the memory that the epoll network receives datagrams into, one for all its sockets.
 *
 * A call into the addon fills it with a batch: the bytes of each datagram in a part of its own, and
 * nine ints for each that say how long it is and who sent it. What it holds is taken out, copied,
 * before another call can fill it again; so a datagram pins its own bytes (small ones a slice of
 * Node's pool), and the arena's memory reaches nobody else.
 */

/** The most datagrams in a batch. A program that does not keep up has so many here at most; all
 *  others are in the system's queue, or dropped and counted there. */
export const MAX_BATCH: number = 16;

/** No datagram is longer: the length field of UDP has 16 bits (RFC 768). */
export const MAX_DATAGRAM: number = 65535;

/** Places in a record, as native/datagrams.c writes it. */
const LENGTH = 0;
const TRUNCATED = 1;
const FAMILY = 2;
const PORT = 3;
const HOST = 4;
const RECORD_INTS = 9;

/** ::ffff:0:0/96, as the third int of an address in memory shows it on this machine (RFC 4291). */
const MAPPED_PREFIX: number = new Int32Array(Uint8Array.of(0, 0, 0xff, 0xff).buffer)[0] as number;

const NO_SENDER: Endpoint = { host: '', port: 0, family: 4 };

export class DatagramArena {
  /** Not zeroed, and most of it is never touched: memory that was not written to costs nothing. */
  readonly memory: Buffer = Buffer.allocUnsafeSlow(MAX_BATCH * MAX_DATAGRAM);
  readonly records: Int32Array = new Int32Array(MAX_BATCH * RECORD_INTS);
  readonly #bytes = new Uint8Array(this.records.buffer);
  readonly #addon: Addon;
  /** The sender that was seen last, and its part of the record: most come from the same one. */
  #sender: Endpoint = NO_SENDER;
  readonly #senderRecord = new Int32Array(RECORD_INTS);

  constructor(addon: Addon) {
    this.#addon = addon;
  }

  /** Datagram number `index` of the batch, whose parts of the memory are `stride` bytes apart. */
  take(index: number, stride: number): IncomingDatagram {
    const at = index * RECORD_INTS;
    const length = this.records[at + LENGTH] as number;
    const start = index * stride;
    return {
      data: Buffer.from(this.memory.subarray(start, start + length)),
      from: this.#senderOf(index),
      truncated: this.records[at + TRUNCATED] !== 0,
    };
  }

  #senderOf(index: number): Endpoint {
    const { records } = this;
    const last = this.#senderRecord;
    const at = index * RECORD_INTS;
    for (let i = FAMILY; i < RECORD_INTS; i += 1) {
      if (records[at + i] === last[i]) continue;
      last.set(records.subarray(at, at + RECORD_INTS));
      this.#sender = this.#read(index);
      break;
    }
    return this.#sender;
  }

  /** IPv4 is written here, in either form; the text of IPv6 by the system. */
  #read(index: number): Endpoint {
    const { records } = this;
    const at = index * RECORD_INTS;
    const port = records[at + PORT] as number;
    if (records[at + FAMILY] === 4) return { host: this.#dotted(at + HOST), port, family: 4 };
    const mapped =
      records[at + HOST] === 0 &&
      records[at + HOST + 1] === 0 &&
      records[at + HOST + 2] === MAPPED_PREFIX;
    if (!mapped) return this.#addon.sender(records, index);
    return { host: `::ffff:${this.#dotted(at + HOST + 3)}`, port, family: 6 };
  }

  #dotted(at: number): string {
    const bytes = this.#bytes;
    const first = 4 * at;
    return `${bytes[first]}.${bytes[first + 1]}.${bytes[first + 2]}.${bytes[first + 3]}`;
  }
}
