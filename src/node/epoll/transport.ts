/**
 * A connection on the epoll network.
 *
 * Edge-triggered readiness, in five facts (epoll(7), and the kernel's sources where it is silent):
 *  - An edge is told once. What it announced is remembered in `canRecv` / `canSend` until a system
 *    call has met its end: EAGAIN, or fewer bytes than asked for.
 *  - A short read means "empty" as long as nothing was in the queue behind the bytes. Behind them
 *    may stand the end of file, an error, or urgent data, and their edge has been told already. So
 *    once RDHUP, HUP, ERR or PRI has been seen, only EAGAIN clears `canRecv`.
 *  - Every event reports both directions as they are now. A flag may be set although a try has just
 *    cleared it: spurious, and legal.
 *  - An error (RST, timeout) stands behind the bytes that arrived before it. recv gives those
 *    first, then the error, ONCE, to whichever of recv and send asks first; then come end of file
 *    and EPIPE. What the receiving side must still say is kept in `#fate`.
 *  - Events of a closed descriptor may still be under way; the handle in them does not match.
 *
 * Gates. Each direction is `open`, or shut in one of four ways. Tries look at one field.
 *
 *   connecting ──► open ──► ended (recv only: end of file, or shutdown('recv'))
 *       │           │ └───► failed (sticky: every try throws the same error)
 *       └─► failed  └─────► closed (from every state; every try throws ERR_CLOSED)
 *
 * Invariants:
 *  1. A shut gate (except connecting) has its flag set: a task that waits is resumed at once and
 *     its try tells.
 *  2. `handle` is used only while not closed; the addon would refuse it anyway.
 *  3. What was received together with others is the first of what is there to receive, in every
 *     respect: tries take it before they ask the system, and with it unread a close is a reset.
 *     (Only that of TCP. The peer of a Unix socket sees an ordinary end: nothing else resets one.)
 */
import { ClosedError } from '../../kernel/errors.ts';
import { Readiness } from '../../kernel/readiness.ts';
import type { Endpoint, SocketOption, Transport } from '../../world/network.ts';
import { endpointText, withInternedHost } from '../endpoint.ts';
import { systemError } from '../system-error.ts';
import { readOption, writeOption } from './options.ts';
import type { BatchReceiver } from './receive-batch.ts';
import type { Registered, Registry, TransportOrigin } from './registry.ts';
import { EAGAIN, EBADF, EPOLLIN, RECV_EVENTS, SEND_EVENTS, TRAILING_EVENTS } from './registry.ts';
import { LEAST_ROOM } from './slab.ts';

const EPIPE = -32;
const EFAULT = -14;
/** The system is short of memory: the call failed, the connection did not. */
const TRANSIENT_ERRORS: readonly number[] = [-12 /* ENOMEM */, -105 /* ENOBUFS */];

const SHUT_RECV = 0;
const SHUT_SEND = 1;

/** The most that one system call moves (MAX_RW_COUNT of Linux). */
const MAX_RECEIVE = 0x7ffff000;

/** How many pieces the addon looks at in one call. */
const MAX_PIECES = 64;

const END_OF_FILE: Buffer = Buffer.alloc(0);
const UNNAMED: Endpoint = { path: '' };

type DirectionState = 'open' | 'connecting' | 'ended' | 'failed' | 'closed';

export class EpollTransport extends Readiness implements Transport, Registered, BatchReceiver {
  readonly kind = 'transport';
  readonly handle: number;
  readonly #registry: Registry;
  #recvState: DirectionState;
  #sendState: DirectionState;
  /** The sticky error of a failed gate. */
  #recvError: unknown = undefined;
  #sendError: unknown = undefined;
  /** The error number that ended the connection, when a send was the one to be told. */
  #pendingError = 0;
  /** Something stands behind the bytes: only EAGAIN clears `canRecv` (see above). */
  #readUntilEagain = false;
  /** Received in a batch (epoll-batch.ts), and not taken yet: until then `canRecv` is set. */
  #batched: Buffer | null = null;
  /** More may be there behind it. */
  #moreQueued = false;
  /** shutdown('recv') was called: what comes in is thrown away. */
  #discarding = false;
  /** Accepted, or the attempt has succeeded. */
  #connected: boolean;
  /** Size of the last receive into a slab, 0 where the memory was the caller's: how much room the
   *  next one is offered. */
  #lastReceived = 0;
  /** Asked of the system when first needed, at close at the latest. */
  #local: Endpoint | undefined;
  #remote: Endpoint | undefined;

