/**
 * The reads of a Reader. One class serves all of them; a Framing defines the message: any bytes, a
 * number of bytes, up to a delimiter, or a line.
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
const NEWLINE: Buffer = Buffer.from('\n');

/** Finds a message in the buffer. */
export interface Framing<T> {
  /** The call in the source of the program, for messages. */
  readonly call: string;
  /** The maximum number of bytes that the message can need. */
  maxUseful(read: ReadOperation): number;
  /** Takes the message; `undefined`: it is not complete yet. */
  take(held: ReaderBuffer, read: ReadOperation): T | undefined;
  /** The result when no more bytes can arrive. */
  atEndOfFile(held: ReaderBuffer, read: ReadOperation): T;
}

/** A read of one message. */
export class ReadOperation extends Receive<unknown, Socket> {
  framing: Framing<unknown> = ANY;
  /** The exact or the maximum number of bytes. */
  max = 0;
  delimiter: Buffer = NEWLINE;
  readonly #buffer: ReaderBuffer;

  constructor(socket: Socket, held: ReaderBuffer) {
    super(socket);
    this.#buffer = held;
  }

  protected get call(): string {
    return this.framing.call;
  }

  /** The peer, for messages. */
  get peer(): string {
    return this.socket.name;
  }

  protected attempt(): unknown {
    const held = this.#buffer;
    const { framing } = this;
    if (!held.intact) throw memoryChanged('bytes of a reader', held);
    let result = framing.take(held, this);
    for (let receives = 0; result === undefined; receives++) {
      const count = this.#receive(receives);
      if (count < 0) {
        held.shrink();
        return undefined;
      }
      if (count === 0) return framing.atEndOfFile(held, this);
      result = framing.take(held, this);
    }
    if (this.max > 0) this.socket.noteRead();
    return result;
  }

  #receive(receivesBefore: number): number {
    if (receivesBefore === RECEIVES_PER_ATTEMPT || !this.socket.mayReceive()) return -1;
    return this.#buffer.receive(this.socket, this.framing.maxUseful(this));
  }
}

/** `read`: the available bytes. */
export const ANY: Framing<Buffer> = {
  call: 'reader.read()',
  maxUseful: () => 1,
  take: (held, { max }) => (held.length === 0 ? undefined : held.take(Math.min(max, held.length))),
  atEndOfFile: (held) => held.take(0),
};

/** `readExactly`: `max` bytes. */
export const EXACTLY: Framing<Buffer | null> = {
  call: 'reader.readExactly(n)',
  maxUseful: ({ max }) => max,
  take: (held, { max }) => (held.length < max ? undefined : held.take(max)),
  atEndOfFile(held, { max, peer }) {
    if (held.length === 0) return null;
    throw new UnexpectedEofError(peer, `${max} bytes`, held.take(held.length));
  },
};

/** `readUntil`: up to and including the delimiter, at most `max` bytes. */
export const UNTIL: Framing<Buffer | null> = {
  call: 'reader.readUntil(delimiter)',
  maxUseful: ({ max }) => max,
  take(held, { delimiter, max, peer }) {
    const at = held.find(delimiter);
    // Without a delimiter, the message is longer than the buffer's contents.
    const length = at < 0 ? held.length + 1 : at + delimiter.length;
    if (length > max) throw new LimitError(peer, 'up to the delimiter', max, held.length);
    return at < 0 ? undefined : held.take(length);
  },
  atEndOfFile(held, { peer }) {
    if (held.length === 0) return null;
    throw new UnexpectedEofError(peer, 'the delimiter', held.take(held.length));
  },
};

/** `readLine`: a line of at most `max` bytes, without its end. */
export const LINE: Framing<string | null> = {
  call: 'reader.readLine()',
  maxUseful: ({ max }) => max + 2,
  take(held, read) {
    const at = held.find(NEWLINE);
    // A carriage return at the end of the buffer may belong to a newline that has not arrived yet.
    const length = withoutReturn(held, at < 0 ? held.length : at);
    checkLine(held, read, length);
    return at < 0 ? undefined : takeText(held, length, at + 1);
  },
  atEndOfFile(held, read) {
    if (held.length === 0) return null;
    checkLine(held, read, held.length);
    return takeText(held, held.length, held.length);
  },
};

function withoutReturn(held: ReaderBuffer, length: number): number {
  return length > 0 && held.byteAt(length - 1) === CARRIAGE_RETURN ? length - 1 : length;
}

function checkLine(held: ReaderBuffer, { max, peer }: ReadOperation, length: number): void {
  if (length > max) throw new LimitError(peer, 'of one line', max, held.length);
}

/** Takes the first `length` bytes as text, and removes `skipped` bytes. */
function takeText(held: ReaderBuffer, length: number, skipped: number): string {
  const text = held.text(length);
  held.skip(skipped);
  return text;
}
