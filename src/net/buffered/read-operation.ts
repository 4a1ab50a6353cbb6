/**
 * The reads of a Reader. One class serves all of them; a Framing defines the message: any bytes, a
 * number of bytes, up to a delimiter, a line, or all lines that have arrived.
 *
 * An attempt takes a message from the buffer, and receives while the buffer does not have one. It
 * may stop at any point, because received bytes stay in the buffer.
 */
import { memoryChanged } from '../bytes.ts';
import { LimitError, UnexpectedEofError } from '../errors.ts';
import { Receive } from '../tcp/receive.ts';
import type { Socket } from '../tcp/socket.ts';
import type { ReaderBuffer } from './reader-buffer.ts';

/** Receives of up to 64 KB in one attempt. Limits how long a fast peer can occupy the scheduler. */
const RECEIVES_PER_ATTEMPT = 16;

const CARRIAGE_RETURN = 13;
const LINE_FEED = 10;
export const NEWLINE: Buffer = Buffer.from('\n');

/** Finds a message in the buffer. */
export interface Framing<T> {
  /** The call in the source of the program, for messages. */
  readonly call: string;
  /** The number of bytes with which the message is certainly complete. */
  maxNeeded(read: ReadOperation): number;
  /** Takes the message; `undefined`: it is not complete yet. */
  take(buffer: ReaderBuffer, read: ReadOperation): T | undefined;
  /** Takes complete messages together, at most `most`. `undefined`: not possible now. */
  takeAll?(buffer: ReaderBuffer, read: ReadOperation, most: number): NonNullable<T>[] | undefined;
  /** The result when no more bytes can arrive. */
  atEndOfFile(buffer: ReaderBuffer, read: ReadOperation): T;
}

/** A read of one message. */
export class ReadOperation extends Receive<unknown, Socket> {
  framing: Framing<unknown> = ANY;
  /** The exact or the maximum number of bytes. */
  max = 0;
  delimiter: Buffer = NEWLINE;
  readonly #buffer: ReaderBuffer;

  constructor(socket: Socket, buffer: ReaderBuffer) {
    super(socket);
    this.#buffer = buffer;
  }

  protected get call(): string {
    return this.framing.call;
  }

  /** The peer, for messages. Makes a text: only for errors. */
  get peer(): string {
    return this.socket.name;
  }

  protected attempt(): unknown {
    const buffer = this.#buffer;
    const { framing } = this;
    if (!buffer.intact) throw memoryChanged('bytes of a reader', buffer);
    let result = framing.take(buffer, this);
    for (let receives = 0; result === undefined; receives++) {
      const count = this.#receive(receives);
      if (count < 0) {
        buffer.shrink();
        return undefined;
      }
      if (count === 0) return framing.atEndOfFile(buffer, this);
      result = framing.take(buffer, this);
    }
    if (this.max > 0) this.socket.noteRead();
    return result;
  }

  #receive(receivesBefore: number): number {
    if (receivesBefore === RECEIVES_PER_ATTEMPT || !this.socket.mayReceive()) return -1;
    return this.#buffer.receive(this.socket, this.framing.maxNeeded(this));
  }
}

/** `read`: the available bytes. */
export const ANY: Framing<Buffer> = {
  call: 'reader.read()',
  maxNeeded: () => 1,
  take: (buffer, { max }) =>
    buffer.length === 0 ? undefined : buffer.take(Math.min(max, buffer.length)),
  atEndOfFile: (buffer) => buffer.take(0),
};

/** `readExactly`: `max` bytes. */
export const EXACTLY: Framing<Buffer | null> = {
  call: 'reader.readExactly(n)',
  maxNeeded: ({ max }) => max,
  take: (buffer, { max }) => (buffer.length < max ? undefined : buffer.take(max)),
  atEndOfFile(buffer, { max, peer }) {
    if (buffer.length === 0) return null;
    throw new UnexpectedEofError(peer, `${max} bytes`, buffer.take(buffer.length));
  },
};

/** `peek`: a copy of the next `max` bytes, which stay. */
export const PEEK: Framing<Buffer | null> = {
  call: 'reader.peek(n)',
  maxNeeded: ({ max }) => max,
  take: (buffer, { max }) => (buffer.length < max ? undefined : buffer.copy(max)),
  atEndOfFile(buffer, { max, peer }) {
    if (buffer.length === 0) return null;
    throw new UnexpectedEofError(peer, `${max} bytes`, buffer.copy(buffer.length));
  },
};

