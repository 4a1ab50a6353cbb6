/** Codecs for messages that end with a line end or another delimiter. */
import { checkInteger, checkKeys, outOfRange, wrongType } from '../../support/checks.ts';
import type { Framing, ReadOperation } from '../buffered/read-operation.ts';
import { LINE, NEWLINE } from '../buffered/read-operation.ts';
import type { ReaderBuffer } from '../buffered/reader-buffer.ts';
import type { Writer } from '../buffered/writer.ts';
import { BYTES_PER_CHARACTER, LARGE_PIECE } from '../buffered/writer.ts';
import { bytesOf, checkBytes, writeText } from '../bytes.ts';
import { LimitError, UnexpectedEofError } from '../errors.ts';
import type { Head } from './bytes-encoder.ts';
import { BytesEncoder } from './bytes-encoder.ts';
import type { Encoder } from './codec.ts';
import { FramedCodec, tooLong } from './codec.ts';
import { MAX_PAYLOAD } from './length-prefixed.ts';

const LINE_FEED = 10;
const NOTHING = new Uint8Array(0);

/** Options of `lines`. */
export interface LinesOptions {
  /** The maximum number of bytes of a line, without its end. */
  readonly max: number;
  /** A longer line is an error, 'throw', or is dropped, 'skip'; 'throw'. */
  readonly onTooLong?: 'throw' | 'skip';
}

/** Options of `delimited`. */
export interface DelimitedOptions {
  /** The maximum number of bytes of a message, without its delimiter. */
  readonly max: number;
}

/**
 * Lines of UTF-8 text, as `reader.readLine` reads them: without the `\n` or `\r\n` at the end. A
 * sent line ends with `\n`.
 * Errors of a receive: ERR_LIMIT if a line exceeds `max` and `onTooLong` is 'throw'. Errors of a
 * send: a RangeError if the text exceeds `max` or contains a line end.
 *
 * @example
 * const chat = messages(socket, lines({ max: 1000, onTooLong: 'skip' }));
 * const line = yield* chat.receive();
 * yield* chat.send(`You wrote ${line}`);
 */
export function lines(options: LinesOptions): FramedCodec<string, string> {
  checkKeys('options', options, { max: true, onTooLong: true });
  const { max, onTooLong = 'throw' } = options;
  checkInteger('max', max, 1, MAX_PAYLOAD);
  if (onTooLong !== 'throw' && onTooLong !== 'skip') {
    throw wrongType('onTooLong', "'throw' or 'skip'", onTooLong);
  }
  const framing = onTooLong === 'skip' ? () => new SkippingLines() : () => LINE;
  return new FramedCodec(max, new LinesEncoder(max), framing);
}

/**
 * Messages that end with `delimiter` (a text as UTF-8). A message is received as a Buffer without
 * its delimiter, and sent as bytes or as text.
 * Errors of a receive: ERR_LIMIT; ERR_UNEXPECTED_EOF if the last delimiter is missing. Errors of a
 * send: a RangeError if the message exceeds `max` or contains the delimiter.
 */
export function delimited(
  delimiter: Uint8Array | string,
  options: DelimitedOptions,
): FramedCodec<Buffer, Uint8Array | string> {
  checkKeys('options', options, { max: true });
  checkInteger('max', options.max, 1, MAX_PAYLOAD);
  if (typeof delimiter !== 'string') checkBytes('delimiter', delimiter);
  if (delimiter.length === 0) throw outOfRange('delimiter', 'at least one byte', delimiter);
  const { max } = options;
  const bytes = Buffer.from(bytesOf(delimiter));
  return new FramedCodec(max, new DelimitedEncoder(max, bytes), () => new DelimitedFraming(bytes));
}

class LinesEncoder implements Encoder<string, string> {
  readonly #max: number;

  constructor(max: number) {
    this.#max = max;
  }

