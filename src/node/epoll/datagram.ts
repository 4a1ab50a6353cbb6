/**
 * A datagram socket on the epoll network.
 *
 * One call receives a batch; the datagrams are returned one at a time. The length of a batch
 * doubles while batches come back full.
 *
 * Readiness is edge-triggered (see network.ts), with two differences from connections:
 *  - A pending error precedes the datagrams in the queue: the kernel checks for it first and clears
 *    it when it reports it. So fewer datagrams than requested always means "empty".
 *  - EPOLLOUT is watched only from an EAGAIN of send to the next edge. The kernel reports
 *    "writable" for every datagram that has left, and each of these edges would cost a wake-up.
 *
 * Invariants:
 *  1. `canRecv` is true while a datagram waits here, or while the system may have one or an error.
 *  2. `canSend` is false only while EPOLLOUT is watched.
 *  3. `handle` is used only while the socket is not closed. The addon rejects it otherwise.
 */
import { ClosedError } from '../../kernel/errors.ts';
import { Readiness } from '../../kernel/readiness.ts';
import type {
  DatagramOptions,
  DatagramTransport,
  Endpoint,
  IncomingDatagram,
} from '../../world/network.ts';
import type { Addon, AddonConstants, GroupArguments } from '../addon.ts';
import type { AddressArguments } from '../endpoint.ts';
import { addressArguments, dotted, endpointText } from '../endpoint.ts';
import { systemError } from '../system-error.ts';
import type { Registered, Registry } from './registry.ts';
import { EAGAIN, EBADF, EPOLLERR, EPOLLHUP, EPOLLIN, SEND_EVENTS } from './registry.ts';

const RECV_EVENTS = EPOLLIN | EPOLLHUP | EPOLLERR;

/** Two: that the second datagram is missing shows that the queue is empty, without another call. */
const MIN_BATCH = 2;

/** The most datagrams in a batch, and so the most that wait in this process for a program that does
 *  not keep up. The others wait in the system's queue, or are dropped and counted there. */
export const MAX_BATCH: number = 16;

/** No datagram is longer: the length field of UDP has 16 bits (RFC 768). */
export const MAX_DATAGRAM: number = 65535;

/** The memory argument for an empty datagram: the addon does not accept empty memory. */
const ONE_BYTE: Uint8Array = new Uint8Array(1);

export class EpollDatagram extends Readiness implements DatagramTransport, Registered {
  readonly kind = 'datagram';
  readonly handle: number;
  readonly local: Endpoint;
  remote: Endpoint | undefined = undefined;
  readonly #registry: Registry;
  readonly #maxLength: number;
  /** Received, not returned yet. */
  #queue: IncomingDatagram[] = [];
  /** The last batch emptied the queue of the system, and no edge was reported since. */
  #drained = false;
  /** Length of the next batch. */
  #batchLength = MIN_BATCH;
  /** EPOLLOUT is watched. */
  #watchesSend = false;
  /** The number of dropped datagrams, read before the socket is closed. */
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

  // ---- receive ----