  constructor(origin: TransportOrigin) {
    super();
    this.handle = origin.handle;
    this.#registry = origin.registry;
    this.#local = origin.local;
    this.#remote = origin.to;
    this.#connected = origin.to === undefined;
    this.#recvState = this.#connected ? 'open' : 'connecting';
    this.#sendState = this.#recvState;
    origin.registry.add(this);
  }

  // ------------------------------------------------------------------------------------- receive

  /** One crossing into the addon, at most. */
  tryRecv(max: number): Buffer | undefined {
    if (this.#batched !== null && max > 0) return this.#takeBatched(this.#batched, max);
    if (this.#recvState !== 'open' && !this.#checkRecvState()) {
      return this.#recvState === 'ended' ? END_OF_FILE : undefined;
    }
    const { addon, slabs } = this.#registry;
    const asked = slabs.reserve(max, this.#lastReceived);
    const received = addon.recv(this.handle, slabs.memory, slabs.offset, asked);
    if (received > 0) {
      this.#lastReceived = received;
      if (received < asked && !this.#readUntilEagain) this.canRecv = false;
      return slabs.take(received);
    }
    return this.#endOrBlock(received) ? END_OF_FILE : undefined;
  }

  /** The way without garbage: the same memory again and again, still warm in the cache. */
  tryRecvInto(into: Uint8Array): number {
    this.#lastReceived = 0;
    if (this.#batched !== null && into.length > 0) {
      const data = this.#takeBatched(this.#batched, into.length);
      into.set(data);
      return data.length;
    }
    if (this.#recvState !== 'open' && !this.#checkRecvState()) {
      return this.#recvState === 'ended' ? 0 : -1;
    }
    const asked = Math.min(into.length, MAX_RECEIVE);
    const received = this.#registry.addon.recv(this.handle, into, 0, asked);
    if (received > 0) {
      if (received < asked && !this.#readUntilEagain) this.canRecv = false;
      return received;
    }
    return this.#endOrBlock(received) ? 0 : -1;
  }

  /** Once all of it has been taken, the flag says again what is known of the system's queue. None
   *  is left where somebody has detached the slab: that must not pass for the end of file. */
  #takeBatched(data: Buffer, max: number): Buffer {
    const { slabs } = this.#registry;
    if (data.length > max) {
      this.#batched = slabs.partOf(data, max, data.length);
      return slabs.partOf(data, 0, max);
    }
    this.#batched = null;
    if (data.length === 0) throw this.#failRecv(EFAULT);
    this.canRecv = this.#moreQueued;
    return data;
  }

  /** A task waits for small messages, which go into a slab: the last receive tells. */
  #joinsBatch(bits: number): boolean {
    if (this.recvWaiter === null || (bits & EPOLLIN) === 0) return false;
    const last = this.#lastReceived;
    return last > 0 && last <= LEAST_ROOM && this.#recvState === 'open' && this.#batched === null;
  }

  onReceived(data: Buffer, drained: boolean): void {
    this.#batched = this.#batched === null ? data : Buffer.concat([this.#batched, data]);
    this.#lastReceived = data.length;
    this.#moreQueued = this.#readUntilEagain || !drained;
  }

  /** The end of file and "would block" are told again; an error is told once. */
  onNoData(result: number): void {
    if (result < 0 && result !== EAGAIN) this.#failRecv(result);
  }

  /** True: the end of file. False: would block. Anything else is thrown, now and later. */
  #endOrBlock(result: number): boolean {
    if (result === EAGAIN) {
      this.canRecv = false;
      return false;
    }
    const errno = result === 0 ? this.#pendingError : result;
    if (errno !== 0) throw this.#failRecv(errno);
    this.#recvState = 'ended';
    this.canRecv = true;
    return true;
  }

  /** The error to throw. It is kept, unless it was about the system's memory and may pass. */
  #failRecv(errno: number): unknown {
    if (errno === EBADF) return this.#closedError();
    const error = systemError(errno, 'read');
    if (TRANSIENT_ERRORS.includes(errno)) return error;
    this.#recvState = 'failed';
    this.#recvError = error;
    this.canRecv = true;
    return error;
  }

