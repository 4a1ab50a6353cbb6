/**
 * A WebSocket connection (RFC 6455) on a Socket.
 *
 *   open ──close(), drain, end of handler──► closing ──close frame of the peer──► closed
 *     │                                         │
 *     ├──close frame of the peer────────────────┼──► answered with a close frame ──► closed
 *     └──violation, no pong, end of file────────┴──► failed
 *
 * Invariants:
 *  1. Frames are parsed only in a step of the task that receives. There is no queue of messages:
 *     while no task receives, the peer fills the buffers of the system and then has to wait.
 *  2. One frame is sent at a time: a sender holds `#sending`. Tasks that send wait in its queue.
 *  3. Control frames that answer the peer are sent without waiting. What the network does not take
 *     stays in `#control` and is sent before everything else. A pong and a ping that are due are
 *     framed only when it is empty, so it is at most a pong, a ping and a close frame, however many
 *     pings arrive from a peer that does not read.
 *  4. Nothing is sent after a close frame.
 */
import { Event } from '../flow/event.ts';
import { Lock } from '../flow/lock.ts';
import type { Selectable } from '../kernel/case.ts';
import { runningTask } from '../kernel/current.ts';
import type { Operation, Wait } from '../kernel/operation.ts';
import { Lazy } from '../kernel/operation.ts';
import type { Scheduler } from '../kernel/scheduler.ts';
import { isCancelled } from '../kernel/scope/cancelled.ts';
import { moveOnAfter } from '../kernel/scope/with-scope.ts';
import { Timer } from '../kernel/timers.ts';
import { checkData } from '../net/bytes.ts';
import type { Socket } from '../net/tcp/socket.ts';
import { outOfRange, wrongType } from '../support/checks.ts';
import type { Platform } from '../world/platform.ts';
import type { WebSocketEngine, WebSocketReceiver } from '../world/websocket.ts';
import type { WebSocketError } from './errors.ts';
import { abnormalClosure, alreadyClosed, protocolError } from './errors.ts';
import { clientFrame, OPCODE, serverFrame } from './frame.ts';
import { IncomingFrames } from './incoming.ts';
import { KEY_SIZE } from './mask.ts';
import type { ConnectionSettings } from './options.ts';
import { QUEUED, SendMessage } from './send-message.ts';

/** The maximum size of the reason in a close frame: 125 bytes without the code. */
const MAX_REASON = 123;
/** Frames up to this size are joined before they are sent. */
const JOIN_BELOW = 4096;
/** The interval of attempts to send control frames that the network did not take. */
const RETRY_MS = 50;

const EMPTY: Buffer = Buffer.alloc(0);

/** A message that was framed once and can be sent on many connections of a server. */
export class PreparedMessage {
  /** @internal */
  readonly pieces: readonly Uint8Array[];

  /** Created by `prepareMessage`. @internal */
  constructor(pieces: readonly Uint8Array[]) {
    this.pieces = pieces;
  }
}

/** The parts of a new connection. */
export interface ConnectionParts {
  readonly engine: WebSocketEngine;
  readonly platform: Platform;
  readonly settings: ConnectionSettings;
  readonly isServer: boolean;
  readonly protocol: string;
}

/**
 * A WebSocket connection; created by `wsServer`, `upgrade` and `connectWs`. One task may receive
 * while others send.
 *
 * @example
 * for (;;) {
 *   const message = yield* ws.receive();
 *   if (message === null) return;
 *   yield* ws.send(message);
 * }
 */
export class WebSocketConnection implements Disposable {
  // Also a TimerTarget, FrameHandler, FrameSender and WebSocketEvents. They are not named: their
  // members are internal, and therefore missing in the declaration file.

  /** The connection below. Do not receive or send on it directly. */
  readonly socket: Socket;
  /** The agreed subprotocol; '' without one. */
  readonly protocol: string;
  /** The code of the peer's close frame: 1005 without one in it; `undefined` before it arrives. */
  closeCode: number | undefined = undefined;
  /** The reason in the peer's close frame. */
  closeReason = '';
  /** @internal */
  readonly receiver: WebSocketReceiver;
  readonly #incoming: IncomingFrames;
  readonly #parts: ConnectionParts;
  readonly #scheduler: Scheduler = runningTask().scheduler;
  /** Invariant 2. */
  readonly #sending: Lock = new Lock('WebSocket send');
  /** Invariant 3. A rest comes first. */
  #control: Uint8Array[] = [];
  /** The payload of a pong that is due. */
  #pong: Buffer | null = null;
  #pingDue = false;
  #message: string | Buffer | undefined = undefined;
  #failure: WebSocketError | null = null;
  #closeSent = false;
  /** True: a close frame is sent as soon as a receive waits. */
  #draining = false;
  /** Set when nothing more will be received. Created when a task waits for it. */
  #ended: Event | null = null;
  readonly #timer: Timer = new Timer(this);
  /** When the closing handshake has to be complete. */
  #closeBy = Infinity;
  /** When the last ping was sent; −1: none is unanswered. */
  #pingedAt = -1;
  /** The last look at the received bytes: their number, and when. */
  #bytesAtCheck = 0;
  #checkedAt: number = this.#scheduler.now();

