/** Reader: whole messages out of the bytes of a socket, however they arrive. */

import type { Operation } from '../../kernel/operation.ts';
import { checkInteger, outOfRange } from '../../support/checks.ts';
import { checkBytes } from '../bytes.ts';
import { unreadBytes } from '../errors.ts';
import type { ReusableOperation } from '../reusable-operation.ts';
import type { Socket } from '../tcp/socket.ts';
import type { Framing } from './read-operation.ts';
import { ANY, EXACTLY, LINE, ReadOperation, UNTIL } from './read-operation.ts';
import { ReaderBuffer } from './reader-buffer.ts';

const DEFAULT_MAX = 65536;
const MAX_BYTES = 2 ** 31 - 1;

/** How long a message may be. */
export interface ReaderOptions {
  /** The most bytes of a line (without what ends it), or up to a delimiter (with it); 65536. */
  readonly max?: number;
}

/**
 * Reads messages from a socket; made by `socket.reader()`. What was received and not yet read is
 * held here, so a read that is cancelled or timed out loses no byte, and the next one finds them.
 *
 * One task at a time may read, and no other receive may be in progress: ERR_BUSY. While bytes are
 * held, `socket.recv` and its kin would pass over them: they throw ERR_BUFFERED. Bytes that came
 * before an error of the connection can be read; then reads throw that error. Memory grows with the
 * bytes that were received, up to the message asked for and 64 KB more. What is given out may share
 * memory with what is held: if it is transferred (to a worker), reads throw a TypeError. Reads can
 * be arms of `select`.
 *
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
  /** The read that allocates nothing; while it is in progress, others are made. @internal */
  readonly reusable: ReusableOperation<unknown>;
  readonly #read: ReadOperation;
  #max: number = DEFAULT_MAX;
  /** The last delimiter, and the text that it was given as: the search goes on where it was. */
  #delimiter: Buffer = Buffer.alloc(0);
  #delimiterText = '';

  /** Readers are made by `socket.reader()`. @internal */
  constructor(socket: Socket) {
    this.#socket = socket;
    this.#read = new ReadOperation(socket, this.#buffer);
    this.reusable = this.#read;
  }

  /** Bytes that were received and not yet read. */
  get buffered(): number {
    return this.#buffer.length;
  }

  /**
   * Reads 1..max bytes: those that are held, or else what a receive brings; an empty Buffer at end
   * of file. The Buffer is the caller's.
   * Cancel: no byte is lost. Errors: as `socket.recv`.
   */
  read(max: number = DEFAULT_MAX): Operation<Buffer> {
    checkInteger('max', max, 1, MAX_BYTES);
    return this.#begin(ANY, max);
  }

  /**
   * Reads `n` bytes, or gives `null` if the end comes before the first of them. `n` may come from
   * the peer: memory is taken as the bytes come. Check it all the same, it is how much you accept.
   * Cancel: no byte is lost. Errors: ERR_UNEXPECTED_EOF if the end comes in the middle (the bytes
   * are in `.bytes`), and as `socket.recv`.
   */
  readExactly(n: number): Operation<Buffer | null> {
    checkInteger('n', n, 0, MAX_BYTES);
    return this.#begin(EXACTLY, n);
  }

  /**
   * Reads up to the next `delimiter` (a text is sought as UTF-8) and gives the bytes with it, or
   * `null` if the end comes before the first byte.
   * Cancel: no byte is lost. Errors: ERR_LIMIT if that would be more than `max` bytes (they stay
   * readable), ERR_UNEXPECTED_EOF if the end comes first (the bytes are in `.bytes`), a RangeError
   * for an empty delimiter, and as `socket.recv`.
   */
  readUntil(delimiter: string | Uint8Array, options: ReaderOptions = {}): Operation<Buffer | null> {
    const max = this.#limitOf(options);
    const sought = this.#delimiterOf(delimiter);
    const read = this.#take(UNTIL, max);
    read.delimiter = sought;
    return read as Operation<Buffer | null>;
  }

  /**
   * Reads a line and gives it without the `\n` or `\r\n` that ends it; a last line may lack that.
   * `null`: the end has come. The text is decoded from the whole line, so characters that arrive in
   * parts are right; bytes that are no UTF-8 become U+FFFD (`readUntil('\n')` gives them raw).
   * Cancel: no byte is lost. Errors: ERR_LIMIT if the line is longer than `max` bytes (they stay
   * readable), and as `socket.recv`.
   */
  readLine(options: ReaderOptions = {}): Operation<string | null> {
    return this.#begin(LINE, this.#limitOf(options));
  }

  /**
   * The end of a `using` block. The socket stays open; bytes that are held stay too, and
   * `socket.reader()` gives them to whoever reads next. Memory beyond them is let go.
   */
  [Symbol.dispose](): void {
    this.#buffer.shrink();
  }

  /** What is given replaces what was. @internal */
  configure(options: ReaderOptions): void {
    this.#max = this.#limitOf(options);
  }

  /** Gives out all that is held. @internal */
  takeAll(): Buffer {
    return this.#buffer.take(this.#buffer.length);
  }

  /** Throws if a receive past the reader would leave bytes out. @internal */
  checkEmpty(): void {
    if (this.#buffer.length > 0) throw unreadBytes(this.#socket.name, this.#buffer.length);
  }

  #begin<T>(want: Framing<T>, max: number): Operation<T> {
    return this.#take(want, max) as Operation<T>;
  }

  #take(want: Framing<unknown>, max: number): ReadOperation {
    let read = this.#read;
    if (!read.take()) {
      read = new ReadOperation(this.#socket, this.#buffer);
      read.take();
    }
    read.framing = want;
    read.max = max;
    return read;
  }

  #limitOf({ max }: ReaderOptions): number {
    if (max === undefined) return this.#max;
    checkInteger('max', max, 1, MAX_BYTES);
    return max;
  }

  /** The delimiter as bytes of our own; the same object as long as it is the same delimiter. */
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
