/** Reader: reads whole messages from the bytes of a socket, in whatever chunks they arrive. */

import type { Selectable } from '../../kernel/case.ts';
import type { Keys } from '../../support/checks.ts';
import { checkInteger, checkKeys, outOfRange } from '../../support/checks.ts';
import { checkBytes } from '../bytes.ts';
import { BatchFraming } from '../codec/batch.ts';
import type { FramingSource } from '../codec/codec.ts';
import { unreadBytes } from '../errors.ts';
import type { Socket } from '../tcp/socket.ts';
import type { Framing } from './read-operation.ts';
import { ANY, EXACTLY, LINE, LINES, PEEK, ReadOperation, UNTIL } from './read-operation.ts';
import { ReaderBuffer } from './reader-buffer.ts';

const DEFAULT_MAX = 65536;
const MAX_BYTES = 2 ** 31 - 1;

/** Options of a Reader. */
export interface ReaderOptions {
  /** The maximum number of bytes of a line (without its end), or up to and including a delimiter;
   *  65536. */
  readonly max?: number;
}

const READER_KEYS: Keys<ReaderOptions> = { max: true };

/**
 * Reads messages from a socket; created by `socket.reader()`. The reader holds bytes that were
 * received and not read yet. A cancelled or timed-out read therefore loses no byte: the next read
 * gets them.
 *
 * Only one task at a time may read, and no other receive may be in progress: ERR_BUSY. While the
 * reader holds bytes, `socket.recv` and the other direct receives throw ERR_BUFFERED, because they
 * would skip them. Bytes that arrived before an error of the connection can still be read; after
 * them, reads throw the error. Memory grows with the received bytes, up to the requested message
 * and 64 KB more. A returned Buffer may share memory with held bytes: if it is transferred to a
 * worker, reads throw a TypeError. A read can be a case of `select`.
 * @example
 * const reader = socket.reader({ max: 8192 });
 * for (;;) {
 *   const line = yield* reader.readLine();
 *   if (line === null) return;
 *   yield* socket.sendAll(`${line.toUpperCase()}\n`);
 * }
 */
export class Reader implements Disposable {
  readonly #socket: Socket;
  readonly #buffer: ReaderBuffer = new ReaderBuffer();
  /** The read that is reused; while it is in progress, others are created. @internal */
  readonly reusable: ReadOperation;
  #max: number = DEFAULT_MAX;
  /** The last delimiter, and its text: the same object lets the search continue where it was. */
  #delimiter: Buffer = Buffer.alloc(0);
  #delimiterText = '';
  /** The last codec, its state for this connection, and the same for batches. */
  #codec: FramingSource<unknown> | null = null;
  #framing: Framing<unknown> | null = null;
  #batch: BatchFraming<unknown> | null = null;

