/** A codec for messages that begin with their length. */
import { checkInteger, checkKeys, outOfRange, wrongType } from '../../support/checks.ts';
import type { Framing, ReadOperation } from '../buffered/read-operation.ts';
import type { ReaderBuffer } from '../buffered/reader-buffer.ts';
import { LimitError, UnexpectedEofError } from '../errors.ts';
import { FramedCodec, join, MalformedMessageError, payloadOf, tooLong } from './codec.ts';

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
  if (bytes !== 'varint')
    return new LengthPrefixed(new FixedLength(bytes, endian, includesHeader), max);
  if (includesHeader) throw outOfRange('includesHeader', 'false with a varint', true);
  return new LengthPrefixed(new Varint(), max);
}

/** How a length is written. */
interface LengthFormat {
  /** Reads the length at the start of the buffer; `undefined`: it is not complete. */
  read(buffer: ReaderBuffer, peer: string): Prefix | undefined;
  write(length: number): Uint8Array;
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

  constructor(bytes: number, endian: 'big' | 'little', includesHeader: boolean) {
    this.#bytes = bytes;
    this.#little = endian === 'little';
    this.#own = includesHeader ? bytes : 0;
  }

  read(buffer: ReaderBuffer, peer: string): Prefix | undefined {
    const size = this.#bytes;
    if (buffer.length < size) return undefined;
    let value = 0;
    for (let i = 0; i < size; i++) {
      value = value * 256 + buffer.byteAt(this.#little ? size - 1 - i : i);
    }
    if (value < this.#own) {
      throw new MalformedMessageError(
        `Expected a length of at least ${this.#own} bytes from ${peer}, because it counts its ` +
          `own bytes, got ${value}`,
      );
    }
    return { size, length: value - this.#own };
  }

  write(length: number): Uint8Array {
    const size = this.#bytes;
    const most = 256 ** size - 1 - this.#own;
    if (length > most) throw tooLong(length, most);
    const bytes = Buffer.allocUnsafe(size);
    let rest = length + this.#own;
    for (let i = 0; i < size; i++) {
      bytes[this.#little ? i : size - 1 - i] = rest % 256;
      rest = Math.floor(rest / 256);
    }
    return bytes;
  }
}

class Varint implements LengthFormat {
  read(buffer: ReaderBuffer, peer: string): Prefix | undefined {
    let length = 0;
    for (let i = 0; i < buffer.length; i++) {
      if (i === MAX_VARINT) {
        throw new MalformedMessageError(
          `Expected a varint of at most ${MAX_VARINT} bytes from ${peer}, got a longer one`,
        );
      }
      const byte = buffer.byteAt(i);
      length += (byte & 127) * 2 ** (7 * i);
      if (byte < 128) return { size: i + 1, length };
    }
    return undefined;
  }

  write(length: number): Uint8Array {
    const bytes: number[] = [];
    let rest = length;
    for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
    bytes.push(rest);
    return Uint8Array.from(bytes);
  }
}

class LengthPrefixed extends FramedCodec<Buffer, Uint8Array | string> {
  readonly max: number;
  readonly #format: LengthFormat;

  constructor(format: LengthFormat, max: number) {
    super();
    this.max = max;
    this.#format = format;
  }

  encode(value: Uint8Array | string): Uint8Array | readonly Uint8Array[] {
    const payload = payloadOf(value, this.max);
    return join(this.#format.write(payload.length), payload);
  }

  framing(): Framing<Buffer | null> {
    return new LengthFraming(this.#format);
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

  #prefix(buffer: ReaderBuffer, { max, peer }: ReadOperation): Prefix | undefined {
    const prefix = this.#format.read(buffer, peer);
    if (prefix !== undefined && prefix.length > max) {
      throw new LimitError(peer, 'of one message', max, buffer.length);
    }
    return prefix;
  }
}
