/**
 * A connection on the epoll network.
 *
 * The header of network.ts lists the facts about edge-triggered readiness. Two more concern errors.
 * An error (RST, timeout) follows the bytes that arrived before it: recv returns the bytes first,
 * then the error. And the kernel reports the error only once, to the first recv or send; after that
 * it reports end of file and EPIPE. If a send received the error, `pending` of `Failures` keeps it
 * for the receiving direction.
 *
 * Each direction is `open` or in one of four other states. The hot path checks one field.
 *
 *   connecting ──► open ──► ended (recv only: end of file, or shutdown('recv'))
 *       │           │ └───► failed (sticky: every attempt throws the same error)
 *       └─► failed  └─────► closed (from every state; every attempt throws ERR_CLOSED)
 *
 * Invariants:
 *  1. A direction that is ended, failed or closed has its flag set. A waiting task is resumed at
 *     once, and its next attempt reports the state.
 *  2. `handle` is used only while the connection is not closed. The addon rejects it otherwise.
 *  3. Bytes that a batch received are the first unread bytes in every respect: attempts take them
 *     before they call the system, and closing with such bytes unread resets a TCP connection, as
 *     the system does for its own queue. (The peer of a Unix socket receives an ordinary end of
 *     file.)
 *  4. While a send is queued, `canSend` is false, so that its task waits. The send is carried out
 *     before the connection is shut down or closed, and its result is kept for the task.
 */
import { ClosedError } from '../../kernel/errors.ts';
import { Readiness } from '../../kernel/readiness.ts';
import type { Endpoint, SocketOption, Transport } from '../../world/network.ts';
import { endpointText, withInternedHost } from '../endpoint.ts';
import { clientError, systemError } from '../system-error.ts';
import type { BatchReceiver } from './receive-batch.ts';
import type { Registered, Registry, TransportOrigin } from './registry.ts';
import { EAGAIN, EBADF, EPOLLIN, RECV_EVENTS, SEND_EVENTS, TRAILING_EVENTS } from './registry.ts';
import type { BatchSender } from './send-batch.ts';
import { MIN_RECEIVE } from './slab.ts';

const EPIPE = -32;
const ECONNRESET = -104;
const EFAULT = -14;
/** The system is short of memory: the call fails, the connection does not. */
const TRANSIENT_ERRORS: readonly number[] = [-12 /* ENOMEM */, -105 /* ENOBUFS */];

const SHUT_RECV = 0;
const SHUT_SEND = 1;

/** The result for a TCP option on a Unix socket. */
const EOPNOTSUPP = -95;

const END_OF_FILE: Buffer = Buffer.alloc(0);
const UNNAMED: Endpoint = { path: '' };

/** Values of `#sent`, which otherwise is the result of a queued send. */
const NOT_SENT = -1;
const QUEUED = -2;

type DirectionState = 'open' | 'connecting' | 'ended' | 'failed' | 'closed';

/** The state of a connection that another transport continues with TLS. */
export interface DetachedSocket {
  readonly registry: Registry;
  /** Received bytes that were not taken. */
  readonly unread: Buffer | undefined;
  /** An event has announced bytes or an end. */
  readonly canRecv: boolean;
  /** An event has announced the end, an error or urgent data. */
  readonly readUntilEagain: boolean;
}

/** The errors of a connection. */
class Failures {
  /** The sticky error of a failed direction. */
  recv: unknown = undefined;
  send: unknown = undefined;
  /** The errno that ended the connection, if a send received it; 0: none. */
  pending = 0;
}