  tryRecvFrom(): IncomingDatagram | undefined {
    if (this.#queue.length === 0) this.#receiveBatch();
    const next = this.#queue.shift();
    this.canRecv = this.#queue.length > 0 || !this.#drained;
    return next;
  }

  /** An error leaves `#drained` unchanged: datagrams may follow it. */
  #receiveBatch(): void {
    this.#assertOpen();
    const { addon, arena } = this.#registry;
    const requested = this.#batchLength;
    const { memory, records } = arena;
    const received = addon.recvDatagrams(this.handle, memory, this.#maxLength, records, requested);
    if (received < 0 && received !== EAGAIN) throw this.#error(received, 'recvmsg');
    for (let i = 0; i < received; i += 1) this.#queue.push(arena.take(i, this.#maxLength));
    this.#drained = received < requested;
    this.#batchLength = this.#drained ? MIN_BATCH : Math.min(2 * requested, MAX_BATCH);
  }

  // ---- send ----

  trySendTo(data: Uint8Array, to: Endpoint | undefined): boolean {
    this.#assertOpen();
    const { length } = data;
    const memory = length === 0 ? ONE_BYTE : data;
    const { addon } = this.#registry;
    const sent = addon.sendDatagram(this.handle, memory, length, ...addressArguments(to));
    if (sent >= 0) return true;
    if (sent !== EAGAIN) throw this.#error(sent, 'send', to ?? this.remote);
    this.#watchSend();
    return false;
  }

  /** The result of a send is known when the call returns. */
  trySent(): boolean {
    this.#assertOpen();
    return true;
  }

  /** Clears the flag first: an event follows even if the socket is writable now. */
  #watchSend(): void {
    this.canSend = false;
    if (this.#watchesSend) return;
    this.#watchesSend = true;
    this.#registry.addon.watchSend(this.handle, 1);
  }

  // ---- peer, options, groups ----

  connect(to: Endpoint): void {
    const { addon } = this.#registry;
    this.#check(addon.connectDatagram(this.handle, ...addressArguments(to)), 'connect', to);
    const peer = addon.peer(this.handle);
    this.remote = typeof peer === 'number' ? to : peer;
  }

  tryConnected(): boolean {
    this.#assertOpen();
    return this.remote !== undefined;
  }

  setBroadcast(on: boolean): void {
    this.#setOption('setBroadcast', 'OPTION_BROADCAST', on ? 1 : 0);
  }

  setTtl(hops: number): void {
    this.#setOption('setTTL', 'OPTION_TTL', hops);
  }

  setMulticastTtl(hops: number): void {
    this.#setOption('setMulticastTTL', 'OPTION_MULTICAST_TTL', hops);
  }

  setMulticastLoopback(on: boolean): void {
    this.#setOption('setMulticastLoopback', 'OPTION_MULTICAST_LOOPBACK', on ? 1 : 0);
  }

  setMulticastInterface(networkInterface: string): void {
    const address = numericArguments(networkInterface);
    const result = this.#registry.addon.multicastInterface(this.handle, ...address);
    this.#check(result, 'setMulticastInterface');
  }

  joinGroup(group: string, networkInterface: string | undefined): void {
    const addresses = groupArguments(group, networkInterface);
    this.#check(this.#registry.addon.joinGroup(this.handle, ...addresses), 'addMembership');
  }

  leaveGroup(group: string, networkInterface: string | undefined): void {
    const addresses = groupArguments(group, networkInterface);
    this.#check(this.#registry.addon.leaveGroup(this.handle, ...addresses), 'dropMembership');
  }

  #setOption(syscall: string, option: DatagramOption, value: number): void {
    const { addon } = this.#registry;
    const result = addon.datagramOption(this.handle, addon.constants[option], value);
    this.#check(result, syscall);
  }

  get recvBufferSize(): number {
    return this.#bufferSize('STAT_RECV_BUFFER');
  }

  get sendBufferSize(): number {
    return this.#bufferSize('STAT_SEND_BUFFER');
  }

  #bufferSize(stat: 'STAT_RECV_BUFFER' | 'STAT_SEND_BUFFER'): number {
    const { addon } = this.#registry;
    const size = addon.datagramStat(this.handle, addon.constants[stat]);
    this.#check(size, 'getsockopt');
    return size;
  }

  /** Not available before Linux 4.12, nor on systems that emulate Linux. */
  get dropped(): number | undefined {
    if (this.#closed) return this.#droppedAtClose;
    const { addon } = this.#registry;
    const count = addon.datagramStat(this.handle, addon.constants.STAT_DROPPED);
    return count < 0 ? undefined : count;
  }

  // ---- events, closing ----

  /** An error sets both flags: the next receive or send reports it. */
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

  /** Throws if the result of a call is an error. */
  #check(result: number, syscall: string, peer?: Endpoint): void {
    if (result < 0) throw this.#error(result, syscall, peer);
  }

  #error(errno: number, syscall: string, peer?: Endpoint): Error {
    return errno === EBADF ? this.#closedError() : systemError(errno, syscall, peer);
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

/** Binds a datagram socket. Throws the errors of bind(2). */
export function openDatagram(
  registry: Registry,
  poller: number,
  at: Endpoint,
  options: DatagramOptions,
): EpollDatagram {
  const { recvBufferSize = 0, sendBufferSize = 0, maxLength = MAX_DATAGRAM } = options;
  const { addon } = registry;
  const how = [flagsOf(addon, options), recvBufferSize, sendBufferSize] as const;
  const handle = addon.bindDatagram(poller, ...addressArguments(at), ...how);
  if (handle < 0) throw systemError(handle, 'bind', at);
  return new EpollDatagram(registry, handle, at, maxLength);
}

