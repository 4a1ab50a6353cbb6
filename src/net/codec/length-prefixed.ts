/** A codec for messages that begin with their length. */
import { checkInteger, checkKeys, outOfRange, wrongType } from '../../support/checks.ts';
import type { Framing, ReadOperation } from '../buffered/read-operation.ts';
import type { ReaderBuffer } from '../buffered/reader-buffer.ts';
import { LimitError, UnexpectedEofError } from '../errors.ts';
import type { Head } from './bytes-encoder.ts';
import { BytesEncoder } from './bytes-encoder.ts';
import { FramedCodec, MalformedMessageError, tooLong } from './codec.ts';

/** The maximum number of bytes of a Buffer that Node allocates on every platform. */
export const MAX_PAYLOAD: number = 2 ** 31 - 1;
/** A varint of 64 bits has 10 groups of 7 bits (protobuf encoding, "Base 128 Varints"). */
const MAX_VARINT = 10;

/** Options of `lengthPrefixed`. */
export interface LengthPrefixedOptions {
  /** The size of the length, in bytes; 'varint': groups of 7 bits, the lowest first, as in
   *  protobuf. */
  readonly bytes: 1 | 2 | 3 | 4 | 8 | 'varint';
  /** The order of the bytes of the length; 'big'. */
  readonly endian?: 'big' | 'little';
  /** True: the length also counts its own bytes. Not with 'varint'. Default: false. */
  readonly includesHeader?: boolean;
  /** The maximum number of bytes of a message, without its length. */
  readonly max: number;
}

/**
 * Messages that begin with their length. A message is received as a Buffer, and sent as bytes or as
 * text (UTF-8).
 * Errors of a receive: ERR_LIMIT if the length exceeds `max`; ERR_MALFORMED_MESSAGE for a length
 * that is shorter than itself or a varint of more than 10 bytes; ERR_UNEXPECTED_EOF. Errors of a
 * send: a RangeError if the message exceeds `max`, or its length does not fit.
 *
 * @example
 * const frames = messages(socket, lengthPrefixed({ bytes: 4, max: 65536 }));
 * yield* frames.send('hello');
 */
export function lengthPrefixed(
  options: LengthPrefixedOptions,
): FramedCodec<Buffer, Uint8Array | string> {
  checkKeys('options', options, { bytes: true, endian: true, includesHeader: true, max: true });
  const { bytes, endian = 'big', includesHeader = false, max } = options;
  checkInteger('max', max, 0, MAX_PAYLOAD);
  if (bytes !== 'varint' && ![1, 2, 3, 4, 8].includes(bytes)) {
    throw outOfRange('bytes', "1, 2, 3, 4, 8 or 'varint'", bytes);
  }
  if (endian !== 'big' && endian !== 'little')
    throw wrongType('endian', "'big' or 'little'", endian);
  if (typeof includesHeader !== 'boolean') {
    throw wrongType('includesHeader', 'true or false', includesHeader);
  }
  if (bytes === 'varint' && includesHeader) {
    throw outOfRange('includesHeader', 'false with a varint', true);
  }
  const format = bytes === 'varint' ? new Varint() : new FixedLength(bytes, endian, includesHeader);
  const encoder = new BytesEncoder(max, format, NOTHING);
  return new FramedCodec(max, encoder, () => new LengthFraming(format));
}

const NOTHING = new Uint8Array(0);

/** How a length is read and written. */
interface LengthFormat extends Head {
  /** Reads the length at the start of the buffer; `undefined`: it is not complete. */
  read(buffer: ReaderBuffer, operation: ReadOperation): Prefix | undefined;
}

interface Prefix {
  /** The number of bytes of the length itself. */
  readonly size: number;
  /** The number of bytes after it. */
  readonly length: number;
}

class FixedLength implements LengthFormat {
  readonly #bytes: number;
  readonly #little: boolean;
  /** The number of its own bytes that a length counts. */
  readonly #own: number;
  /** The largest length. */
  readonly #most: number;

  constructor(bytes: number, endian: 'big' | 'little', includesHeader: boolean) {
    this.#bytes = bytes;
    this.#little = endian === 'little';
    this.#own = includesHeader ? bytes : 0;
    this.#most = 256 ** bytes - 1 - this.#own;
  }

  read(buffer: ReaderBuffer, operation: ReadOperation): Prefix | undefined {
    const size = this.#bytes;
    if (buffer.length < size) return undefined;
    let value = 0;
    for (let i = 0; i < size; i++) {
      value = value * 256 + buffer.byteAt(this.#little ? size - 1 - i : i);
    }
    if (value < this.#own) {
      throw new MalformedMessageError(
        `Expected a length of at least ${this.#own} bytes from ${operation.peer}, because it ` +
          `counts its own bytes, got ${value}`,
      );
    }
    return { size, length: value - this.#own };
  }

  size(length: number): number {
    if (length > this.#most) throw tooLong(length, this.#most);
    return this.#bytes;
  }

  write(memory: Buffer, at: number, length: number): void {
    const size = this.#bytes;
    let rest = length + this.#own;
    for (let i = 0; i < size; i++) {
      memory[at + (this.#little ? i : size - 1 - i)] = rest % 256;
      rest = Math.floor(rest / 256);
    }
  }
}

class Varint implements LengthFormat {
  read(buffer: ReaderBuffer, operation: ReadOperation): Prefix | undefined {
    let length = 0;
    for (let i = 0; i < buffer.length; i++) {
      if (i === MAX_VARINT) {
        throw new MalformedMessageError(
          `Expected a varint of at most ${MAX_VARINT} bytes from ${operation.peer}, ` +
            'got a longer one',
        );
      }
      const byte = buffer.byteAt(i);
      length += (byte & 127) * 2 ** (7 * i);
      if (byte < 128) return { size: i + 1, length };
    }
    return undefined;
  }

  size(length: number): number {
    let size = 1;
    for (let rest = length; rest > 127; rest = Math.floor(rest / 128)) size++;
    return size;
  }

  write(memory: Buffer, at: number, length: number): void {
    let end = at;
    let rest = length;
    for (; rest > 127; rest = Math.floor(rest / 128)) memory[end++] = (rest % 128) | 128;
    memory[end] = rest;
  }
}

class LengthFraming implements Framing<Buffer | null> {
  readonly call = 'messages.receive()';
  readonly #format: LengthFormat;

  constructor(format: LengthFormat) {
    this.#format = format;
  }

  maxNeeded({ max }: ReadOperation): number {
    return MAX_VARINT + max;
  }

  take(buffer: ReaderBuffer, read: ReadOperation): Buffer | undefined {
    const prefix = this.#prefix(buffer, read);
    if (prefix === undefined || buffer.length < prefix.size + prefix.length) return undefined;
    buffer.skip(prefix.size);
    return buffer.take(prefix.length);
  }

  atEndOfFile(buffer: ReaderBuffer, read: ReadOperation): null {
    if (buffer.length === 0) return null;
    const prefix = this.#prefix(buffer, read);
    const expected =
      prefix === undefined
        ? 'the length of a message'
        : `a message of ${prefix.length} bytes and its length of ${prefix.size} bytes`;
    throw new UnexpectedEofError(read.peer, expected, buffer.take(buffer.length));
  }

  #prefix(buffer: ReaderBuffer, read: ReadOperation): Prefix | undefined {
    const prefix = this.#format.read(buffer, read);
    if (prefix !== undefined && prefix.length > read.max) {
      throw new LimitError(read.peer, 'of one message', read.max, buffer.length);
    }
    return prefix;
  }
}
