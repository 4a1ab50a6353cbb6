/** Writer: combines small pieces into few sends. */

import type { Operation } from '../../kernel/operation.ts';
import type { Keys } from '../../support/checks.ts';
import { checkInteger, checkKeys, checkOptionalBoolean } from '../../support/checks.ts';
import { Slice } from '../../support/slice.ts';
import { checkData, memoryChanged, writeText } from '../bytes.ts';
import { busySocket, exceedsHighWaterMark, notFlushed, unflushedBytes } from '../errors.ts';
import { keep } from '../tcp/loan.ts';
import { NO_PIECES, Pieces, SendPieces } from '../tcp/send.ts';
import type { Socket } from '../tcp/socket.ts';

const DEFAULT_HIGH_WATER_MARK = 65536;

/** Pieces of at least this size are sent without a copy; smaller ones are copied into a chunk. */
export const LARGE_PIECE = 4096;

/** Texts are joined up to this many characters, and encoded together. */
const MAX_TEXT = 4096;

/** The most bytes of UTF-8 for one character of a string (a UTF-16 code unit). */
export const BYTES_PER_CHARACTER = 3;

/** The size of the first chunk for small pieces. Later ones grow with what is written, … */
const FIRST_CHUNK = 4096;
/** … and have at most this size. */
const LARGEST_CHUNK = 16384;

/** The memory for small pieces. Programs never see it. */
class Chunk {
  readonly bytes: Buffer;
  /** bytes.buffer: its getter is slow. */
  readonly #memory: ArrayBufferLike;

  constructor(size: number) {
    this.bytes = Buffer.allocUnsafeSlow(size);
    this.#memory = this.bytes.buffer;
  }

  /** The bytes from `from` on. */
  room(from: number): Uint8Array {
    return from === 0 ? this.bytes : this.slice(from, this.bytes.length);
  }

  slice(from: number, to: number): Uint8Array {
    return new Slice(this.#memory, from, to - from);
  }
}

const NO_CHUNK = new Chunk(0);

/**
 * First chunks that no writer of this thread uses, at most MAX_SPARE. The next writer takes the one
 * that was used last, which is in the processor cache and costs no garbage collection.
 */
const spareChunks: Chunk[] = [];
const MAX_SPARE = 16;

/** Options of a Writer. */
export interface WriterOptions {
  /** The maximum number of bytes that may wait to be flushed; 65536. */
  readonly highWaterMark?: number;
  /**
   * True: a task that receives from the socket flushes before it waits, or once half of
   * `highWaterMark` waits, and what is left is flushed after the handler of `tcpServer` has
   * returned. A loop that reads a request and writes its response then needs no `flush`, and the
   * responses to requests that arrive together leave in one send. Default: false.
   */
  readonly autoFlush?: boolean;
}

const WRITER_KEYS: Keys<WriterOptions> = { highWaterMark: true, autoFlush: true };

/** Encodes a message into `memory`, from `at` on. */
interface MessageEncoder<P> {
  encodeInto(memory: Buffer, at: number, payload: P): void;
}

/**
 * Collects bytes to send; created by `socket.writer()`. `write` never waits. `flush` sends all of
 * them in order. While bytes wait here, `socket.sendAll` and the other direct sends throw
 * ERR_FLUSH_NEEDED, because they would overtake them. A handler of `tcpServer` that returns while
 * bytes wait fails with ERR_NOT_FLUSHED. `discard()` and `socket.reset()` drop them.
 *
 * @example
 * const writer = socket.writer();
 * writer.write('HTTP/1.1 200 OK\r\n');
 * writer.write(`content-length: ${body.length}\r\n\r\n`);
 * writer.write(body);
 * yield* writer.flush();
 */
export class Writer {
  readonly #socket: Socket;
  /** The flush that is reused; while it is in progress, others are created. @internal */
  readonly reusable: Flush;
  #highWaterMark: number = DEFAULT_HIGH_WATER_MARK;
  #autoFlush = false;
  /** The number of bytes that were sent of the message whose rest waits. @internal */
  partlySent = 0;
  /** The pieces that wait, in order, without the unsealed part of the chunk; null: none. */
  #pieces: Uint8Array[] | null = null;
  /** Memory for small pieces. Its bytes `#from` to `#to` wait too, after `#pieces`. */
  #chunk: Chunk = NO_CHUNK;
  #from = 0;
  #to = 0;
  /** Texts that wait, after the chunk: joining them is cheap, and encoding is one call for all. */
  #text = '';
  /** The number of bytes that wait and that no flush has taken, without the text. */
  #waiting = 0;
  /** The bytes that the flush in progress has not sent yet. */
  #flushing: Pieces = NO_PIECES;
  /** A flush has failed: its error has reported that the bytes were not sent. */
  #lastFlushFailed = false;

