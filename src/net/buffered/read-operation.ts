/**
 * The operations of a Reader. They are one class, of which a reader keeps one object, and differ in
 * what they want of the bytes: any of them, a number, up to a delimiter, a line.
 *
 * An attempt takes from what the reader holds, and receives as long as that is not enough. It can
 * be given up at any point: what was received is in the reader and stays there.
 */
import { memoryChanged } from '../bytes.ts';
import { LimitError, UnexpectedEofError } from '../errors.ts';
import { Receive } from '../tcp/receive.ts';
import type { Socket } from '../tcp/socket.ts';
import type { ReaderBuffer } from './reader-buffer.ts';

/** Receives of up to 64 KB in one attempt. Then others have their turn, however fast a peer is. */
const RECEIVES_PER_ATTEMPT = 16;

const CARRIAGE_RETURN = 13;
const NEWLINE: Buffer = Buffer.from('\n');

/** What a read wants. */
export interface Framing<T> {
  /** How the program asks for it. */
  readonly call: string;
  /** The most bytes that can still be of use. */
  maxUseful(read: ReadOperation): number;
  /** Takes it from `held`; `undefined`: that is not enough yet. */
  take(held: ReaderBuffer, read: ReadOperation): T | undefined;
  /** No more bytes will come. */
  atEndOfFile(held: ReaderBuffer, read: ReadOperation): T;
}

/** A read that is asked for, or in progress. */
export class ReadOperation extends Receive<unknown> {
  framing: Framing<unknown> = ANY;
  /** How many bytes: exactly, or at most. */
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

  /** Who the bytes come from, for messages. */
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

  #receive(before: number): number {
    if (before === RECEIVES_PER_ATTEMPT || !this.socket.mayReceive()) return -1;
    return this.#buffer.receive(this.socket, this.framing.maxUseful(this));
  }
}

/** `read`: what is there. */
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

/** `readUntil`: up to the delimiter and with it, `max` bytes in all. */
export const UNTIL: Framing<Buffer | null> = {
  call: 'reader.readUntil(delimiter)',
  maxUseful: ({ max }) => max,
  take(held, { delimiter, max, peer }) {
    const at = held.find(delimiter);
    // Without a delimiter so far, the result is longer than what is there.
    const length = at < 0 ? held.length + 1 : at + delimiter.length;
    if (length > max) throw new LimitError(peer, 'up to the delimiter', max, held.length);
    return at < 0 ? undefined : held.take(length);
  },
  atEndOfFile(held, { peer }) {
    if (held.length === 0) return null;
    throw new UnexpectedEofError(peer, 'the delimiter', held.take(held.length));
  },
};

/** `readLine`: a line of up to `max` bytes, without what ends it. */
export const LINE: Framing<string | null> = {
  call: 'reader.readLine()',
  maxUseful: ({ max }) => max + 2,
  take(held, read) {
    const at = held.find(NEWLINE);
    // A carriage return at the end of what is there may belong to the newline that comes next.
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

/** The first `length` bytes as text; `skipped` bytes are used up. */
function takeText(held: ReaderBuffer, length: number, skipped: number): string {
  const text = held.text(length);
  held.skip(skipped);
  return text;
}
