/**
 * The cleartext side of a TLS connection: node:tls, which pushes, turned to pull.
 *
 *   raw transport ──► CipherStream ──► TLSSocket ──► this queue ──► tries
 *
 *   handshake ──► open ──► ended by close_notify, or failed
 *       └──► failed            (close() and reset() lead from anywhere to closed)
 *
 * Invariants:
 *  1. Received bytes come before the end of file and before an error. End of file is the peer's
 *     close_notify and nothing else; where the connection below ends without, a receive throws
 *     ERR_TLS_TRUNCATED, or what the connection below has failed with.
 *  2. At most READ_AHEAD bytes and the records under way are received ahead of the program.
 *  3. At most one record (16 KB) that was sent is in our memory: a try takes no more while some of
 *     it is there.
 *  4. A failure of sending leaves receiving as it is; a failure of the engine ends both.
 *  5. Options, names and RST are those of the connection below.
 */
import { constants } from 'node:os';
import type { TLSSocket } from 'node:tls';
import { ClosedError } from '../../kernel/errors.ts';
import { Readiness } from '../../kernel/readiness.ts';
import { SystemError } from '../../support/system-error.ts';
import type { Endpoint, SocketOption, Transport } from '../../world/network.ts';
import type { TlsInfo } from '../../world/tls.ts';
import { TruncatedError } from '../error-codes.ts';
import { gather, ReceiveQueue } from '../portable/buffers.ts';
import { brokenPipe } from '../portable/node-socket.ts';
import type { CipherOwner, CipherStream } from './cipher-stream.ts';
import { ConnectionInfo } from './connection-info.ts';
import { LingeringClose } from './lingering-close.ts';

/** The longest record of TLS (RFC 8446, section 5.1). */
const MAX_RECORD = 16_384;

/** A record costs as much as a few hundred bytes: a try takes this much, or all, or waits. */
const MIN_PIECE = 4096;

/** The contract looks at no more pieces than this in one vectored send. */
const MAX_PIECES = 64;

const EMPTY: Buffer = Buffer.alloc(0);

/** What the TLS connections of one network share. */
export interface TlsTransportContext {
  /** The open ones. */
  readonly transports: Set<TlsTransport>;
  /** Those that were closed with bytes on their way out. */
  readonly lingering: Set<LingeringClose>;
  /** How long one of these may make no progress before it is given up. */
  readonly lingerMs: number;
}

export class TlsTransport extends Readiness implements Transport, CipherOwner {
  readonly #raw: Transport;
  readonly #cipher: CipherStream;
  readonly #socket: TLSSocket;
  readonly #context: TlsTransportContext;
  readonly #received = new ReceiveQueue();
  #info: ConnectionInfo | undefined = undefined;
  /** The latest ticket, which may come before the handshake is known to be complete. */
  #session: Buffer | undefined = undefined;
  /** The socket was paused because the queue is full. */
  #paused = false;
  /** close_notify, or shutdown('recv'). */
  #recvEnded = false;
  /** shutdown('recv') was called: what comes in is dropped. */
  #discarding = false;
  /** Why every later receive, or send, fails. */
  #recvError: unknown = null;
  #sendError: unknown = null;
  /** The connection below gives no more bytes; `cause` is `undefined` if that was end of file. */
  #rawEnd: { readonly cause: unknown } | null = null;
  /** Bytes that were written to the engine, and that it does not call written yet. */
  #inEngine = 0;
  /** Why the connection below takes no more bytes. */
  #rawSendError: unknown = null;
  #closed = false;
  readonly #onSent = (): void => this.#sent();