/** `readUntil`: up to and including the delimiter, at most `max` bytes. */
export const UNTIL: Framing<Buffer | null> = {
  call: 'reader.readUntil(delimiter)',
  maxNeeded: ({ max }) => max,
  take(buffer, read) {
    const { delimiter, max } = read;
    const at = buffer.find(delimiter);
    // Without a delimiter, the message is longer than the buffer's contents.
    const length = at < 0 ? buffer.length + 1 : at + delimiter.length;
    if (length > max) {
      throw new LimitError(read.peer, 'up to the delimiter', max, buffer.length);
    }
    return at < 0 ? undefined : buffer.take(length);
  },
  atEndOfFile(buffer, { peer }) {
    if (buffer.length === 0) return null;
    throw new UnexpectedEofError(peer, 'the delimiter', buffer.take(buffer.length));
  },
};

/** `readLine`: a line of at most `max` bytes, without its end. */
export const LINE: Framing<string | null> = {
  call: 'reader.readLine()',
  maxNeeded: ({ max }) => max + 2,
  take(buffer, read) {
    const decoded = buffer.takeDecoded(read.max);
    if (decoded !== undefined) return decoded;
    const at = findLineEnd(buffer, read);
    if (at < 0) return undefined;
    if (at + 1 < buffer.length) buffer.decodeLines();
    const length = withoutCarriageReturn(buffer, at);
    return buffer.takeDecoded(length) ?? takeText(buffer, length, at + 1);
  },
  takeAll: takeLines,
  atEndOfFile: takeLastLine,
};

/** `readLines`: the lines that have arrived, at least one. */
export const LINES: Framing<string[] | null> = {
  call: 'reader.readLines()',
  maxNeeded: ({ max }) => max + 2,
  take: (buffer, read) => takeLines(buffer, read, Infinity),
  atEndOfFile(buffer, read) {
    const line = takeLastLine(buffer, read);
    return line === null ? null : [line];
  },
};

/** Several lines in as many bytes as this for each are probably not too many. */
const SHORT_LINE = 8;

/** Decoding and splitting lines together is several times as fast as line by line. */
function takeLines(buffer: ReaderBuffer, read: ReadOperation, most: number): string[] | undefined {
  const first = findLineEnd(buffer, read);
  if (first < 0) return undefined;
  const last = lastLineEnd(buffer, first, read.max, SHORT_LINE * most);
  const lines = splitLines(buffer.text(last));
  if (lines.length > most) return undefined; // Nearly nothing was decoded in vain.
  buffer.skip(last + 1);
  return lines;
}

/** The index of the first newline; −1: not found. Throws if the line is too long. */
function findLineEnd(buffer: ReaderBuffer, read: ReadOperation): number {
  const at = buffer.find(NEWLINE);
  // A carriage return at the end of the buffer may belong to a newline that has not arrived yet.
  checkLine(buffer, read, withoutCarriageReturn(buffer, at < 0 ? buffer.length : at));
  return at;
}

/**
 * The index of the last newline before a line that is too long, up to `before` if one is there.
 * `first` is the first newline.
 */
function lastLineEnd(buffer: ReaderBuffer, first: number, max: number, before: number): number {
  const last = buffer.lastIndexOf(LINE_FEED, Math.max(first, before));
  if (last - first - 1 <= max) return last;
  let end = first;
  for (let at = first; at >= 0; at = buffer.indexOf(LINE_FEED, end + 1)) {
    if (at > last || withoutCarriageReturn(buffer, at) - end - 1 > max) break;
    end = at;
  }
  return end;
}

/** As `split`, which takes longer, but without the carriage returns. */
function splitLines(text: string): string[] {
  const lines: string[] = [];
  let begin = 0;
  for (;;) {
    const at = text.indexOf('\n', begin);
    const end = at < 0 ? text.length : at;
    const hasReturn = end > begin && text.charCodeAt(end - 1) === CARRIAGE_RETURN;
    lines.push(text.slice(begin, hasReturn ? end - 1 : end));
    if (at < 0) return lines;
    begin = at + 1;
  }
}

/** The line at the end of the stream, which lacks its newline. */
function takeLastLine(buffer: ReaderBuffer, read: ReadOperation): string | null {
  if (buffer.length === 0) return null;
  checkLine(buffer, read, buffer.length);
  return takeText(buffer, buffer.length, buffer.length);
}

function withoutCarriageReturn(buffer: ReaderBuffer, length: number): number {
  return length > 0 && buffer.byteAt(length - 1) === CARRIAGE_RETURN ? length - 1 : length;
}

function checkLine(buffer: ReaderBuffer, read: ReadOperation, length: number): void {
  if (length > read.max) throw new LimitError(read.peer, 'of one line', read.max, buffer.length);
}

/** Takes the first `length` bytes as text, and removes `skipped` bytes. */
function takeText(buffer: ReaderBuffer, length: number, skipped: number): string {
  const text = buffer.text(length);
  buffer.skip(skipped);
  return text;
}