  /** True: the gate is open after all. False: ended, or still connecting. */
  #checkRecvState(): boolean {
    if (this.#recvState === 'connecting') return this.tryConnect();
    if (this.#recvState === 'failed') throw this.#recvError;
    if (this.#recvState === 'closed') throw this.#closedError();
    return false;
  }

  // ---------------------------------------------------------------------------------------- send

  trySend(data: Uint8Array): number {
    if (this.#sendState !== 'open' && !this.#checkSendState()) return 0;
    const sent = this.#registry.addon.send(this.handle, data);
    return sent === data.length ? sent : this.#shortSend(sent);
  }

  trySendv(chunks: readonly Uint8Array[]): number {
    if (this.#sendState !== 'open' && !this.#checkSendState()) return 0;
    const sent = this.#registry.addon.sendv(this.handle, chunks);
    return sent === offeredBytes(chunks) ? sent : this.#shortSend(sent);
  }

  /** The buffer of the system is full; the edge comes when there is room again. */
  #shortSend(result: number): number {
    if (result < 0 && result !== EAGAIN) throw this.#failSend(result);
    this.canSend = false;
    return Math.max(result, 0);
  }

  /** Likewise. EPIPE says nothing about receiving: the peer's last words may still be there. */
  #failSend(errno: number): unknown {
    if (errno === EBADF) return this.#closedError();
    const error = systemError(errno, 'write');
    if (TRANSIENT_ERRORS.includes(errno)) return error;
    if (errno !== EPIPE) this.#pendingError = errno;
    this.#sendState = 'failed';
    this.#sendError = error;
    this.canSend = true;
    return error;
  }

  /** True: the gate is open after all. False: still connecting. */
  #checkSendState(): boolean {
    if (this.#sendState === 'connecting') return this.tryConnect();
    throw this.#sendState === 'failed' ? this.#sendError : this.#closedError();
  }

  // ---------------------------------------------------------------------------- connecting, ending

  /** Asks the system, whatever the flags say: a spurious notice must not pass for a connection. */
  tryConnect(): boolean {
    if (this.#sendState === 'closed') throw this.#closedError();
    if (this.#connected) return true;
    if (this.#sendState === 'failed') throw this.#sendError;
    const result = this.#registry.addon.connected(this.handle);
    if (result < 0) throw this.#failConnect(result);
    this.canSend = result > 0;
    if (result > 0) this.#openDirections();
    return result > 0;
  }

  /** shutdown('recv') may have ended the one gate while the attempt was under way. */
  #openDirections(): void {
    this.#connected = true;
    this.#sendState = 'open';
    if (this.#recvState === 'connecting') this.#recvState = 'open';
  }

  /** Both directions fail for the same reason, and with the same error. */
  #failConnect(errno: number): unknown {
    const error = systemError(errno, 'connect', this.#remote);
    this.#recvState = 'failed';
    this.#sendState = 'failed';
    this.#recvError = error;
    this.#sendError = error;
    this.canRecv = true;
    this.canSend = true;
    return error;
  }

  /** A connection that has already ended answers ENOTCONN, which is not an error here. */
  shutdown(how: 'send' | 'recv' | 'both'): void {
    if (this.#sendState === 'closed') return;
    if (how !== 'recv') this.#registry.addon.shutdown(this.handle, SHUT_SEND);
    if (how !== 'send') this.#shutdownRecv();
  }

  /** The kernel would go on queueing; from now on every notice empties the queue instead. */
  #shutdownRecv(): void {
    const { addon } = this.#registry;
    addon.shutdown(this.handle, SHUT_RECV);
    addon.discard(this.handle);
    this.#batched = null;
    this.#discarding = true;
    if (this.#recvState !== 'failed') this.#recvState = 'ended';
    this.notifyRecv();
  }

  close(): void {
    this.#closeDescriptor(false);
  }

  reset(): void {
    this.#closeDescriptor(true);
  }

  /** Names first, while the descriptor can still be asked; then the table; then the descriptor. */
  #closeDescriptor(reset: boolean): void {
    if (this.#sendState === 'closed') return;
    this.#local = this.#connected ? this.local : UNNAMED;
    this.#remote = this.remote;
    this.#recvState = 'closed';
    this.#sendState = 'closed';
    this.canRecv = true;
    this.canSend = true;
    this.#registry.remove(this);
    // The system resets a connection that is closed with unread input; to it this is read.
    const isUnread = this.#batched !== null;
    this.#batched = null;
    this.#registry.addon.close(this.handle, reset || isUnread ? 1 : 0);
    if (this.recvWaiter === null && this.sendWaiter === null) return;
    this.rejectWaiters(this.#closedError());
  }

  #closedError(): ClosedError {
    return new ClosedError('ERR_CLOSED', `The connection with ${this.describe()} was closed here`);
  }

  #onReadable(bits: number): void {
    if (this.#discarding) this.#registry.addon.discard(this.handle);
    if (this.#joinsBatch(bits)) return this.#registry.batch.add(this);
    this.#moreQueued = true;
    this.notifyRecv();
  }

  /** Never acts on the end of a connection: a try meets it, after the bytes before it. */
  onEvents(bits: number): void {
    if ((bits & TRAILING_EVENTS) !== 0) this.#readUntilEagain = true;
    if ((bits & RECV_EVENTS) !== 0) this.#onReadable(bits);
    if ((bits & SEND_EVENTS) !== 0) this.notifySend();
  }

  // --------------------------------------------------------------------------- names and options

  get local(): Endpoint {
    if (this.#local !== undefined) return this.#local;
    const answer = this.#registry.addon.local(this.handle);
    if (typeof answer === 'number') return UNNAMED;
    if (this.#connected) this.#local = answer;
    return answer;
  }

  get remote(): Endpoint {
    if (this.#remote !== undefined) return this.#remote;
    const answer = this.#registry.addon.peer(this.handle);
    this.#remote = typeof answer === 'number' ? UNNAMED : withInternedHost(answer);
    return this.#remote;
  }

  set remote(remote: Endpoint) {
    this.#remote = remote;
  }

  getOption(option: SocketOption): number | undefined {
    if (this.#sendState === 'closed') return undefined;
    return readOption(this.#registry.addon, this.handle, option);
  }

  setOption(option: SocketOption, value: number): void {
    if (this.#sendState === 'closed') throw this.#closedError();
    writeOption(this.#registry.addon, this.handle, option, value);
  }

  /** An accepted Unix connection has no name of its own: it goes by the listener's. */
  override describe(): string {
    const text = endpointText(this.remote);
    return text === '' ? endpointText(this.local) : text;
  }

  openLine(): string {
    const verb = this.#connected ? 'connection' : 'attempt to connect';
    return `${verb} ${endpointText(this.local)} to ${endpointText(this.remote)}`;
  }
}

/** How many bytes the addon saw. */
function offeredBytes(chunks: readonly Uint8Array[]): number {
  const looked = Math.min(chunks.length, MAX_PIECES);
  let bytes = 0;
  for (let i = 0; i < looked; i += 1) bytes += (chunks[i] as Uint8Array).length;
  return bytes;
}