  constructor(socket: TLSSocket, cipher: CipherStream, raw: Transport, home: TlsTransportContext) {
    super();
    this.#socket = socket;
    this.#cipher = cipher;
    this.#raw = raw;
    this.#context = home;
    cipher.owner = this;
    home.transports.add(this);
    socket.on('error', (error) => this.#onFailure(error));
    socket.on('close', () => this.#onFailure(this.#disconnectReason()));
    socket.on('session', (session) => this.#keepSession(session));
  }

  /** The handshake is complete. */
  opened(): void {
    if (this.#closed || this.#recvError !== null) return;
    const socket = this.#socket;
    this.#info = new ConnectionInfo(socket);
    this.#info.session = this.#session;
    this.#sendError = this.#rawSendError;
    socket.on('data', (chunk) => this.#onData(chunk));
    socket.on('end', () => this.#onEnd());
    this.notifySend();
    if (this.#rawEnd !== null) this.#scheduleSettleEnd();
  }

  // ---- receiving ----

  tryRecv(max: number): Buffer | undefined {
    const chunk = this.#received.take(max);
    if (chunk === undefined) return this.#atEnd() ? EMPTY : undefined;
    if (this.#received.empty) this.#emptied();
    return chunk;
  }

  tryRecvInto(into: Uint8Array): number {
    const filled = this.#received.takeInto(into);
    if (filled === 0) return this.#atEnd() ? 0 : -1;
    if (this.#received.empty) this.#emptied();
    return filled;
  }

  #onData(chunk: Buffer): void {
    if (this.#discarding || this.#closed) return;
    if (!this.#received.push(chunk)) {
      this.#paused = true;
      this.#socket.pause();
    }
    this.notifyRecv();
  }

  #onEnd(): void {
    if (this.#closed) return;
    this.#recvEnded = true;
    this.notifyRecv();
  }

  /** Nothing is queued. True at end of file, false when more may come. */
  #atEnd(): boolean {
    if (this.#recvEnded) return true;
    if (this.#recvError !== null) throw this.#recvError;
    this.canRecv = false;
    return false;
  }

  #emptied(): void {
    if (!this.#recvEnded && this.#recvError === null) this.canRecv = false;
    this.#resume();
  }

  #resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#socket.resume();
    if (this.#rawEnd !== null) this.#scheduleSettleEnd();
  }

  // ---- sending ----

  trySend(data: Uint8Array): number {
    const length = this.#sendSpace(data.length);
    if (length > 0) this.#write(length === data.length ? data : data.subarray(0, length));
    return length;
  }

  trySendv(chunks: readonly Uint8Array[]): number {
    const pieces = chunks.length > MAX_PIECES ? chunks.slice(0, MAX_PIECES) : chunks;
    const total = pieces.reduce((sum, { length }) => sum + length, 0);
    const length = this.#sendSpace(total);
    if (length === 0) return 0;
    const record = Buffer.allocUnsafe(length);
    gather(pieces, record);
    this.#write(record);
    return length;
  }

  /** How much of `wanted` may be written now; 0: would block, and a notice will follow. */
  #sendSpace(wanted: number): number {
    if (this.#sendError !== null) throw this.#sendError;
    const room = this.#info === undefined ? 0 : MAX_RECORD - this.#held();
    if (room >= Math.min(wanted, MIN_PIECE)) return Math.min(room, wanted);
    this.canSend = false;
    return 0;
  }

  /**
   * Bytes in our memory. node:tls calls a write finished one round of the event loop after the
   * connection below has taken it.
   */
  #held(): number {
    const passed = this.#cipher.unsent === 0 ? this.#inEngine : 0;
    return this.#socket.writableLength - passed;
  }

  /**
   * Where nothing waits, the engine encrypts within the call, and the caller's memory is his again.
   * A failure that is met now belongs to this try.
   */
  #write(piece: Uint8Array): void {
    const socket = this.#socket;
    const direct = socket.writableLength === 0;
    if (direct) this.#inEngine = piece.length;
    socket.write(direct ? piece : Buffer.from(piece), this.#onSent);
    if (this.#sendError !== null) throw this.#sendError;
  }

  /** What has waited was written together, before anybody is told. */
  #sent(): void {
    this.#inEngine = this.#socket.writableLength;
    if (!this.canSend) this.notifySend();
  }

  // ---- the handshake and the end ----

  tryConnect(): boolean {
    if (this.#info !== undefined && !this.#closed) return true;
    if (this.#sendError !== null) throw this.#sendError;
    this.canSend = false;
    return false;
  }

  shutdown(how: 'send' | 'recv' | 'both'): void {
    if (this.#closed) return;
    if (how !== 'send') this.#shutdownRecv();
    if (how !== 'recv' && this.#sendError === null) {
      this.#sendError = brokenPipe();
      this.#socket.end();
      this.notifySend();
    }
  }

  #shutdownRecv(): void {
    this.#discarding = true;
    this.#received.clear();
    this.#resume();
    this.#onEnd();
  }

  /** close_notify behind what was sent, then the end of the connection below. */
  close(): void {
    if (!this.#detach()) return;
    const socket = this.#socket;
    const cipher = this.#cipher;
    const silent = this.#info === undefined || this.#rawSendError !== null || socket.destroyed;
    if (silent || cipher.writableFinished) return this.#release();
    socket.pause();
    const before = cipher.writes;
    socket.end();
    // Where the engine has nothing under way, close_notify goes out within the call.
    if (cipher.writes > before && cipher.unsent === 0) return this.#release();
    cipher.owner = new LingeringClose(this.#raw, cipher, this.#context);
  }

  reset(): void {
    if (!this.#detach()) return;
    this.#raw.reset();
    this.#socket.destroy();
  }

  #release(): void {
    this.#raw.close();
    this.#socket.destroy();
  }

  /** The program is done with the transport. False if it was before. */
  #detach(): boolean {
    if (this.#closed) return false;
    this.#closed = true;
    this.#context.transports.delete(this);
    this.#received.clear();
    this.#recvEnded = false;
    const text = `The connection with ${this.describe()} was closed here`;
    const error = new ClosedError('ERR_CLOSED', text);
    this.#recvError = error;
    this.#sendError = error;
    this.rejectWaiters(error);
    return true;
  }

  // ---- what the connection below tells ----

  rawEnded(cause: unknown): void {
    this.#rawEnd = { cause };
    this.#scheduleSettleEnd();
  }

  /** In the handshake the peer's last words decide: they may say why it has gone. */
  rawSendFailed(error: unknown): void {
    this.#rawSendError = error;
    if (this.#info === undefined) return;
    this.#sendError ??= error;
    this.notifySend();
  }

  flushed(): void {}

  /** In its own time: what node:tls makes of the last bytes, it tells in later ticks. */
  #scheduleSettleEnd(): void {
    setImmediate(() => this.#settleEnd());
  }

  #settleEnd(): void {
    if (this.#closed || this.#recvEnded || this.#recvError !== null) return;
    if (this.#info === undefined) return this.#onFailure(this.#disconnectReason());
    // Cleartext that node:tls still holds comes first: `#resume` looks again.
    if (this.#paused) return;
    if (this.#socket.readableLength > 0) return this.#scheduleSettleEnd();
    const cause = this.#rawEnd?.cause;
    this.#recvError = cause ?? new TruncatedError(this.describe());
    if (cause !== undefined) this.#sendError ??= brokenPipe();
    this.notifyRecv();
    if (cause !== undefined) this.notifySend();
  }

  /** The engine has failed, or is gone. Called once or several times. */
  #onFailure(error: unknown): void {
    if (this.#closed) return;
    this.#drainSocket();
    this.#recvError ??= error;
    this.#sendError ??= error;
    this.notifyRecv();
    this.notifySend();
  }

  /** Saves what a paused socket still holds. */
  #drainSocket(): void {
    const socket = this.#socket;
    if (socket.readableLength === 0 || this.#recvEnded || this.#discarding) return;
    socket.removeAllListeners('data');
    const chunk: Buffer | null = socket.read();
    if (chunk !== null) this.#received.push(chunk);
  }

  /** Why the connection is over, if the engine has not said so itself. */
  #disconnectReason(): unknown {
    const what = this.#info === undefined ? 'TLS handshake' : 'read';
    return this.#rawEnd?.cause ?? disconnectedError(what, this.remote);
  }

  // ---- facts and options ----

  get tls(): TlsInfo | undefined {
    return this.#info;
  }

  #keepSession(session: Buffer): void {
    this.#session = session;
    if (this.#info !== undefined) this.#info.session = session;
  }

  get local(): Endpoint {
    return this.#raw.local;
  }

  get remote(): Endpoint {
    return this.#raw.remote;
  }

  getOption(option: SocketOption): number | undefined {
    return this.#raw.getOption(option);
  }

  setOption(option: SocketOption, value: number): void {
    this.#raw.setOption(option, value);
  }

  override describe(): string {
    return this.#raw.describe();
  }
}

/** The peer has ended the connection where it should not have. */
export function disconnectedError(what: string, peer: Endpoint): SystemError {
  return new SystemError('ECONNRESET', -constants.errno.ECONNRESET, what, peer);
}
