/**
 * Socket: a connection as a task uses it.
 *
 * Invariants:
 *  1. At most one receive and one send are in progress (`receiving`, `sending`). Another one gets
 *     ERR_BUSY before it takes a byte.
 *  2. A cancelled operation has no effect. A receive attempts only while its task runs, so it never
 *     takes bytes for a task that will not get them. The exception is a send that was interrupted
 *     after its first byte: it marks the send half as torn.
 *  3. The transport has the state of the connection; the socket adds the state that concerns tasks.
 *  4. While draining, "would block" on an idle connection means end of file, and nothing is
 *     received after it. A connection is idle if no byte was received, or read from its reader,
 *     since the last completed send, and its reader holds none.
 *  5. A socket has at most one reader and one writer. Their bytes come before bytes that are
 *     received or sent directly, so direct operations are rejected while they hold any.
 */

import type { Selectable } from '../../kernel/case.ts';
import type { Operation, Wait } from '../../kernel/operation.ts';
import { Lazy } from '../../kernel/operation.ts';
import type { Pollable, Readiness } from '../../kernel/readiness.ts';
import { chargeBytes, checkpoint, mayWaitForSends } from '../../kernel/waits.ts';
import { checkInteger, wrongType } from '../../support/checks.ts';
import type { Transport } from '../../world/network.ts';
import type { TlsInfo } from '../../world/tls.ts';
import { SocketAddress } from '../address.ts';
import type { ReaderOptions } from '../buffered/reader.ts';
import { Reader } from '../buffered/reader.ts';
import type { WriterOptions } from '../buffered/writer.ts';
import { Writer } from '../buffered/writer.ts';
import { bytesOf, checkBytes } from '../bytes.ts';
import { alreadyTls, busySocket, closedSocket, plainBytes, TornError } from '../errors.ts';
import type { StartTlsOptions, UpgradePlan } from '../tls/start-tls.ts';
import { planUpgrade, TlsUpgrade } from '../tls/start-tls.ts';
import { borrow, isLent } from './loan.ts';
import { ReceiveBuffer, ReceiveInto } from './receive.ts';
import { SendAll, SendSome, SendVector } from './send.ts';
import { ConfigurableSocket } from './socket-options.ts';

/** The default `max` of a receive. */
const DEFAULT_MAX_RECEIVE = 65536;
/** The most bytes that are queued: a long message is worth a system call of its own. */
const MAX_QUEUED = 4096;

/**
 * A connection; created by `connect` and by `Listener.accept`.
 *
 * @example
 * for (;;) {
 *   const data = yield* socket.recv();
 *   if (data.length === 0) return;
 *   yield* socket.sendAll(data);
 * }
 */
export class Socket extends ConfigurableSocket implements Pollable, Disposable {
  /** `startTls` replaces it. @internal */
  transport: Transport;
  /** The operation that is receiving, and the one that is sending. @internal */
  receiving: object | null = null;
  /** @internal */
  sending: object | null = null;
  readonly #recv: ReceiveBuffer;
  /** The latest `sendAll`, until it has ended: idle connections keep none. */
  #sendAll: SendAll | null = null;
  /** Created on first use. */
  #reader: Reader | null = null;
  #writer: Writer | null = null;
  #remoteAddress: SocketAddress | null = null;
  #bytesReceived = 0;
  #bytesSent = 0;
  #closed = false;
  /** The host that the socket has connected to; null: it was accepted. */
  readonly #host: string | null;
  /** Bytes of the interrupted send; −1: there was none. */
  #tornAt = -1;
  /** True: the bytes that were sent are the beginning of a stream that has failed. @internal */
  incomplete = false;
  /** True once the peer's end of file was received. @internal */
  ended = false;
  /** True: bytes were received or read since the last completed send, so a response may be due. */
  #responseDue = false;
  /** 'ended': the drain has returned end of file. */
  #drain: 'none' | 'draining' | 'ended' = 'none';
  /** Called once when the server begins to drain. Set by a protocol with a closing handshake of
   *  its own, whose connection then counts as busy. @internal */
  onDrain: (() => void) | null = null;

