/**
 * Socket: a connection as a task uses it.
 *
 * Invariants:
 *  1. At most one receive and one send are in progress (`receiving`, `sending`); another one gets
 *     ERR_BUSY before it touches a byte.
 *  2. A cancelled operation did not happen: a receive is tried only when its task runs, so no byte
 *     is taken for a task that will not see it; a send that was cut off after its first byte cannot
 *     be undone and marks the sending side torn.
 *  3. The transport knows the connection's state; the socket adds what concerns tasks.
 *  4. While draining, "would block" on an idle connection is end of file, for ever: nothing is
 *     received after it. A connection is idle when no byte was received, or read from its reader,
 *     since the last completed send, and its reader holds none.
 *  5. The socket has one reader and one writer at most. What they hold comes before what is
 *     received or sent without them, so that is refused while they hold something.
 */

import type { Operation } from '../../kernel/operation.ts';
import type { Pollable, Readiness } from '../../kernel/readiness.ts';
import { chargeBytes } from '../../kernel/waits.ts';
import { checkInteger, wrongType } from '../../support/checks.ts';
import type { Transport } from '../../world/network.ts';
import type { TlsInfo } from '../../world/tls.ts';
import { SocketAddress } from '../address.ts';
import type { ReaderOptions } from '../buffered/reader.ts';
import { Reader } from '../buffered/reader.ts';
import type { WriterOptions } from '../buffered/writer.ts';
import { Writer } from '../buffered/writer.ts';
import { bytesOf, checkBytes, checkNotEmpty } from '../bytes.ts';
import { busySocket, TornError } from '../errors.ts';
import { ReceiveBuffer, ReceiveInto } from './receive.ts';
import { SendAll, SendSome, SendVector } from './send.ts';
import { ConfigurableSocket } from './socket-options.ts';

/** The most bytes that one `recv` gives unless told otherwise. */
const DEFAULT_MAX_RECEIVE = 65536;

/** A connection; made by `connect` and by `Listener.accept`. */
export class Socket extends ConfigurableSocket implements Pollable, Disposable {
  /** @internal */
  readonly transport: Transport;
  /** The operation that is receiving, and the one that is sending. @internal */
  receiving: object | null = null;
  /** @internal */
  sending: object | null = null;
  readonly #recv: ReceiveBuffer;
  #sendAll: SendAll | null = null;
  /** Made when they are asked for. */
  #reader: Reader | null = null;
  #writer: Writer | null = null;
  #remoteAddress: SocketAddress | null = null;
  #bytesReceived = 0;
  #bytesSent = 0;
  #closed = false;
  /** Bytes of the send that was cut off; −1: none was. */
  #tornAt = -1;
  /** True once the peer's end of file was seen. @internal */
  ended = false;
  /** True: bytes were received or read since the last completed send, so an answer may be due. */
  #responseDue = false;
  #draining = false;
  /** True once the drain has given end of file. */
  #reachedDrainEnd = false;

  /** Sockets are made by `connect` and `Listener.accept`. @internal */
  constructor(transport: Transport) {
    super();
    this.transport = transport;
    this.#recv = new ReceiveBuffer(this);
  }

  // ---- receiving ----

  /**
   * Receives 1..max bytes; an empty Buffer at end of file. The Buffer is the caller's.
   * Cancel: no byte is lost. Errors: ERR_CLOSED, ERR_BUSY, ERR_BUFFERED while a reader of the
   * socket holds bytes, and the system's (ECONNRESET, …).
   * On TLS an end without close_notify is ERR_TLS_TRUNCATED, behind the bytes before it.
   */
  recv(max: number = DEFAULT_MAX_RECEIVE): Operation<Buffer> {
    if (max !== DEFAULT_MAX_RECEIVE) checkInteger('max', max, 1, 2 ** 31 - 1);
    this.checkUnread();
    let operation = this.#recv;
    if (!operation.take()) {
      operation = new ReceiveBuffer(this);
      operation.take();
    }
    operation.max = max;
    return operation;
  }

  /**
   * Receives into `into`: the number of bytes, 0 at end of file.
   * Cancel: no byte is lost. Errors: as `recv`; TypeError if `into` is not a Uint8Array or is
   * empty.
   */
  recvInto(into: Uint8Array): Operation<number> {
    checkNotEmpty(into);
    this.checkUnread();
    return new ReceiveInto(this, into);
  }