  /** Writers are created by `socket.writer()`. @internal */
  constructor(socket: Socket) {
    this.#socket = socket;
    this.reusable = new Flush(socket, this).reuse();
  }

  /** The number of bytes that were written and that the network has not taken. */
  get buffered(): number {
    this.#encode();
    return this.#waiting + this.#flushing.length;
  }

  /**
   * Adds `data` (a text as UTF-8) to the bytes of the next flush. Consecutive texts are encoded as
   * one text. A piece of 4 KB or more is not
   * copied: do not change it until that flush has returned. If it is detached, the flush fails with
   * a TypeError.
   * Errors: ERR_FLUSH_NEEDED if more than `highWaterMark` bytes would wait; then nothing of `data`
   * is added. TypeError.
   */
  write(data: Uint8Array | string): void {
    if (typeof data !== 'string') checkData('data', data);
    else if (this.#join(data)) return;
    const length = typeof data === 'string' ? Buffer.byteLength(data) : data.length;
    if (length === 0) return;
    if (this.buffered + length > this.#highWaterMark) {
      throw exceedsHighWaterMark(this.buffered, length, this.#highWaterMark);
    }
    this.#add(data, length);
    this.#lastFlushFailed = false;
  }

  /**
   * Sends all bytes that were written so far, in order. Bytes that are written while it runs stay
   * for the next flush.
   * Cancel: before the first byte is sent, the flush has no effect and the bytes stay. After it,
   * the send half is torn, as by `sendAll`, and the bytes are dropped.
   * Errors: as `socket.sendAll`. If no byte was sent, the bytes stay.
   */
  flush(): Operation<void> {
    return this.reusable.acquire() ? this.reusable : new Flush(this.#socket, this);
  }

  /**
   * Drops the bytes that wait to be flushed, and returns their number. After a flush that was
   * cancelled before its first byte was sent, the connection can then be used again: `sendAll`
   * sends, and a handler may return. A flush that was cancelled after its first byte has dropped
   * its own bytes; the send half stays torn, so later sends throw ERR_TORN. If `autoFlush` has sent
   * a part of the bytes, dropping the rest tears the send half.
   * Errors: ERR_BUSY while another task is in a flush.
   * @example
   * const dropped = writer.discard();
   * yield* socket.sendAll('timeout\n');
   */
  discard(): number {
    if (this.#flushing !== NO_PIECES) throw busySocket('send', this.#socket.name);
    this.#encode();
    const dropped = this.#waiting;
    if (this.partlySent > 0) this.#socket.tear(this.partlySent);
    this.#clear();
    return dropped;
  }

  /** True if `length` more bytes may wait. @internal */
  hasRoom(length: number): boolean {
    return (
      this.#most() + length <= this.#highWaterMark || this.buffered + length <= this.#highWaterMark
    );
  }

  /**
   * Adds a message of `size` bytes, fewer than LARGE_PIECE, for which there is room. `encoder`
   * makes it in the memory of this writer. @internal
   */
  append<P>(size: number, encoder: MessageEncoder<P>, payload: P): void {
    this.#encode();
    this.#makeRoom(size);
    encoder.encodeInto(this.#chunk.bytes, this.#to, payload);
    this.#to += size;
    this.#waiting += size;
    this.#lastFlushFailed = false;
  }

  /** Updates the given options. @internal */
  configure(options: WriterOptions): void {
    checkKeys('options', options, WRITER_KEYS);
    const { highWaterMark, autoFlush } = options;
    checkOptionalBoolean('autoFlush', autoFlush);
    if (autoFlush !== undefined) this.#autoFlush = autoFlush;
    if (highWaterMark === undefined) return;
    checkInteger('highWaterMark', highWaterMark, 1, 2 ** 31 - 1);
    this.#highWaterMark = highWaterMark;
  }

  /**
   * Before a receive: sends the bytes that are due, without waiting. `waits`: the receive is about
   * to wait. False: some of them are left. The rest waits in order, so the stream is not torn.
   * @internal
   */
  sendDue(waits: boolean): boolean {
    const atLeast = this.#waiting + this.#text.length;
    if (!this.#autoFlush || atLeast === 0 || this.#socket.isSending()) return true;
    if (!waits && atLeast * 2 < this.#highWaterMark) return true;
    const pieces = this.beginFlush();
    try {
      for (let sent = 1; pieces.length > 0 && sent > 0; this.partlySent += sent) {
        sent = pieces.transmit(this.#socket);
      }
    } catch (error) {
      this.flushFailed();
      throw error;
    } finally {
      this.endFlush();
    }
    if (this.#waiting > 0) return false;
    this.#socket.sendCompleted();
    return true;
  }

  /** The flush after the handler has returned; null: nothing is left. Throws if the program has
   *  left bytes unflushed. @internal */
  finalFlush(): Operation<void> | null {
    if (this.buffered === 0 || this.#lastFlushFailed) return null;
    if (!this.#autoFlush) throw notFlushed(this.#socket.name, this.buffered);
    return this.flush();
  }

  /** The flush before a TLS handshake; null: nothing waits. Throws if the program has to flush.
   *  @internal */
  flushBeforeTls(): Operation<void> | null {
    if (!this.#autoFlush) this.checkEmpty();
    return this.buffered === 0 ? null : this.flush();
  }

  /** Throws if bytes wait, which a direct send would overtake. @internal */
  checkEmpty(): void {
    const { buffered } = this;
    if (buffered > 0) throw unflushedBytes(this.#socket.name, buffered);
  }

  /** Drops the bytes that wait. @internal */
  drop(): void {
    this.#flushing = NO_PIECES;
    this.#clear();
  }

  // ---- for the flush ----

  /** Passes all waiting pieces to a flush. Throws if the memory of one was detached. @internal */
  beginFlush(): Pieces {
    this.#encode();
    this.#seal();
    if (this.#pieces === null) return NO_PIECES;
    const pieces = new Pieces(this.#pieces, this.#waiting);
    if (!pieces.intact) throw memoryChanged('data', this.#pieces);
    this.#flushing = pieces;
    this.#pieces = null;
    this.#waiting = 0;
    return pieces;
  }

  /** The flush has ended. Pieces that it has not sent wait again, before later ones. @internal */
  endFlush(): void {
    const rest = this.#flushing;
    this.#flushing = NO_PIECES;
    if (rest.length > 0) {
      this.#pieces = [...rest.rest(), ...(this.#pieces ?? [])];
      this.#waiting += rest.length;
    }
    // A connection without bytes to send owns no memory.
    if (this.#waiting === 0 && this.#text === '') {
      keepSpare(this.#chunk);
      this.#clear();
    }
  }

  /** The network has thrown an error into the flush. @internal */
  flushFailed(): void {
    this.#lastFlushFailed = true;
  }

  /** Adds a short text to the others, if it certainly does not exceed `highWaterMark`. */
  #join(text: string): boolean {
    const length = this.#text.length + text.length;
    if (length > MAX_TEXT) return false;
    if (this.#most() + text.length * BYTES_PER_CHARACTER > this.#highWaterMark) return false;
    this.#text += text;
    this.#lastFlushFailed = false;
    return true;
  }

  /** At least the number of bytes in `buffered`, which encodes the text. */
  #most(): number {
    return this.#waiting + this.#flushing.length + this.#text.length * BYTES_PER_CHARACTER;
  }

  /** Encodes the texts that wait. */
  #encode(): void {
    const text = this.#text;
    if (text === '') return;
    this.#text = '';
    const most = text.length * BYTES_PER_CHARACTER;
    if (most > FIRST_CHUNK) return this.#add(text, Buffer.byteLength(text));
    this.#makeRoom(most);
    const length = writeText(this.#chunk.room(this.#to), text);
    this.#to += length;
    this.#waiting += length;
  }

  #add(data: Uint8Array | string, length: number): void {
    if (length < LARGE_PIECE) {
      this.#copy(data, length);
    } else {
      this.#seal();
      this.#push(typeof data === 'string' ? Buffer.from(data) : keep(data));
    }
    this.#waiting += length;
  }

  #copy(data: Uint8Array | string, length: number): void {
    this.#makeRoom(length);
    if (typeof data === 'string') writeText(this.#chunk.room(this.#to), data);
    else this.#chunk.bytes.set(data, this.#to);
    this.#to += length;
  }

  /** Provides `length` bytes after `#to`, in a new chunk if necessary. */
  #makeRoom(length: number): void {
    if (this.#chunk.bytes.length - this.#to >= length) return;
    this.#seal();
    this.#chunk =
      this.#waiting === 0
        ? (spareChunks.pop() ?? new Chunk(FIRST_CHUNK))
        : new Chunk(Math.min(LARGEST_CHUNK, Math.max(FIRST_CHUNK, this.#waiting)));
    this.#from = 0;
    this.#to = 0;
  }

  /** Adds the unsealed part of the chunk to the pieces. */
  #seal(): void {
    if (this.#to === this.#from) return;
    this.#push(this.#chunk.slice(this.#from, this.#to));
    this.#from = this.#to;
  }

  #push(piece: Uint8Array): void {
    // A list that has one element from the beginning has no room for more.
    if (this.#pieces === null) this.#pieces = [piece];
    else this.#pieces.push(piece);
  }

  #clear(): void {
    this.partlySent = 0;
    this.#pieces = null;
    this.#chunk = NO_CHUNK;
    this.#from = 0;
    this.#to = 0;
    this.#text = '';
    this.#waiting = 0;
  }
}

/** Keeps a chunk whose bytes were sent for the next writer. */
function keepSpare(chunk: Chunk): void {
  if (chunk.bytes.length === FIRST_CHUNK && spareChunks.length < MAX_SPARE) spareChunks.push(chunk);
}

/** `flush`: sends the writer's pieces, and returns them to it if no byte was sent. */
class Flush extends SendPieces {
  readonly #writer: Writer;
  /** True: the writer has passed its pieces to this flush. */
  #hasPieces = false;

  constructor(socket: Socket, writer: Writer) {
    super(socket);
    this.#writer = writer;
  }

  protected get call(): string {
    return 'writer.flush()';
  }

  protected override attempt(): boolean {
    if (!this.#hasPieces) {
      this.#hasPieces = true;
      this.pieces = this.#writer.beginFlush();
    }
    return super.attempt();
  }

  protected override failed(error: unknown): void {
    this.#writer.flushFailed();
    if (this.sent > 0) this.#writer.drop();
    super.failed(error);
  }

  protected override settle(complete: boolean): void {
    if (this.#hasPieces) {
      this.#hasPieces = false;
      if (!complete && this.sent > 0) this.#writer.drop();
      this.#writer.endFlush();
    }
    super.settle(complete);
  }
}