  /** Readers are created by `socket.reader()`. @internal */
  constructor(socket: Socket) {
    this.#socket = socket;
    this.reusable = new ReadOperation(socket, this.#buffer).reuse();
  }

  /** The number of bytes that were received and not read yet. */
  get buffered(): number {
    return this.#buffer.length;
  }

  /**
   * Reads 1 to `max` bytes: bytes that the reader holds, otherwise those of one receive. An empty
   * Buffer at end of file. The caller owns the Buffer.
   * Cancel: no byte is lost. Errors: as `socket.recv`.
   */
  read(max: number = DEFAULT_MAX): Selectable<Buffer> {
    checkInteger('max', max, 1, MAX_BYTES);
    return this.#readOperation(ANY, max) as Selectable<Buffer>;
  }

  /**
   * Reads `n` bytes, or returns `null` if end of file comes before the first of them. `n` may come
   * from the peer: memory is allocated only as bytes arrive. Still check it, because it is the
   * amount that the program accepts.
   * Cancel: no byte is lost. Errors: ERR_UNEXPECTED_EOF if end of file comes within the message
   * (the received bytes are in `.bytes`), and as `socket.recv`.
   */
  readExactly(n: number): Selectable<Buffer | null> {
    checkInteger('n', n, 0, MAX_BYTES);
    return this.#readOperation(EXACTLY, n) as Selectable<Buffer | null>;
  }

  /**
   * Returns a copy of the next `n` bytes, which stay readable; `null` if end of file comes before
   * the first of them. For example, the first byte of a connection can determine its protocol.
   * Cancel: no byte is lost. Errors: ERR_UNEXPECTED_EOF if fewer bytes come before end of file
   * (`.bytes` has a copy; they stay readable), and as `socket.recv`.
   * @example
   * const first = yield* reader.peek(1);
   */
  peek(n: number): Selectable<Buffer | null> {
    checkInteger('n', n, 0, MAX_BYTES);
    return this.#readOperation(PEEK, n) as Selectable<Buffer | null>;
  }

  /**
   * Reads up to and including the next `delimiter` (a text as UTF-8), or returns `null` if end of
   * file comes before the first byte.
   * Cancel: no byte is lost. Errors: ERR_LIMIT if the result would exceed `max` bytes (they stay
   * readable), ERR_UNEXPECTED_EOF if end of file comes first (the received bytes are in `.bytes`),
   * a RangeError for an empty delimiter, and as `socket.recv`.
   */
  readUntil(delimiter: string | Uint8Array, options?: ReaderOptions): Selectable<Buffer | null> {
    const max = this.#limitOf(options);
    const bytes = this.#delimiterOf(delimiter);
    const read = this.#readOperation(UNTIL, max);
    read.delimiter = bytes;
    return read as Selectable<Buffer | null>;
  }

  /**
   * Reads a line and returns it without the `\n` or `\r\n` that ends it. The last line may lack it.
   * `null`: end of file. The text is decoded from the whole line, so a character that arrives in
   * parts is correct. Invalid UTF-8 becomes U+FFFD (`readUntil('\n')` returns the bytes).
   * Cancel: no byte is lost. Errors: ERR_LIMIT if the line is longer than `max` bytes (they stay
   * readable), and as `socket.recv`.
   */
  readLine(options?: ReaderOptions): Selectable<string | null> {
    return this.#readOperation(LINE, this.#limitOf(options)) as Selectable<string | null>;
  }

  /**
   * Reads all complete lines that have arrived, at least one, as `readLine` would return them.
   * `null`: end of file. For peers that send many lines at a time: one operation and one decoding
   * serve all of them. The lines may share memory: one that is kept for long keeps the others.
   * Cancel: no byte is lost. Errors: ERR_LIMIT if the first line is longer than `max` bytes (they
   * stay readable; lines before a longer one are returned first), and as `socket.recv`.
   * @example
   * for (let lines; (lines = yield* reader.readLines()) !== null; ) {
   *   writer.write(lines.map(answer).join(''));
   *   yield* writer.flush();
   * }
   */
  readLines(options?: ReaderOptions): Selectable<string[] | null> {
    return this.#readOperation(LINES, this.#limitOf(options)) as Selectable<string[] | null>;
  }

  /**
   * The end of a `using` block. The socket stays open, held bytes stay readable through
   * `socket.reader()`, and unused memory is released.
   */
  [Symbol.dispose](): void {
    this.#buffer.shrink();
  }

  /** Reads a message as `codec` frames it. @internal */
  readFramed<T>(codec: FramingSource<T>): Selectable<T | null> {
    const framing = this.#framingOf(codec);
    return this.#readOperation(framing, codec.max) as unknown as Selectable<T | null>;
  }

  /** Reads all messages that have arrived. @internal */
  readFramedBatch<T>(codec: FramingSource<T>): Selectable<readonly T[]> {
    const framing = this.#framingOf(codec);
    this.#batch ??= new BatchFraming(framing);
    return this.#readOperation(this.#batch, codec.max) as unknown as Selectable<readonly T[]>;
  }

  /** From now on, bytes that are read are kept, until `release` or `rewind`. @internal */
  mark(): void {
    this.#buffer.mark();
  }

  /** The number of bytes that were read since the mark. @internal */
  get sinceMark(): number {
    return this.#buffer.sinceMark;
  }

  /** @internal */
  release(): void {
    this.#buffer.release();
  }

  /** The bytes that were read since the mark are unread again. @internal */
  rewind(): void {
    this.#buffer.rewind();
  }

  /** Updates the given options. @internal */
  configure(options: ReaderOptions): void {
    this.#max = this.#limitOf(options);
  }

  /** Takes all held bytes. @internal */
  takeAll(): Buffer {
    return this.#buffer.take(this.#buffer.length);
  }

  /** Throws if the reader holds bytes, which a direct receive would skip. @internal */
  checkEmpty(): void {
    if (this.#buffer.length > 0) throw unreadBytes(this.#socket.name, this.#buffer.length);
  }

  #readOperation(framing: Framing<unknown>, max: number): ReadOperation {
    const { reusable } = this;
    const read = reusable.acquire() ? reusable : new ReadOperation(this.#socket, this.#buffer);
    read.framing = framing;
    read.max = max;
    return read;
  }

  #framingOf<T>(codec: FramingSource<T>): Framing<T | null> {
    if (this.#codec !== codec) {
      this.#codec = codec;
      this.#framing = codec.framing();
      this.#batch = null;
    }
    return this.#framing as Framing<T | null>;
  }

  #limitOf(options: ReaderOptions | undefined): number {
    if (options === undefined) return this.#max;
    checkKeys('options', options, READER_KEYS);
    const { max } = options;
    if (max === undefined) return this.#max;
    checkInteger('max', max, 1, MAX_BYTES);
    return max;
  }

  /** A copy of the delimiter: the same object while the delimiter is the same. */
  #delimiterOf(delimiter: string | Uint8Array): Buffer {
    const isText = typeof delimiter === 'string';
    if (isText && delimiter !== '' && delimiter === this.#delimiterText) return this.#delimiter;
    if (!isText) checkBytes('delimiter', delimiter);
    if (delimiter.length === 0) throw outOfRange('delimiter', 'at least one byte', delimiter);
    const bytes = isText ? Buffer.from(delimiter) : delimiter;
    if (!this.#delimiter.equals(bytes)) this.#delimiter = Buffer.from(bytes);
    this.#delimiterText = isText ? delimiter : '';
    return this.#delimiter;
  }
}