  /**
   * Receives without waiting. `undefined`: would block; an empty Buffer: end of file.
   * Errors: as `recv`.
   */
  tryRecv(max: number = DEFAULT_MAX_RECEIVE): Buffer | undefined {
    checkInteger('max', max, 1, 2 ** 31 - 1);
    this.checkUnread();
    if (this.receiving !== null) throw busySocket('receive', this.name);
    return this.receive(max);
  }

  /**
   * The socket's reader, for whole messages: lines, so many bytes, up to a delimiter. There is one:
   * asking again gives the same, with the options that are given replaced.
   */
  reader(options: ReaderOptions = {}): Reader {
    this.#reader ??= new Reader(this);
    this.#reader.configure(options);
    return this.#reader;
  }

  // ---- sending ----

  /**
   * Sends some of `data` (at least one byte of it) and gives the number of bytes taken.
   * Cancel: nothing was sent. Errors: ERR_CLOSED, ERR_BUSY, ERR_TORN, ERR_FLUSH_NEEDED while a
   * writer of the socket holds bytes, the system's (EPIPE, …).
   */
  send(data: Uint8Array | string): Operation<number> {
    this.checkUnflushed();
    return new SendSome(this, bytesOf(data));
  }

  /**
   * Sends all of `data`, waiting for room as often as it takes. Until it returns, `data` must not
   * be changed. Cancel: once the first byte has gone out the sending side is torn: later sends
   * throw ERR_TORN. Errors: as `send`.
   */
  sendAll(data: Uint8Array | string): Operation<void> {
    const bytes = bytesOf(data);
    this.checkUnflushed();
    let operation = this.#sendAll;
    if (operation === null) {
      operation = new SendAll(this);
      this.#sendAll = operation;
    }
    if (!operation.take()) {
      operation = new SendAll(this);
      operation.take();
    }
    operation.data = bytes;
    operation.left = bytes.length;
    return operation;
  }

  /**
   * Sends all the pieces in order, as one `sendAll` of their concatenation would.
   * Cancel: as `sendAll`.
   */
  sendv(chunks: readonly Uint8Array[]): Operation<void> {
    if (!Array.isArray(chunks)) throw wrongType('chunks', 'an array of Uint8Array', chunks);
    for (const chunk of chunks) checkBytes('chunk', chunk);
    this.checkUnflushed();
    return new SendVector(this, chunks);
  }

