/** Writer: many small pieces gathered into few sends. */

import type { Operation } from '../../kernel/operation.ts';
import { checkInteger } from '../../support/checks.ts';
import { checkBytes, memoryChanged } from '../bytes.ts';
import { exceedsHighWaterMark, notFlushed, unflushedBytes } from '../errors.ts';
import type { ReusableOperation } from '../reusable-operation.ts';
import { NO_PIECES, Pieces, SendPieces } from '../tcp/send.ts';
import type { Socket } from '../tcp/socket.ts';

const DEFAULT_HIGH_WATER_MARK = 65536;

/** Pieces from this size on are sent from where they are; smaller ones are copied together. */
const LARGE_PIECE = 4096;

/** Chunks for small pieces grow with what is written: little for a short answer, … */
const FIRST_CHUNK = 1024;
/** … and no more than this. */
const LARGEST_CHUNK = 16384;

const NOTHING: Buffer = Buffer.alloc(0);

/** How much a writer gathers. */
export interface WriterOptions {
  /** The most bytes that may wait to be flushed; 65536. */
  readonly highWaterMark?: number;
}

/**
 * Gathers what is to be sent; made by `socket.writer()`. `write` never waits, `flush` sends all of
 * it in order. While bytes wait here, `socket.sendAll` and its kin would overtake them: they throw
 * ERR_FLUSH_NEEDED. A handler of `tcpServer` that returns while bytes wait fails with
 * ERR_NOT_FLUSHED. `socket.reset()` drops them.
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
  readonly #flushOperation: Flush;
  /** The flush that allocates nothing. @internal */
  readonly reusable: ReusableOperation<void>;
  #highWaterMark: number = DEFAULT_HIGH_WATER_MARK;
  /** What waits, in order, without what is in the chunk. */
  #pieces: Uint8Array[] = [];
  /** Where small pieces are written: `#from`..`#to` of it waits, too. */
  #chunk: Buffer = NOTHING;
  #from = 0;
  #to = 0;
  /** Bytes that wait and that no flush has taken. */
  #waiting = 0;
  /** What the flush in progress has yet to send. */
  #flushing: Pieces = NO_PIECES;
  /** The program knows that the bytes could not be sent: its flush has failed. */
  #lastFlushFailed = false;

  /** Writers are made by `socket.writer()`. @internal */
  constructor(socket: Socket) {
    this.#socket = socket;
    this.#flushOperation = new Flush(socket, this);
    this.reusable = this.#flushOperation;
  }

  /** Bytes that were written and that the network has not taken. */
  get buffered(): number {
    return this.#waiting + this.#flushing.length;
  }

  /**
   * Takes `data` (a text as UTF-8) to be sent by the next flush. Pieces of 4 KB and more are not
   * copied: they must not be changed until that flush has returned (one that was detached makes it
   * fail with a TypeError).
   * Throws ERR_FLUSH_NEEDED, and takes nothing of `data`, if more than `highWaterMark` bytes would
   * wait then.
   */
  write(data: Uint8Array | string): void {
    if (typeof data !== 'string') checkBytes('data', data);
    const length = typeof data === 'string' ? Buffer.byteLength(data) : data.length;
    if (length === 0) return;
    if (this.buffered + length > this.#highWaterMark) {
      throw exceedsHighWaterMark(this.buffered, length, this.#highWaterMark);
    }
    if (length < LARGE_PIECE) {
      this.#copy(data, length);
    } else {
      this.#seal();
      this.#pieces.push(typeof data === 'string' ? Buffer.from(data) : data);
    }
    this.#waiting += length;
    this.#lastFlushFailed = false;
  }

  /**
   * Sends everything that was written so far, in order; what is written meanwhile stays for the
   * next flush. Cancel: before the first byte has gone out, nothing has happened and the bytes
   * stay; after it, the sending side is torn as by `sendAll`, and the bytes are dropped.
   * Errors: as `socket.sendAll`. If no byte had gone out, the bytes stay.
   */
  flush(): Operation<void> {
    let flush = this.#flushOperation;
    if (!flush.take()) {
      flush = new Flush(this.#socket, this);
      flush.take();
    }
    return flush;
  }

  /** What is given replaces what was. @internal */
  configure({ highWaterMark }: WriterOptions): void {
    if (highWaterMark === undefined) return;
    checkInteger('highWaterMark', highWaterMark, 1, 2 ** 31 - 1);
    this.#highWaterMark = highWaterMark;
  }

  /** Throws if a send past the writer would overtake bytes. @internal */
  checkEmpty(): void {
    const { buffered } = this;
    if (buffered > 0) throw unflushedBytes(this.#socket.name, buffered);
  }

  /** Throws if the program has left bytes behind. @internal */
  checkFlushed(): void {
    if (this.buffered > 0 && !this.#lastFlushFailed)
      throw notFlushed(this.#socket.name, this.buffered);
  }

  /** What waits will not be sent. @internal */
  drop(): void {
    this.#flushing = NO_PIECES;
    this.#clear();
  }

  // ---- for the flush ----

  /** A flush begins: it gets all that waits. Throws if some of that is gone. @internal */
  beginFlush(): Pieces {
    this.#seal();
    const pieces = new Pieces(this.#pieces);
    if (pieces.length !== this.#waiting) throw memoryChanged('data', this.#pieces);
    this.#flushing = pieces;
    this.#pieces = [];
    this.#waiting = 0;
    return this.#flushing;
  }

  /** The flush is over; what it has not sent waits again, in its place. @internal */
  endFlush(): void {
    const rest = this.#flushing;
    this.#flushing = NO_PIECES;
    if (rest.length > 0) {
      this.#pieces = [...rest.rest(), ...this.#pieces];
      this.#waiting += rest.length;
    }
    // A connection that has nothing to send owns no memory.
    if (this.#waiting === 0) this.#clear();
  }

  /** The network has thrown into the flush. @internal */
  flushFailed(): void {
    this.#lastFlushFailed = true;
  }

  #copy(data: Uint8Array | string, length: number): void {
    if (this.#chunk.length - this.#to < length) {
      this.#seal();
      const wanted = Math.min(LARGEST_CHUNK, Math.max(FIRST_CHUNK, this.#waiting));
      this.#chunk = Buffer.allocUnsafe(Math.max(wanted, length));
      this.#from = 0;
      this.#to = 0;
    }
    if (typeof data === 'string') this.#chunk.write(data, this.#to, length);
    else this.#chunk.set(data, this.#to);
    this.#to += length;
  }

  /** What the chunk holds becomes a piece; later pieces are written behind it. */
  #seal(): void {
    if (this.#to === this.#from) return;
    this.#pieces.push(this.#chunk.subarray(this.#from, this.#to));
    this.#from = this.#to;
  }

  #clear(): void {
    this.#pieces = [];
    this.#chunk = NOTHING;
    this.#from = 0;
    this.#to = 0;
    this.#waiting = 0;
  }
}

/** `flush`: the pieces of the writer's, which takes back what a cancellation leaves. */
class Flush extends SendPieces {
  readonly #writer: Writer;
  /** The bytes have been handed over to this flush. */
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

  protected override failed(): void {
    this.#writer.flushFailed();
    if (this.sent > 0) this.#writer.drop();
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