  /** Sockets are created by `connect` and `Listener.accept`. @internal */
  constructor(transport: Transport, host: string | null = null) {
    super();
    this.transport = transport;
    this.#host = host;
    this.#recv = new ReceiveBuffer(this).reuse();
  }

  // ---- receiving ----

  /**
   * Receives 1 to `max` bytes; an empty Buffer at end of file. The caller owns the Buffer.
   * Cancel: no byte is lost.
   * Errors: ERR_CLOSED; ERR_BUSY; ERR_BUFFERED while the socket's reader holds bytes; those of the
   * system (ECONNRESET, …). With TLS, an end without close_notify is ERR_TLS_TRUNCATED, after the
   * bytes before it.
   */
  recv(max: number = DEFAULT_MAX_RECEIVE): Selectable<Buffer> {
    return this.receiveOperation(max, false);
  }

  /**
   * Receives 1 to `max` bytes on loan; an empty Buffer at end of file. The bytes are in memory that
   * the sockets share, and are valid until the next receive or wait on any of them: use or copy
   * them before. A send of this library may be the wait: it copies what it has not sent before. No
   * memory is allocated, so this is the cheapest way to receive large amounts. Debug mode
   * overwrites the bytes when the loan has ended.
   * Cancel: no byte is lost. Errors: as `recv`.
   *
   * @example
   * for (;;) {
   *   const data = yield* socket.borrow();
   *   if (data.length === 0) break;
   *   hash.update(data);
   * }
   */
  borrow(max: number = DEFAULT_MAX_RECEIVE): Selectable<Buffer> {
    return this.receiveOperation(max, true);
  }

  /**
   * Receives into `into`. Returns the number of bytes, 0 at end of file.
   * Cancel: no byte is lost.
   * Errors: as `recv`; TypeError if `into` is not a Uint8Array or is empty.
   */
  recvInto(into: Uint8Array): Selectable<number> {
    checkBytes('into', into);
    if (into.length === 0) throw wrongType('into', 'room for at least one byte', into);
    this.checkUnread();
    return new ReceiveInto(this, into);
  }

  /**
   * Receives without waiting. `undefined`: would block. An empty Buffer: end of file.
   * Errors: as `recv`.
   */
  tryRecv(max: number = DEFAULT_MAX_RECEIVE): Buffer | undefined {
    checkInteger('max', max, 1, 2 ** 31 - 1);
    this.checkUnread();
    if (this.receiving !== null) throw busySocket('receive', this.name);
    return this.receive(max);
  }

  /**
   * The socket's reader, which reads whole messages: lines, a number of bytes, up to a delimiter. A
   * second call returns the same reader and updates the given options.
   */
  reader(options?: ReaderOptions): Reader {
    this.#reader ??= new Reader(this);
    if (options !== undefined) this.#reader.configure(options);
    return this.#reader;
  }

  // ---- sending ----

  /**
   * Sends a part of `data`, at least one byte. Returns the number of bytes that were sent.
   * Cancel: nothing was sent.
   * Errors: ERR_CLOSED; ERR_BUSY; ERR_TORN; ERR_FLUSH_NEEDED while the socket's writer holds bytes;
   * those of the system (EPIPE, …).
   */
  send(data: Uint8Array | string): Operation<number> {
    this.checkUnflushed();
    return new SendSome(this, bytesOf(data));
  }

  /**
   * Sends all of `data`, waiting as often as necessary. Do not change `data` before it returns.
   * Cancel: once the first byte is sent, the send half is torn: later sends throw ERR_TORN.
   * Errors: as `send`.
   *
   * @example
   * yield* socket.sendAll('HTTP/1.1 204 No Content\r\n\r\n');
   */
  sendAll(data: Uint8Array | string): Operation<void> {
    const bytes = bytesOf(data);
    this.checkUnflushed();
    this.#sendAll?.checkDriven();
    this.#sendAll = new SendAll(this, bytes);
    return this.#sendAll;
  }