export class EpollTransport
  extends Readiness
  implements Transport, Registered, BatchReceiver, BatchSender
{
  readonly handle: number;
  protected readonly registry: Registry;
  readonly #accepted: boolean;
  #recvState: DirectionState;
  #sendState: DirectionState;
  /** Null while neither direction has failed, which keeps a connection small. */
  #failures: Failures | null = null;
  /** A short read is not the end (fact 3 in network.ts): only EAGAIN clears `canRecv`. */
  protected readUntilEagain = false;
  /** Received in a batch and not taken yet. `canRecv` is set meanwhile. */
  #batched: Buffer | null = null;
  /** The system may have more bytes after `#batched`. */
  #moreQueued = false;
  /** The result of the queued send, until the task takes it. */
  #sent = NOT_SENT;
  /** shutdown('recv') was called: incoming bytes are discarded. */
  #discarding = false;
  /** Accepted, or the connection attempt has succeeded. */
  #connected: boolean;
  /**
   * Size of the last receive into a slab, 0 if the caller provided the memory. It determines how
   * much memory the next receive is offered.
   */
  #lastReceived = 0;
  /** Read from the system when first needed, at close at the latest. */
  #local: Endpoint | undefined;
  #remote: Endpoint | undefined;

  constructor(origin: TransportOrigin) {
    super();
    this.handle = origin.handle;
    this.registry = origin.registry;
    this.#local = origin.local;
    this.#remote = origin.to;
    this.#accepted = origin.accepted ?? origin.to === undefined;
    this.#connected = origin.to === undefined;
    this.#recvState = this.#connected ? 'open' : 'connecting';
    this.#sendState = this.#recvState;
    origin.registry.add(this);
  }

  get kind(): 'transport' {
    return 'transport';
  }

  // ---- receive ----

  /** Calls the addon at most once. */
  tryRecv(max: number): Buffer | undefined {
    if (this.#batched !== null && max > 0) return this.takeBatched(this.#batched, max);
    if (this.#recvState !== 'open' && !this.recvOpens()) {
      const { recvError } = this;
      if (recvError !== undefined) raise(recvError);
      return this.#recvState === 'ended' ? END_OF_FILE : undefined;
    }
    const { addon, slabs } = this.registry;
    const requested = slabs.reserve(max, this.#lastReceived);
    const received = addon.recv(this.handle, slabs.memory, slabs.offset, requested);
    if (received > 0) {
      const count = this.countOf(received, requested);
      this.#lastReceived = count;
      return slabs.take(count);
    }
    return this.endOrBlock(received) ? END_OF_FILE : undefined;
  }

  /** Small messages come in batches, into slabs; others into memory that stays in the cache. */
  tryBorrow(max: number): Buffer | undefined {
    if (this.#batched !== null) return this.takeBatched(this.#batched, max);
    const { loan } = this.registry;
    const count = this.tryRecvInto(loan.reserve(max));
    if (count > 0) this.#lastReceived = count;
    return count < 0 ? undefined : loan.take(count);
  }

  /** Allocates nothing: the caller reuses its memory, which stays in the processor cache. */
  tryRecvInto(into: Uint8Array): number {
    this.#lastReceived = 0;
    if (this.#batched !== null && into.length > 0) {
      const data = this.takeBatched(this.#batched, into.length);
      into.set(data);
      return data.length;
    }
    if (this.#recvState !== 'open' && !this.recvOpens()) {
      const { recvError } = this;
      if (recvError !== undefined) raise(recvError);
      return this.#recvState === 'ended' ? 0 : -1;
    }
    const { addon } = this.registry;
    const requested = Math.min(into.length, addon.constants.MAX_TRANSFER);
    const received = addon.recv(this.handle, into, 0, requested);
    if (received > 0) return this.countOf(received, requested);
    return this.endOrBlock(received) ? 0 : -1;
  }

  unreceive(bytes: Buffer): void {
    if (this.#batched === null) this.#moreQueued = this.canRecv;
    this.#batched = this.#batched === null ? bytes : Buffer.concat([bytes, this.#batched]);
    this.canRecv = true;
  }

  /** The number of bytes in a positive result. A short receive clears the flag. */
  private countOf(received: number, requested: number): number {
    if (received > requested) return received - this.registry.addon.constants.RECV_MORE;
    if (received < requested && !this.readUntilEagain) this.canRecv = false;
    return received;
  }

  /**
   * When all batched bytes are taken, the flag again follows the queue of the system. An empty
   * buffer means that its slab was detached, which must not be reported as end of file.
   */
  private takeBatched(data: Buffer, max: number): Buffer {
    const { slabs } = this.registry;
    if (data.length > max) {
      this.#batched = slabs.partOf(data, max, data.length);
      return slabs.partOf(data, 0, max);
    }
    this.#batched = null;
    if (data.length === 0) throw this.failRecv(EFAULT);
    this.canRecv = this.#moreQueued;
    return data;
  }

  /** True if a task waits and the last receive was a small message: those go into a slab. */
  private joinsBatch(bits: number): boolean {
    if (this.recvWaiter === null || (bits & EPOLLIN) === 0) return false;
    const last = this.#lastReceived;
    return last > 0 && last <= MIN_RECEIVE && this.#recvState === 'open' && this.#batched === null;
  }

  onReceived(data: Buffer, drained: boolean): void {
    this.#batched = this.#batched === null ? data : Buffer.concat([this.#batched, data]);
    this.#lastReceived = data.length;
    this.#moreQueued = this.readUntilEagain || !drained;
  }

  /** EAGAIN is left to the next attempt, which clears the flag. */
  onNoData(result: number): void {
    if (result === 0 && this.pendingErrno === 0) this.#recvState = 'ended';
    else if (result < 0 && result !== EAGAIN) this.failRecv(result);
  }

  private get failures(): Failures {
    this.#failures ??= new Failures();
    return this.#failures;
  }

  private get pendingErrno(): number {
    return this.#failures === null ? 0 : this.#failures.pending;
  }

  /** True: end of file. False: would block. Every other result is thrown, now and later. */
  private endOrBlock(result: number): boolean {
    if (result === EAGAIN) {
      this.canRecv = false;
      return false;
    }
    const errno = result === 0 ? this.pendingErrno : result;
    if (errno !== 0) throw this.failRecv(errno);
    this.#recvState = 'ended';
    this.canRecv = true;
    return true;
  }

  /** Returns the error to throw, and keeps it unless it is transient. */
  private failRecv(errno: number): unknown {
    if (errno === EBADF) return this.closedError();
    const error = this.errorOf(errno, 'read');
    if (TRANSIENT_ERRORS.includes(errno)) return error;
    this.#recvState = 'failed';
    this.failures.recv = error;
    this.canRecv = true;
    return error;
  }

  /** True: the attempt to connect has succeeded. */
  private recvOpens(): boolean {
    return this.#recvState === 'connecting' && this.tryConnect();
  }

  get recvError(): unknown {
    if (this.#recvState === 'failed') return this.failures.recv;
    return this.#recvState === 'closed' ? this.closedError() : undefined;
  }

  // ---- send ----

  queueSend(data: Uint8Array): boolean {
    if (this.#sendState !== 'open' || !this.canSend) return false;
    this.canSend = false;
    this.#sent = QUEUED;
    this.registry.sends.add(this, data);
    return true;
  }

  /** The sender finds a sticky error with its next attempt, which repeats a send that has failed
   *  for lack of memory. */
  onSent(result: number, length: number): void {
    if (this.#sent !== QUEUED) return;
    this.#sent = NOT_SENT;
    this.canSend = true;
    try {
      this.#sent = result === length ? result : this.shortSend(result);
    } catch {
      // See above.
    }
  }

  /** Not `notifySend`: `canSend` is false after a part was sent. */
  notifySent(): void {
    const waiter = this.sendWaiter;
    this.sendWaiter = null;
    waiter?.notify(true);
  }

  /** Invariant 4. */
  override finishSend(): void {
    if (this.#sent === QUEUED) this.registry.sends.run();
  }

  trySend(data: Uint8Array): number {
    if (this.#sent !== NOT_SENT) {
      this.finishSend();
      const sent = this.#sent;
      this.#sent = NOT_SENT;
      if (sent !== NOT_SENT) return sent;
    }
    if (this.#sendState !== 'open' && !this.checkSendState()) return 0;
    const sent = this.registry.addon.send(this.handle, data);
    return sent === data.length ? sent : this.shortSend(sent);
  }

  trySendv(chunks: readonly Uint8Array[]): number {
    if (this.#sendState !== 'open' && !this.checkSendState()) return 0;
    const { addon } = this.registry;
    const sent = addon.sendv(this.handle, chunks);
    return sent === offeredBytes(chunks, addon.constants.MAX_PIECES) ? sent : this.shortSend(sent);
  }

  /** The send buffer is full. An event follows when it has space again. */
  private shortSend(result: number): number {
    if (result < 0 && result !== EAGAIN) throw this.failSend(result);
    this.canSend = false;
    return Math.max(result, 0);
  }

  /** As `failRecv`. EPIPE does not concern receiving: bytes of the peer may still be queued. */
  private failSend(errno: number): unknown {
    if (errno === EBADF) return this.closedError();
    const error = this.errorOf(errno, 'write');
    if (TRANSIENT_ERRORS.includes(errno)) return error;
    if (errno !== EPIPE) this.failures.pending = this.pendingErrorOf(errno);
    this.#sendState = 'failed';
    this.failures.send = error;
    this.canSend = true;
    return error;
  }

  /** True: the direction is open now. False: still connecting. */
  private checkSendState(): boolean {
    if (this.#sendState === 'connecting') return this.tryConnect();
    throw this.#sendState === 'failed' ? this.failures.send : this.closedError();
  }

  /** The error of a failed receive or send. */
  protected errorOf(errno: number, syscall: 'read' | 'write'): Error {
    const isOfClient = this.#accepted && (errno === ECONNRESET || errno === EPIPE);
    return isOfClient ? clientError(errno, syscall) : systemError(errno, syscall);
  }

  // ---- connecting, ending ----

  /** Calls the system whatever the flags are: a spurious event must not pass for a connection. */
  tryConnect(): boolean {
    if (this.#sendState === 'closed') throw this.closedError();
    if (this.#connected) return true;
    if (this.#sendState === 'failed') throw this.failures.send;
    const isConnected = this.attemptConnect();
    this.canSend = isConnected;
    if (isConnected) this.openDirections();
    return isConnected;
  }

  /** False: pending. Throws the error of a failed attempt, after `failConnect`. */
  protected attemptConnect(): boolean {
    const result = this.registry.addon.connected(this.handle);
    if (result >= 0) return result > 0;
    throw this.failConnect(systemError(result, 'connect', this.#remote));
  }

  /** The errno of a failed send that a receive reports at the end of file; 0: none. */
  protected pendingErrorOf(errno: number): number {
    return errno;
  }

  /** shutdown('recv') may have ended the receiving direction during the attempt. */
  private openDirections(): void {
    this.#connected = true;
    this.#sendState = 'open';
    if (this.#recvState === 'connecting') this.#recvState = 'open';
  }

  /** Both directions fail with `error`, which is returned. */
  protected failConnect(error: unknown): unknown {
    if (this.#sendState === 'closed') return this.closedError();
    this.#recvState = 'failed';
    this.#sendState = 'failed';
    this.failures.recv = error;
    this.failures.send = error;
    this.canRecv = true;
    this.canSend = true;
    return error;
  }

  /** ENOTCONN, for a connection that has already ended, is not an error here. */
  shutdown(how: 'send' | 'recv' | 'both'): void {
    if (this.#sendState === 'closed') return;
    this.finishSend();
    if (how !== 'recv' && !this.wasReset) this.shutdownSend();
    if (how !== 'send') this.shutdownRecv();
  }

  /** An attempt has received a reset: the system would reject a shutdown. */
  private get wasReset(): boolean {
    const { code } = (this.#failures?.recv ?? this.#failures?.send ?? {}) as {
      readonly code?: unknown;
    };
    return code === 'ECONNRESET';
  }

  protected shutdownSend(): void {
    this.registry.addon.shutdown(this.handle, SHUT_SEND);
  }

  /** The kernel keeps queueing received bytes, so every later event discards them. */
  private shutdownRecv(): void {
    const { addon } = this.registry;
    addon.shutdown(this.handle, SHUT_RECV);
    addon.discard(this.handle);
    this.#batched = null;
    this.#discarding = true;
    if (this.#recvState !== 'failed') this.#recvState = 'ended';
    this.notifyRecv();
  }

  close(): void {
    this.closeDescriptor(false);
  }

  reset(): void {
    this.closeDescriptor(true);
  }

  /** Reads the addresses while the descriptor is open, then leaves the table, then closes. */
  private closeDescriptor(reset: boolean): void {
    if (this.#sendState === 'closed') return;
    this.finishSend();
    this.#local = this.#connected ? this.local : UNNAMED;
    this.#remote = this.remote;
    this.#recvState = 'closed';
    this.#sendState = 'closed';
    this.canRecv = true;
    this.canSend = true;
    this.registry.remove(this);
    // The system resets a connection that is closed with unread bytes; it counts these as read.
    const isUnread = this.#batched !== null;
    this.#batched = null;
    this.release(reset, isUnread);
    if (this.recvWaiter === null && this.sendWaiter === null) return;
    this.rejectWaiters(this.closedError());
  }

  /** Closes the descriptor. `isUnread`: a batch has received bytes that were not taken. */
  protected release(reset: boolean, isUnread: boolean): void {
    this.registry.addon.close(this.handle, reset || isUnread ? 1 : 0);
  }

  /** Ends this transport without closing its descriptor, which another one takes over. */
  detach(): DetachedSocket {
    this.finishSend();
    const { registry, canRecv, readUntilEagain } = this;
    const unread = this.#batched ?? undefined;
    this.#local = this.local;
    this.#remote = this.remote;
    this.#batched = null;
    this.#recvState = 'closed';
    this.#sendState = 'closed';
    this.canRecv = true;
    this.canSend = true;
    return { registry, unread, canRecv, readUntilEagain };
  }

  private closedError(): ClosedError {
    return new ClosedError(
      'ERR_CLOSED',
      `The connection with ${this.describe()} was closed by this program`,
    );
  }

  private onReadable(bits: number): void {
    if (this.#discarding) this.registry.addon.discard(this.handle);
    if (this.joinsBatch(bits)) return this.registry.batch.add(this);
    this.#moreQueued = true;
    this.notifyRecv();
  }

  /** Does not handle the end of a connection: an attempt finds it after the bytes. */
  onEvents(bits: number): void {
    if ((bits & TRAILING_EVENTS) !== 0) this.readUntilEagain = true;
    if ((bits & RECV_EVENTS) !== 0) this.onReadable(bits);
    if ((bits & SEND_EVENTS) !== 0) this.notifySend();
  }

  // ---- addresses and options ----

  get local(): Endpoint {
    if (this.#local !== undefined) return this.#local;
    const address = this.registry.addon.local(this.handle);
    if (typeof address === 'number') return UNNAMED;
    if (this.#connected) this.#local = address;
    return address;
  }

  get remote(): Endpoint {
    if (this.#remote !== undefined) return this.#remote;
    const address = this.registry.addon.peer(this.handle);
    this.#remote = typeof address === 'number' ? UNNAMED : withInternedHost(address);
    return this.#remote;
  }

  set remote(remote: Endpoint) {
    this.#remote = remote;
  }

  getOption(option: SocketOption): number | undefined {
    if (this.#sendState === 'closed') return undefined;
    const { addon } = this.registry;
    const value = addon.getOption(this.handle, addon.constants.SOCKET_OPTIONS.indexOf(option));
    return value < 0 ? undefined : value * unitOf(option);
  }

  /** Rounds up to the unit of the system: 0 seconds would be rejected or disable the option. */
  setOption(option: SocketOption, value: number): void {
    if (this.#sendState === 'closed') throw this.closedError();
    const { addon } = this.registry;
    const code = addon.constants.SOCKET_OPTIONS.indexOf(option);
    const result = addon.setOption(this.handle, code, Math.ceil(value / unitOf(option)));
    if (result < 0 && result !== EOPNOTSUPP) throw systemError(result, 'setsockopt');
  }

  /** An accepted Unix connection is unnamed; the address of its listener describes it. */
  override describe(): string {
    return endpointText(this.remote) || endpointText(this.local);
  }

  openLine(): string {
    const verb = this.#connected || this.#accepted ? 'connection' : 'attempt to connect';
    return `${verb} ${endpointText(this.local)} to ${endpointText(this.remote)}`;
  }
}

/**
 * Throws `error`. V8 determines the place of each throw. In code of its optimizing compiler that
 * takes three microseconds more than here: a function that never returns is not compiled.
 */
function raise(error: unknown): never {
  throw error;
}

/** The length of the pieces that the addon reads. */
function offeredBytes(chunks: readonly Uint8Array[], maxPieces: number): number {
  const count = Math.min(chunks.length, maxPieces);
  let bytes = 0;
  for (let i = 0; i < count; i += 1) bytes += (chunks[i] as Uint8Array).length;
  return bytes;
}

/** TCP_KEEPIDLE and TCP_KEEPINTVL are in seconds, TCP_USER_TIMEOUT in milliseconds (tcp(7)). */
function unitOf(option: SocketOption): number {
  return option === 'keepAliveIdleMs' || option === 'keepAliveIntervalMs' ? 1000 : 1;
}