  /** Created by `wsServer`, `upgrade` and `connectWs`. @internal */
  constructor(socket: Socket, parts: ConnectionParts) {
    const { maxMessageBytes, maxFragments } = parts.settings;
    this.socket = socket;
    this.protocol = parts.protocol;
    this.#parts = parts;
    const limits = { isServer: parts.isServer, maxBytes: maxMessageBytes, maxFragments };
    this.receiver = parts.engine.createReceiver(limits, this);
    this.#incoming = new IncomingFrames(this, maxMessageBytes);
    socket.onDrain = () => {
      this.#draining = true;
      // Otherwise a task handles a message, and may still have to answer it.
      if (socket.receiving !== null) this.awaitsPeer();
    };
    this.#arm();
  }

  // ---- receiving ----

  /**
   * Receives a message: text as a string, binary data as a Buffer that the caller owns; `null` when
   * the peer has closed the connection (`closeCode`, `closeReason`). Pings are answered here. Can
   * be a case of `select`.
   * Cancel: nothing was consumed.
   * Errors: ERR_WS_ABNORMAL_CLOSURE if the stream ends without a close frame, or a ping is not
   * answered; ERR_WS_PROTOCOL; ERR_BUSY; and as `socket.recv`.
   */
  receive(): Selectable<string | Buffer | null> {
    return this.socket.reader().readFramed(this.#incoming);
  }

  // ---- sending ----

  /**
   * Sends a message: a string as text, a Uint8Array as binary data. Waits until the network has
   * taken it, so a peer that does not read costs one message. Do not change the data before it
   * returns. Several tasks may send; each frame is sent whole, in the order of the calls.
   * Cancel: once the first byte is sent, the connection is unusable (ERR_TORN).
   * Errors: ERR_WS_CLOSED after a close frame; TypeError; and as `socket.sendAll`.
   */
  send(data: string | Uint8Array | PreparedMessage): Operation<void> {
    if (data instanceof PreparedMessage) {
      if (!this.#parts.isServer) throw wrongType('data', 'a message: a client masks each', data);
      return new SendMessage(this, data.pieces);
    }
    if (typeof data !== 'string') checkData('data', data);
    return new SendMessage(this, this.#frameOf(data));
  }

  /** @internal */
  sendNow(frame: readonly Uint8Array[]): number {
    const { socket } = this;
    if (this.#sending.locked || socket.isSending()) return 0;
    if (frame.length > 1 || this.#control.length > 0 || this.#pong !== null) return 0;
    if (this.#closeSent) throw alreadyClosed(socket);
    const bytes = frame[0] as Uint8Array;
    if (!socket.queueSend(bytes)) return socket.trySend(bytes);
    this.#sending.tryAcquire();
    return QUEUED;
  }

  /** @internal */
  takeQueued(frame: readonly Uint8Array[]): number {
    const { socket } = this;
    const bytes = frame[0] as Uint8Array;
    let sent = 0;
    try {
      sent = socket.transmit(bytes);
      if (sent === bytes.length) socket.sendCompleted();
    } finally {
      if (sent === 0 || sent === bytes.length) this.#release();
    }
    return sent;
  }

  /** @internal */
  cutAfter(sent: number): void {
    if (sent === 0) return;
    this.socket.tear(sent);
    this.#release();
  }

  #release(): void {
    this.#sending.release();
    this.#sendControl();
  }

  /** @internal */
  *sendRest(frame: readonly Uint8Array[], sent: number): Generator<Wait, void> {
    if (sent === 0) return yield* this.#sendFrame(frame);
    // The lock is free, as in `sendNow`, in the same step, or it is held since the send was queued.
    if (!this.#sending.ownedByCaller) this.#sending.tryAcquire();
    try {
      yield* this.socket.sendAll((frame[0] as Uint8Array).subarray(sent));
    } catch (error) {
      if (!this.socket.torn) this.socket.tear(sent);
      throw error;
    } finally {
      this.#release();
    }
  }

  *#sendFrame(frame: readonly Uint8Array[], isClose = false): Generator<Wait, void> {
    const lock = this.#sending;
    if (!lock.tryAcquire()) yield* lock.acquire();
    try {
      if (this.#closeSent && !isClose) throw alreadyClosed(this.socket);
      const control = this.#takeControl();
      try {
        yield* this.#sendPieces(control.length === 0 ? frame : [...control, ...frame]);
      } catch (error) {
        if (!this.socket.torn) this.#control = [...control, ...this.#control];
        throw error;
      }
    } finally {
      this.#release();
    }
  }

  #sendPieces(pieces: readonly Uint8Array[]): Operation<void> {
    let length = 0;
    for (const piece of pieces) length += piece.length;
    if (pieces.length === 1) return this.socket.sendAll(pieces[0] as Uint8Array);
    if (length > JOIN_BELOW) return this.socket.sendv(pieces);
    return this.socket.sendAll(Buffer.concat(pieces, length));
  }

  #frameOf(data: string | Uint8Array): Uint8Array[] {
    return this.#frame(data, typeof data === 'string' ? OPCODE.text : OPCODE.binary);
  }

  #frame(data: string | Uint8Array, opcode: number): Uint8Array[] {
    const { platform, isServer } = this.#parts;
    if (isServer) return serverFrame(data, opcode);
    return [clientFrame(data, opcode, platform.randomBytes(KEY_SIZE))];
  }

  // ---- closing ----

  /**
   * Closes the connection: sends a close frame, waits for that of the peer for `closeTimeoutMs` at
   * most, discards messages until then, and closes the socket. After a timeout the socket is reset.
   * If the peer has closed before, only closes the socket. Idempotent.
   * Cancel: the socket is reset. Errors: RangeError for a code that a program must not send, or a
   * reason above 123 bytes.
   */
  close(code = 1000, reason = ''): Operation<void> {
    checkCloseCode(code);
    const length = Buffer.byteLength(reason);
    if (length > MAX_REASON) throw outOfRange('reason', `at most ${MAX_REASON} bytes`, reason);
    return new Lazy(() => this.#close(code, reason));
  }

  /** Closes the connection at once with a reset, without a closing handshake. Idempotent. */
  terminate(): void {
    this.release();
    this.socket.reset();
  }

  /** As `terminate`, unless the connection is closed. */
  [Symbol.dispose](): void {
    this.release();
    if (this.socket.closed) return;
    if (this.peerClosed && this.#closeSent && this.#control.length === 0) this.socket.close();
    else this.socket.reset();
  }

  *#close(code: number, reason: string): Generator<Wait, void> {
    let complete: true | undefined;
    try {
      if (this.socket.closed || this.#failure !== null) return;
      complete = yield* moveOnAfter(this.#parts.settings.closeTimeoutMs, () =>
        this.#closingHandshake(code, reason),
      );
    } finally {
      this.release();
      if (complete === true || this.socket.closed) this.socket.close();
      else this.socket.reset();
    }
  }

  *#closingHandshake(code: number, reason: string): Generator<Wait, true | undefined> {
    try {
      if (!this.#closeSent) {
        this.#closeSent = true;
        yield* this.#sendFrame(this.#frame(closePayload(code, reason), OPCODE.close), true);
      } else if (this.#control.length > 0) {
        yield* this.#sendFrame([EMPTY], true);
      }
      while (!this.peerClosed) yield* this.#awaitEnd();
      // A server closes the TCP connection first (RFC 6455, section 7.1.1).
      if (!this.#parts.isServer) yield* this.#awaitEndOfFile();
      return true;
    } catch (error) {
      if (isCancelled(error)) throw error;
      // The connection has failed: there is no handshake to complete.
      return undefined;
    }
  }

  /** Discards messages, or waits while another task receives. */
  *#awaitEnd(): Generator<Wait, void> {
    if (this.socket.receiving === null) {
      yield* this.receive();
      return;
    }
    this.#ended ??= new Event();
    yield* this.#ended.wait();
    this.check();
  }

  *#awaitEndOfFile(): Generator<Wait, void> {
    const reader = this.socket.reader();
    while (!this.socket.ended) yield* reader.read();
  }

  /** Sends a close frame without waiting, and limits the time of the handshake. */
  #beginClose(code: number, reason: string): void {
    if (this.#closeSent || this.socket.closed) return;
    this.#closeSent = true;
    this.#control.push(...this.#frame(closePayload(code, reason), OPCODE.close));
    this.#closeBy = this.#scheduler.now() + this.#parts.settings.closeTimeoutMs;
    this.#sendControl();
    this.#arm();
  }

  /** Nothing more is received. */
  #end(): void {
    this.#ended?.set();
  }

  /** Ends the timer and the part of this connection in a drain. @internal */
  release(): void {
    this.#scheduler.disarm(this.#timer);
    this.#closeBy = Infinity;
    this.socket.onDrain = null;
  }

  // ---- events of the engine, within a receive ----

  onMessage(data: Buffer, isBinary: boolean): void {
    this.#message = isBinary ? data : data.toString();
  }

  onPing(data: Buffer): void {
    if (this.#closeSent) return;
    // Only the last ping has to be answered (RFC 6455, section 5.5.3).
    this.#pong = Buffer.from(data);
    this.#sendControl();
  }

  onPong(): void {}

  onClose(code: number, reason: string): void {
    this.closeCode = code;
    this.closeReason = reason;
    this.#beginClose(code === 1005 ? 1000 : code, '');
    this.#end();
  }

  // ---- for IncomingFrames ----

  takeMessage(): string | Buffer | undefined {
    const message = this.#message;
    this.#message = undefined;
    return message;
  }

  get peerClosed(): boolean {
    return this.closeCode !== undefined;
  }

  awaitsPeer(): void {
    if (this.#draining) this.#beginClose(1001, 'going away');
  }

  check(): void {
    if (this.#failure !== null) throw this.#failure;
  }

  fail(message: string, closeCode: number): never {
    this.#failure = protocolError(this.socket, message, closeCode);
    this.#beginClose(closeCode, '');
    this.#end();
    throw this.#failure;
  }

  ended(): never {
    throw this.#lose('the stream has ended without a close frame');
  }

  #lose(why: string): WebSocketError {
    this.#failure ??= abnormalClosure(this.socket, why);
    this.#closeSent = true;
    this.#end();
    return this.#failure;
  }

  // ---- control frames ----

  /** Invariant 3. */
  #sendControl(): void {
    if (this.#sending.locked || this.socket.isSending()) return;
    for (let due = this.#takeControl(); due.length > 0; due = this.#takeControl()) {
      const bytes = Buffer.concat(due);
      let count: number;
      try {
        count = this.socket.trySend(bytes);
      } catch {
        // It is torn, or the connection has failed: a receive or a send reports it.
        return;
      }
      if (count === bytes.length) continue;
      this.#control = [bytes.subarray(count)];
      this.#arm();
      return;
    }
  }

  #takeControl(): Uint8Array[] {
    const control = this.#control;
    this.#control = [];
    if (control.length > 0 || this.#closeSent) return control;
    if (this.#pong !== null) control.push(...this.#frame(this.#pong, OPCODE.pong));
    if (this.#pingDue) control.push(...this.#frame(EMPTY, OPCODE.ping));
    this.#pong = null;
    this.#pingDue = false;
    return control;
  }

  // ---- time ----

  /** The timer: retries control frames, sends pings, ends a peer that does not respond.
   *  @internal */
  expire(): void {
    if (this.socket.closed || this.#failure !== null) return;
    const now = this.#scheduler.now();
    if (now >= this.#closeBy) return this.#abort('the closing handshake took too long');
    this.#sendControl();
    if (!this.#closeSent && now >= this.#nextPingCheck) this.#checkPeer(now);
    if (this.#failure === null) this.#arm();
  }

  get #nextPingCheck(): number {
    const { pingIntervalMs, pongTimeoutMs } = this.#parts.settings;
    const isPinged = this.#pingedAt >= 0;
    return isPinged ? this.#pingedAt + pongTimeoutMs : this.#checkedAt + pingIntervalMs;
  }

  #checkPeer(now: number): void {
    const { bytesReceived, receiving } = this.socket;
    const isSilent = bytesReceived === this.#bytesAtCheck;
    this.#bytesAtCheck = bytesReceived;
    this.#checkedAt = now;
    if (!isSilent || receiving === null) {
      this.#pingedAt = -1;
      return;
    }
    if (this.#pingedAt >= 0) {
      return this.#abort(`no answer to a ping within ${this.#parts.settings.pongTimeoutMs} ms`);
    }
    this.#pingedAt = now;
    this.#pingDue = true;
    this.#sendControl();
  }

  #abort(why: string): void {
    this.#lose(why);
    // The receive ends with the failure, and a send with that of the reset.
    this.socket.transport.notifyRecv();
    this.socket.reset();
  }

  #arm(): void {
    const retryAt = this.#control.length > 0 ? this.#scheduler.now() + RETRY_MS : Infinity;
    const pingAt = this.#closeSent ? Infinity : this.#nextPingCheck;
    this.#scheduler.arm(this.#timer, Math.min(retryAt, pingAt, this.#closeBy));
  }
}

function closePayload(code: number, reason: string): Buffer {
  const payload = Buffer.alloc(2 + Buffer.byteLength(reason));
  payload.writeUInt16BE(code);
  payload.write(reason, 2);
  return payload;
}

/** RFC 6455, section 7.4: the codes that an endpoint may send. */
function checkCloseCode(code: number): void {
  const isAllowed =
    inRange(code, 1000, 1003) || inRange(code, 1007, 1014) || inRange(code, 3000, 4999);
  if (Number.isInteger(code) && isAllowed) return;
  throw outOfRange('code', '1000 to 1003, 1007 to 1014, or 3000 to 4999', code);
}

function inRange(code: number, least: number, most: number): boolean {
  return code >= least && code <= most;
}