  /**
   * Sends all chunks in order, as `sendAll` would send their concatenation.
   * Cancel: as `sendAll`. Errors: as `sendAll`.
   */
  sendv(chunks: readonly Uint8Array[]): Operation<void> {
    if (!Array.isArray(chunks)) throw wrongType('chunks', 'an array of Uint8Array', chunks);
    // A plain array: the caller's may be of a subclass, or have getters.
    const pieces = [...chunks];
    for (const piece of pieces) checkBytes('chunk', piece);
    this.checkUnflushed();
    return new SendVector(this, pieces);
  }

  /**
   * Sends without waiting. Returns the number of bytes that were sent; 0: would block.
   * Errors: as `send`.
   */
  trySend(data: Uint8Array | string): number {
    const bytes = bytesOf(data);
    if (this.isSending()) throw busySocket('send', this.name);
    if (this.#writer !== null) this.#writer.checkEmpty();
    const count = bytes.length === 0 ? 0 : this.transmit(bytes);
    if (count > 0) this.sendCompleted();
    return count;
  }

  /**
   * The socket's writer, which combines small pieces into few sends. A second call returns the same
   * writer and updates the given options.
   */
  writer(options?: WriterOptions): Writer {
    this.#writer ??= new Writer(this);
    if (options !== undefined) this.#writer.configure(options);
    return this.#writer;
  }

  // ---- TLS ----

  /**
   * Does a TLS handshake on this connection, which has carried plain bytes so far (STARTTLS of
   * SMTP, LDAP, PostgreSQL, …). Everything after it is encrypted; readers and writers stay valid.
   * This end is the server if the connection was accepted and the client if it was connected,
   * unless `isServer` states otherwise. The certificate of the server must be valid for
   * `servername`, or for the host that was passed to `connect`. Pass the same options object for
   * every connection: certificates and keys are read once for each object.
   *
   * Bytes that were received in clear must not be taken for encrypted ones (CVE-2011-0411), so the
   * upgrade is rejected while the reader holds bytes: answer nothing more and close the connection.
   * Before the first exchange on a connection, bytes that `reader.peek` has returned belong to the
   * handshake, for a port with and without TLS. The bytes of an `autoFlush` writer are sent first.
   *
   * Cancel: the connection is reset.
   * Errors: ERR_BUFFERED if the reader holds bytes, ERR_FLUSH_NEEDED if the writer does, ERR_BUSY
   * while a task receives or sends, ERR_ALREADY_TLS, ERR_CLOSED, ERR_TORN, ERR_UNSUPPORTED: the
   * connection stays as it is. ERR_TLS_OPTIONS for unusable options. Those of a handshake close the
   * connection: see `connect`.
   *
   * @example
   * yield* socket.sendAll('220 ready for TLS\r\n');
   * yield* socket.startTls({ cert, key });
   */
  startTls(options: StartTlsOptions = {}): Operation<void> {
    const plan = planUpgrade(options, this.#host);
    return new Lazy(() => this.upgradeToTls(plan));
  }

  private *upgradeToTls(plan: UpgradePlan): Generator<Wait, void> {
    yield* checkpoint();
    this.checkUpgradable();
    const flush = this.#writer?.flushBeforeTls();
    if (flush) {
      yield* flush;
      this.checkUpgradable();
    }
    const upgrade = new TlsUpgrade(this.transport, plan);
    this.receiving = this.sending = upgrade;
    let complete = false;
    try {
      this.transport = yield* upgrade.run();
      complete = true;
    } finally {
      this.receiving = this.sending = null;
      if (!complete) this.close();
      upgrade.end();
    }
  }

  /** Throws if the connection cannot be upgraded now. */
  private checkUpgradable(): void {
    const { transport, name } = this;
    if (this.#closed) throw closedSocket(name);
    if (this.tls !== undefined) throw alreadyTls(name);
    if (this.receiving !== null || transport.recvWaiter !== null) throw busySocket('receive', name);
    if (this.isSending() || transport.sendWaiter !== null) throw busySocket('send', name);
    if (this.#tornAt >= 0) throw new TornError(name, this.#tornAt);
    this.checkDriven();
    // Before the first exchange, what a task has peeked at is the beginning of the handshake.
    const isUntouched = this.#bytesSent === 0 && this.#bytesReceived === this.unread;
    if (this.unread > 0 && !isUntouched) throw plainBytes(name, this.unread);
    this.returnUnread();
  }

  // ---- ending ----

  /** 'send': the peer reads end of file. 'recv': nothing more is received. */
  shutdown(how: 'send' | 'recv' | 'both' = 'send'): void {
    if (how !== 'send' && how !== 'recv' && how !== 'both') {
      throw wrongType('how', "'send', 'recv' or 'both'", how);
    }
    this.transport.shutdown(how);
  }

  /** Closes the connection. Idempotent. A task that waits on the socket gets ERR_CLOSED. */
  close(): void {
    this.#closed = true;
    if (this.#drain === 'ended') this.#drain = 'draining';
    this.upgrade?.abort(closedSocket(this.name));
    this.transport.close();
  }

  /** Closes the connection with RST: the peer gets ECONNRESET, and unsent bytes are dropped. */
  reset(): void {
    this.#closed = true;
    if (this.#drain === 'ended') this.#drain = 'draining';
    this.#writer?.drop();
    this.upgrade?.abort(closedSocket(this.name));
    this.transport.reset();
  }

  /** Closes the connection, or resets it after a failed `pipe`: an end would look complete. */
  [Symbol.dispose](): void {
    if (this.incomplete) this.reset();
    else this.close();
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

  /** Protocol, cipher, server name and certificate; `undefined` without TLS. */
  get tls(): TlsInfo | undefined {
    return this.transport.tls;
  }

  /** The resource of `yield ['recv', socket]`. */
  get readiness(): Readiness {
    return this.upgrade ?? this.transport;
  }

  // ---- for the operations of this layer and for the server ----

  /** The name in messages and in `waitingOn`. @internal */
  get name(): string {
    return this.transport.describe();
  }

  /** False: a receive would block. True: it may succeed. @internal */
  mayReceive(): boolean {
    return this.transport.canRecv || this.draining;
  }

  /** One attempt to receive, counted. `borrows`: the result is on loan. @internal */
  receive(max: number, borrows = false): Buffer | undefined {
    const data = this.#drain === 'ended' ? undefined : this.attemptReceive(max, borrows);
    if (data === undefined) return this.checkDrainEnd() ? EMPTY : undefined;
    this.noteReceived(data.length);
    return data;
  }

  /** One attempt to receive into memory of the caller, counted. −1: would block. @internal */
  receiveInto(into: Uint8Array): number {
    const count = this.#drain === 'ended' ? -1 : this.transport.tryRecvInto(into);
    if (count < 0) return this.checkDrainEnd() ? 0 : -1;
    this.noteReceived(count);
    return count;
  }

  /** One attempt to send, counted. @internal */
  transmit(data: Uint8Array): number {
    if (this.#tornAt >= 0) throw new TornError(this.name, this.#tornAt);
    return this.noteSent(this.transport.trySend(data));
  }

  /** True: the send is queued, and `transmit` will return its result. @internal */
  queueSend(data: Uint8Array): boolean {
    if (data.length === 0 || data.length > MAX_QUEUED || !mayWaitForSends()) return false;
    if (this.#tornAt >= 0 || isLent(data)) return false;
    return this.transport.queueSend?.(data) === true;
  }

  /** True: an operation is sending. One that is only queued is carried out first. @internal */
  isSending(): boolean {
    if (this.sending instanceof SendAll) this.sending.finishQueued();
    return this.sending !== null;
  }

  /** One attempt to send several pieces, counted. @internal */
  transmitv(chunks: readonly Uint8Array[]): number {
    if (this.#tornAt >= 0) throw new TornError(this.name, this.#tornAt);
    return this.noteSent(this.transport.trySendv(chunks));
  }

  /** The connection is idle now. While draining, this ends a receive that waits. @internal */
  sendCompleted(): void {
    this.#responseDue = false;
    if (this.draining) this.transport.notifyRecv();
  }

  /** The program gets bytes that were received earlier. @internal */
  noteRead(): void {
    this.#responseDue = true;
  }

  /** True: bytes were received since the last completed send. @internal */
  get responseDue(): boolean {
    return this.#responseDue || this.onDrain !== null || this.unread > 0;
  }

  /** The number of bytes in the reader. @internal */
  get unread(): number {
    return this.#reader === null ? 0 : this.#reader.buffered;
  }

  /** Takes all bytes of the reader; often none. @internal */
  takeUnread(): Uint8Array {
    return this.#reader === null ? EMPTY : this.#reader.takeAll();
  }

  /** Puts the bytes of the reader back, so that they are received again. @internal */
  returnUnread(): void {
    if (this.unread === 0) return;
    if (this.transport.unreceive === undefined) return this.checkUnread();
    const bytes = this.takeUnread() as Buffer;
    this.#bytesReceived -= bytes.length;
    this.transport.unreceive(bytes);
  }

  /** Throws if a receive would skip bytes that the reader holds. @internal */
  checkUnread(): void {
    if (this.#reader !== null) this.#reader.checkEmpty();
  }

  /** Throws if a send would overtake bytes of the writer. A flush in progress is ERR_BUSY instead.
   *  @internal */
  checkUnflushed(): void {
    if (this.#writer !== null && !this.isSending()) this.#writer.checkEmpty();
  }

  /** For a receive: sends the bytes of an `autoFlush` writer that are due. False: the network does
   *  not take all of them yet. @internal */
  sendWritten(waits: boolean): boolean {
    return this.#writer === null || this.#writer.sendDue(waits);
  }

  /** For the server: the flush after the handler has returned; null: nothing is left to flush.
   *  Throws if the program had to flush. @internal */
  finalFlush(): Operation<void> | null {
    return this.#writer === null ? null : this.#writer.finalFlush();
  }

  /** A `sendAll` has ended. @internal */
  sendAllEnded(operation: SendAll): void {
    if (this.#sendAll === operation) this.#sendAll = null;
  }

  /** A send was interrupted after `bytes` bytes. @internal */
  tear(bytes: number): void {
    this.#tornAt = bytes;
  }

  /** @internal */
  get torn(): boolean {
    return this.#tornAt >= 0 || (this.#writer !== null && this.#writer.partlySent > 0);
  }

  /** From now on, an idle connection is at end of file. @internal */
  drain(): void {
    if (this.#drain === 'none') this.#drain = 'draining';
    this.onDrain?.();
    this.transport.notifyRecv();
  }

  /** True: the server drains this connection. @internal */
  get draining(): boolean {
    return this.#drain !== 'none';
  }

  /** Throws if an operation of this socket was created and never driven. @internal */
  checkDriven(): void {
    this.#recv.checkDriven();
    this.#sendAll?.checkDriven();
    this.#reader?.reusable.checkDriven();
    this.#writer?.reusable.checkDriven();
  }

  /** The TLS handshake of `startTls` that is in progress. */
  private get upgrade(): TlsUpgrade | null {
    return this.receiving instanceof TlsUpgrade ? this.receiving : null;
  }

  private receiveOperation(max: number, borrows: boolean): ReceiveBuffer {
    if (max !== DEFAULT_MAX_RECEIVE) checkInteger('max', max, 1, 2 ** 31 - 1);
    this.checkUnread();
    const operation = this.#recv.acquire() ? this.#recv : new ReceiveBuffer(this);
    operation.max = max;
    operation.borrows = borrows;
    return operation;
  }

  private attemptReceive(max: number, borrows: boolean): Buffer | undefined {
    return borrows ? borrow(this.transport, max) : this.transport.tryRecv(max);
  }

  /** Once true, it stays true, and a raw wait returns at once, as at the peer's end of file. */
  private checkDrainEnd(): boolean {
    if (this.#drain !== 'draining' || this.responseDue) return this.#drain === 'ended';
    this.#drain = 'ended';
    this.transport.notifyRecv();
    return true;
  }

  private noteReceived(count: number): void {
    if (count === 0) {
      this.ended = true;
      return;
    }
    this.#bytesReceived += count;
    this.#responseDue = true;
    chargeBytes(count);
  }

  private noteSent(count: number): number {
    this.#bytesSent += count;
    chargeBytes(count);
    return count;
  }
}

const EMPTY: Buffer = Buffer.alloc(0);