  payloadOf(value: string): string {
    if (typeof value !== 'string') throw wrongType('value', 'a string', value);
    if (value.indexOf('\n') >= 0 || value.indexOf('\r') >= 0) {
      throw outOfRange('value', 'a text without line ends', value);
    }
    // A character has at most three bytes: most texts need not be measured.
    if (value.length * BYTES_PER_CHARACTER > this.#max) checkLength(value, this.#max);
    return value;
  }

  writeTo(writer: Writer, payload: string): boolean {
    const most = payload.length * BYTES_PER_CHARACTER + 1;
    if (most >= LARGE_PIECE || !writer.hasRoom(most)) return false;
    writer.write(`${payload}\n`);
    return true;
  }

  /** One text, because a search in it is faster than one in each line. */
  payloadsOf(lines: readonly string[]): readonly string[] {
    if (lines.length === 0) return lines;
    const text = lines.join('\n');
    const certainMax = text.indexOf('\r') < 0 ? this.#max / BYTES_PER_CHARACTER : -1;
    let end = -1;
    for (const line of lines) {
      const begin = end + 1;
      end = text.indexOf('\n', begin);
      if (end < 0) end = text.length;
      const isValid = typeof line === 'string' && line.length === end - begin;
      if (!isValid || line.length > certainMax) this.payloadOf(line);
    }
    return [text];
  }

  encodeAll(payloads: readonly string[]): Uint8Array {
    if (payloads.length === 0) return NOTHING;
    const text = payloads.length === 1 ? (payloads[0] as string) : payloads.join('\n');
    const length = Buffer.byteLength(text);
    const memory = Buffer.allocUnsafe(length + 1);
    writeText(memory, text);
    memory[length] = LINE_FEED;
    return memory;
  }
}

function checkLength(text: string, max: number): void {
  const length = Buffer.byteLength(text);
  if (length > max) throw tooLong(length, max);
}

/** Lines, of which the ones that are too long are dropped as they arrive. */
class SkippingLines implements Framing<string | null> {
  readonly call = 'messages.receive()';
  /** True: the beginning of the current line was dropped. */
  #dropping = false;

  maxNeeded(read: ReadOperation): number {
    return LINE.maxNeeded(read);
  }

  take(buffer: ReaderBuffer, read: ReadOperation): string | undefined {
    for (;;) {
      if (!this.#dropping) {
        const line = this.#attempt(() => LINE.take(buffer, read));
        // `null` is the result at end of file only.
        if (!this.#dropping) return line as string | undefined;
      }
      if (!this.#dropped(buffer)) return undefined;
    }
  }

  atEndOfFile(buffer: ReaderBuffer, read: ReadOperation): string | null {
    const line = this.#dropping ? null : this.#attempt(() => LINE.atEndOfFile(buffer, read));
    if (this.#dropping) buffer.skip(buffer.length);
    return line ?? null;
  }

  /** Begins to drop the line if it is too long. */
  #attempt<T>(take: () => T): T | undefined {
    try {
      return take();
    } catch (error) {
      if (!(error instanceof LimitError)) throw error;
      this.#dropping = true;
      return undefined;
    }
  }

  /** Drops bytes up to the end of the line. True: it was found. */
  #dropped(buffer: ReaderBuffer): boolean {
    const at = buffer.find(NEWLINE);
    buffer.skip(at < 0 ? buffer.length : at + 1);
    this.#dropping = at < 0;
    return at >= 0;
  }
}

const NO_HEAD: Head = { size: () => 0, write: () => undefined };

class DelimitedEncoder extends BytesEncoder {
  readonly #delimiter: Buffer;

  constructor(max: number, delimiter: Buffer) {
    super(max, NO_HEAD, delimiter);
    this.#delimiter = delimiter;
  }

  override payloadOf(value: Uint8Array | string): Uint8Array {
    const payload = super.payloadOf(value);
    const view = Buffer.from(payload.buffer, payload.byteOffset, payload.length);
    if (!view.includes(this.#delimiter)) return payload;
    throw outOfRange('value', 'a message without the delimiter', value);
  }
}

class DelimitedFraming implements Framing<Buffer | null> {
  readonly call = 'messages.receive()';
  readonly #delimiter: Buffer;

  constructor(delimiter: Buffer) {
    this.#delimiter = delimiter;
  }

  maxNeeded({ max }: ReadOperation): number {
    return max + this.#delimiter.length;
  }

  take(buffer: ReaderBuffer, read: ReadOperation): Buffer | undefined {
    const delimiter = this.#delimiter;
    const at = buffer.find(delimiter);
    // The last bytes may be the beginning of the delimiter.
    const length = at < 0 ? buffer.length - delimiter.length + 1 : at;
    if (length > read.max) {
      throw new LimitError(read.peer, 'of one message', read.max, buffer.length);
    }
    if (at < 0) return undefined;
    const message = buffer.take(at);
    buffer.skip(delimiter.length);
    return message;
  }

  atEndOfFile(buffer: ReaderBuffer, { peer }: ReadOperation): null {
    if (buffer.length === 0) return null;
    throw new UnexpectedEofError(peer, 'the delimiter', buffer.take(buffer.length));
  }
}