function flagsOf(
  { constants }: Addon,
  { reusePort, ipv6Only, reuseAddress, broadcast }: DatagramOptions,
): number {
  const { REUSE_PORT, IPV6_ONLY, REUSE_ADDRESS, BROADCAST } = constants;
  return (
    (reusePort === true ? REUSE_PORT : 0) |
    (ipv6Only === true ? IPV6_ONLY : 0) |
    (reuseAddress === true ? REUSE_ADDRESS : 0) |
    (broadcast === true ? BROADCAST : 0)
  );
}

function groupArguments(group: string, networkInterface: string | undefined): GroupArguments {
  return [...numericArguments(group), ...numericArguments(networkInterface)];
}

/** The arguments for an address without a port. Only IPv6 addresses have colons. */
function numericArguments(host: string | undefined): AddressArguments {
  if (host === undefined) return addressArguments(undefined);
  return [host.includes(':') ? 6 : 4, host, 0];
}

type DatagramOption = Extract<keyof AddonConstants, `OPTION_${string}`>;

/**
 * ::ffff:0:0/96, the prefix of IPv4-mapped addresses (RFC 4291): the third int of the address in
 * the byte order of this machine.
 */
const MAPPED_PREFIX: number = new Int32Array(Uint8Array.of(0, 0, 0xff, 0xff).buffer)[0] as number;

const NO_SENDER: Endpoint = { host: '', port: 0, family: 4 };

/**
 * The memory that all datagram sockets of one network receive into.
 *
 * A call into the addon fills it with a batch: the bytes of each datagram in its own part of
 * `memory`, its length and sender in its own record of `records`. The datagrams are copied before
 * the next call can overwrite them. So a datagram pins only its own bytes (a small one shares the
 * pool of Buffer), and no other code sees the memory of the arena.
 */
export class DatagramArena {
  /** Not zeroed. Most of it is never touched, and untouched pages cost no memory. */
  readonly memory: Buffer = Buffer.allocUnsafeSlow(MAX_BATCH * MAX_DATAGRAM);
  readonly records: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #addon: Addon;
  /** The most recent sender and its record: consecutive datagrams often have the same sender. */
  #sender: Endpoint = NO_SENDER;
  readonly #senderRecord: Int32Array;

  constructor(addon: Addon) {
    const { RECORD_INTS } = addon.constants;
    this.records = new Int32Array(MAX_BATCH * RECORD_INTS);
    this.#bytes = new Uint8Array(this.records.buffer);
    this.#addon = addon;
    this.#senderRecord = new Int32Array(RECORD_INTS);
  }

  /** Copies datagram number `index` of the batch. Its bytes begin at index * stride. */
  take(index: number, stride: number): IncomingDatagram {
    const { RECORD_INTS, RECORD_LENGTH, RECORD_TRUNCATED } = this.#addon.constants;
    const at = index * RECORD_INTS;
    const length = this.records[at + RECORD_LENGTH] as number;
    const start = index * stride;
    return {
      data: Buffer.from(this.memory.subarray(start, start + length)),
      from: this.#senderOf(index),
      truncated: this.records[at + RECORD_TRUNCATED] !== 0,
    };
  }

  #senderOf(index: number): Endpoint {
    const { RECORD_INTS, RECORD_FAMILY } = this.#addon.constants;
    const { records } = this;
    const last = this.#senderRecord;
    const at = index * RECORD_INTS;
    for (let i = RECORD_FAMILY; i < RECORD_INTS; i += 1) {
      if (records[at + i] === last[i]) continue;
      last.set(records.subarray(at, at + RECORD_INTS));
      this.#sender = this.#read(index);
      break;
    }
    return this.#sender;
  }

  /** Formats IPv4 addresses, also mapped ones. The addon formats other IPv6 addresses. */
  #read(index: number): Endpoint {
    const { RECORD_INTS, RECORD_FAMILY, RECORD_PORT, RECORD_HOST } = this.#addon.constants;
    const { records } = this;
    const at = index * RECORD_INTS;
    const host = at + RECORD_HOST;
    const port = records[at + RECORD_PORT] as number;
    if (records[at + RECORD_FAMILY] === 4)
      return { host: dotted(this.#bytes, 4 * host), port, family: 4 };
    const mapped =
      records[host] === 0 && records[host + 1] === 0 && records[host + 2] === MAPPED_PREFIX;
    if (!mapped) return this.#addon.sender(records, index);
    return { host: `::ffff:${dotted(this.#bytes, 4 * host + 12)}`, port, family: 6 };
  }
}
