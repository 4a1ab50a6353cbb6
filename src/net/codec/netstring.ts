/** A codec for netstrings: `5:hello,` (D. J. Bernstein, "Netstrings", 1997). */
import { checkInteger, checkKeys } from '../../support/checks.ts';
import type { Framing, ReadOperation } from '../buffered/read-operation.ts';
import type { ReaderBuffer } from '../buffered/reader-buffer.ts';
import { LimitError, UnexpectedEofError } from '../errors.ts';
import type { Head } from './bytes-encoder.ts';
import { BytesEncoder } from './bytes-encoder.ts';
import { FramedCodec, MalformedMessageError } from './codec.ts';
import { MAX_PAYLOAD } from './length-prefixed.ts';
import type { DelimitedOptions } from './lines.ts';

const ZERO = 48;
const COLON = 58;
const COMMA = 44;
const END: Buffer = Buffer.from(',');

/**
 * Netstrings: the length in decimal digits, a colon, the bytes, and a comma. A message is received
 * as a Buffer, and sent as bytes or as text (UTF-8).
 * Errors of a receive: ERR_LIMIT; ERR_MALFORMED_MESSAGE, also for a length with a leading zero;
 * ERR_UNEXPECTED_EOF. Errors of a send: a RangeError if the message exceeds `max`.
 */
export function netstring(options: DelimitedOptions): FramedCodec<Buffer, Uint8Array | string> {
  checkKeys('options', options, { max: true });
  checkInteger('max', options.max, 0, MAX_PAYLOAD);
  const { max } = options;
  return new FramedCodec(max, new BytesEncoder(max, LENGTH, END), () => NETSTRING);
}

/** The length and the colon. */
const LENGTH: Head = {
  size: (length) => String(length).length + 1,
  write(memory, at, length) {
    memory.write(`${length}:`, at, 'latin1');
  },
};

const NETSTRING: Framing<Buffer | null> = {
  call: 'messages.receive()',
  maxNeeded: ({ max }) => String(max).length + 1 + max + 1,
  take(buffer, read) {
    const header = headerOf(buffer, read);
    if (header === undefined) return undefined;
    const end = header.size + header.length;
    if (buffer.length <= end) return undefined;
    if (buffer.byteAt(end) !== COMMA) throw malformed(read, 'a comma after the bytes');
    buffer.skip(header.size);
    const message = buffer.take(header.length);
    buffer.skip(1);
    return message;
  },
  atEndOfFile(buffer, { peer }) {
    if (buffer.length === 0) return null;
    throw new UnexpectedEofError(peer, 'a netstring', buffer.take(buffer.length));
  },
};

/** The length, and the size of its digits and the colon; `undefined`: not complete. */
function headerOf(
  buffer: ReaderBuffer,
  read: ReadOperation,
): { readonly size: number; readonly length: number } | undefined {
  let length = 0;
  for (let i = 0; i < buffer.length; i++) {
    const byte = buffer.byteAt(i);
    if (byte === COLON && i > 0) return { size: i + 1, length };
    if (byte < ZERO || byte > ZERO + 9) throw malformed(read, 'digits and a colon');
    if (i > 0 && length === 0) throw malformed(read, 'a length without a leading zero');
    length = length * 10 + byte - ZERO;
    if (length > read.max) {
      throw new LimitError(read.peer, 'of one message', read.max, buffer.length);
    }
  }
  return undefined;
}

function malformed({ peer }: ReadOperation, expected: string): MalformedMessageError {
  return new MalformedMessageError(`Expected a netstring from ${peer}: ${expected}`);
}