  /**
   * Sends what can be sent without waiting: the number of bytes taken, 0: would block.
   * Errors: as `send`.
   */
  trySend(data: Uint8Array | string): number {
    const bytes = bytesOf(data);
    if (this.sending !== null) throw busySocket('send', this.name);
    if (this.#writer !== null) this.#writer.checkEmpty();
    const count = bytes.length === 0 ? 0 : this.transmit(bytes);
    if (count > 0) this.sendCompleted();
    return count;
  }

  /**
   * The socket's writer, which gathers small pieces into few sends. There is one: asking again
   * gives the same, with the options that are given replaced.
   */
  writer(options: WriterOptions = {}): Writer {
    this.#writer ??= new Writer(this);
    this.#writer.configure(options);
    return this.#writer;
  }

  // ---- ending ----

  /** 'send': the peer sees end of file. 'recv': nothing more is received. */
  shutdown(how: 'send' | 'recv' | 'both' = 'send'): void {
    if (how !== 'send' && how !== 'recv' && how !== 'both') {
      throw wrongType('how', "'send', 'recv' or 'both'", how);
    }
    this.transport.shutdown(how);
  }

  /** Closes the connection. Idempotent; a task that waits on it gets ERR_CLOSED. */
  close(): void {
    this.#closed = true;
    this.#reachedDrainEnd = false;
    this.transport.close();
  }

  /** Closes the connection with RST: the peer gets ECONNRESET, what is unsent is dropped. */
  reset(): void {
    this.#closed = true;
    this.#reachedDrainEnd = false;
    this.#writer?.drop();
    this.transport.reset();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  get closed(): boolean {
    return this.#closed;
  }

  // ---- facts ----

  get localAddress(): SocketAddress {
    return new SocketAddress(this.transport.local);
  }

  get remoteAddress(): SocketAddress {
    this.#remoteAddress ??= new SocketAddress(this.transport.remote);
    return this.#remoteAddress;
  }

  get bytesReceived(): number {
    return this.#bytesReceived;
  }

  get bytesSent(): number {
    return this.#bytesSent;
  }

  /** Protocol, cipher, names and certificate of a TLS connection; `undefined` without TLS. */
  get tls(): TlsInfo | undefined {
    return this.transport.tls;
  }

  /** What `yield ['recv', socket]` waits on. */
  get readiness(): Readiness {
    return this.transport;
  }

  // ---- for the operations of this room and for the server ----

  /** The name in messages and in `waitingOn`. @internal */
  get name(): string {
    return this.transport.describe();
  }

  /** False: a try is known to find nothing. @internal */
  mayReceive(): boolean {
    return this.transport.canRecv || this.#draining;
  }

  /** One try to receive, counted. @internal */
  receive(max: number): Buffer | undefined {
    const data = this.#reachedDrainEnd ? undefined : this.transport.tryRecv(max);
    if (data === undefined) return this.#checkDrainEnd() ? EMPTY : undefined;
    this.#received(data.length);
    return data;
  }

  /** One try to receive into memory of the caller's, counted. −1: would block. @internal */
  receiveInto(into: Uint8Array): number {
    const count = this.#reachedDrainEnd ? -1 : this.transport.tryRecvInto(into);
    if (count < 0) return this.#checkDrainEnd() ? 0 : -1;
    this.#received(count);
    return count;
  }

  /** One try to send, counted. @internal */
  transmit(data: Uint8Array): number {
    if (this.#tornAt >= 0) throw new TornError(this.name, this.#tornAt);
    return this.#sent(this.transport.trySend(data));
  }

  /** One try to send several pieces, counted. @internal */
  transmitv(chunks: readonly Uint8Array[]): number {
    if (this.#tornAt >= 0) throw new TornError(this.name, this.#tornAt);
    return this.#sent(this.transport.trySendv(chunks));
  }

  /** The connection is idle now, which ends a receive that waits while draining. @internal */
  sendCompleted(): void {
    this.#responseDue = false;
    if (this.#draining) this.transport.notifyRecv();
  }

  /** Bytes that were received before are given to the program now. @internal */
  noteRead(): void {
    this.#responseDue = true;
  }

  /** True: bytes have come since the last completed send. @internal */
  get responseDue(): boolean {
    return this.#responseDue || this.unread > 0;
  }

  /** Bytes that the reader holds: a message, or the beginning of one. @internal */
  get unread(): number {
    return this.#reader === null ? 0 : this.#reader.buffered;
  }

  /** Gives out what the reader holds; often nothing. @internal */
  takeUnread(): Uint8Array {
    return this.#reader === null ? EMPTY : this.#reader.takeAll();
  }

  /** Throws if a receive would pass over bytes that the reader holds. @internal */
  checkUnread(): void {
    if (this.#reader !== null) this.#reader.checkEmpty();
  }

  /** Throws if a send would overtake bytes of the writer. One in progress is ERR_BUSY. @internal */
  checkUnflushed(): void {
    if (this.#writer !== null && this.sending === null) this.#writer.checkEmpty();
  }

  /** Throws if the program has left bytes in the writer. @internal */
  checkFlushed(): void {
    this.#writer?.checkFlushed();
  }

  /** A send was cut off after `bytes` bytes. @internal */
  tear(bytes: number): void {
    this.#tornAt = bytes;
  }

  /** @internal */
  get torn(): boolean {
    return this.#tornAt >= 0;
  }

  /** From now on an idle connection has come to its end. @internal */
  drain(): void {
    this.#draining = true;
    this.transport.notifyRecv();
  }

  /** Throws if an operation of this socket was made and never driven. @internal */
  checkDriven(): void {
    for (const kept of [
      this.#recv,
      this.#sendAll,
      this.#reader?.reusable,
      this.#writer?.reusable,
    ]) {
      if (kept?.state === 'made') throw kept.notDrivenError();
    }
  }

  /** From the first time on it stays so, and a raw wait returns at once, as at the peer's end. */
  #checkDrainEnd(): boolean {
    if (this.#reachedDrainEnd || !this.#draining || this.responseDue) return this.#reachedDrainEnd;
    this.#reachedDrainEnd = true;
    this.transport.notifyRecv();
    return true;
  }

  #received(count: number): void {
    if (count === 0) {
      this.ended = true;
      return;
    }
    this.#bytesReceived += count;
    this.#responseDue = true;
    chargeBytes(count);
  }

  #sent(count: number): number {
    this.#bytesSent += count;
    chargeBytes(count);
    return count;
  }
}

const EMPTY: Buffer = Buffer.alloc(0);
