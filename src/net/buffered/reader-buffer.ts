/**
 * The bytes that a Reader holds: received, and not yet given to the program.
 *
 *              start            searched          end
 *   ─────────────┬──────────────────┬───────────────┬────────────────────
 *      given out │ no delimiter     │ not looked at │ room, in memory of
 *                │                  │               │ our own
 *
 * Invariants:
 *  1. Bytes that were given out are never written again: memory is only written behind `end`.
 *  2. What one receive brought is given out as slices of it. Only what has to be joined with later
 *     bytes is copied, into memory of our own whose size doubles: linear, however small the pieces
 *     are in which a message comes.
 *  3. Memory grows with what was received, never with what a peer announces.
 *  4. A connection that waits pins no slab that it shares with others for the sake of a few bytes,
 *     and one that holds nothing owns nothing.
 */
import type { Socket } from '../tcp/socket.ts';

/** The most bytes that one receive asks for. */
const MAX_PER_RECEIVE = 65536;

/** Memory of our own has at least this much room for the next bytes when it is made, … */
const NEW_MEMORY_ROOM = 2048;
/** … and is replaced when it has less room than this, unless that is enough. */
const MIN_ROOM = 1024;

/** Fewer bytes than this are copied before a wait, out of what is larger than … */
const COPY_BELOW = 4096;
/** … this. Then a copy is paid for by the large receive before it. */
const SHRINK_ABOVE = 2 * COPY_BELOW;

const NOTHING: Buffer = Buffer.alloc(0);

export class ReaderBuffer {
  /** What was received, up to `end`: a chunk of the network's, or the filled part of `#memory`. */
  #bytes: Buffer = NOTHING;
  #start = 0;
  #end = 0;
  /** Memory of our own, with room behind `end`. Null: the bytes are a chunk of the network's. */
  #memory: Buffer | null = null;
  /** There is no `#soughtFor` that ends before this. */
  #searched = 0;
  #lastDelimiter: Buffer | null = null;
  /** How much the next receive is expected to bring. */
  #expected = 0;

  /** Bytes held. */
  get length(): number {
    return this.#end - this.#start;
  }

  /** False: what is held was detached together with bytes that were given out before. */
  get intact(): boolean {
    return this.#bytes.length === this.#end;
  }

  /** The byte at `index`, counted from the first one that is held. */
  byteAt(index: number): number {
    return this.#bytes[this.#start + index] as number;
  }

  /**
   * Where `delimiter` begins; −1: it is not there. The same one (the same object) is sought only in
   * what has come since, with the bytes before that may be its beginning.
   */
  find(delimiter: Buffer): number {
    if (this.#lastDelimiter !== delimiter) {
      this.#lastDelimiter = delimiter;
      this.#searched = this.#start;
    }
    const from = Math.max(this.#start, this.#searched - delimiter.length + 1);
    // A number is found faster than a text of one byte.
    const wanted = delimiter.length === 1 ? (delimiter[0] as number) : delimiter;
    const at = this.#bytes.indexOf(wanted, from);
    this.#searched = at < 0 ? this.#end : at;
    return at < 0 ? -1 : at - this.#start;
  }

  /** Gives the first `count` bytes out. They are the caller's. */
  take(count: number): Buffer {
    const start = this.#start;
    const all = start === 0 && count === this.#end;
    const taken = all ? this.#bytes : this.#bytes.subarray(start, start + count);
    this.skip(count);
    return taken;
  }

  /** The first `count` bytes as text. What is no UTF-8 becomes U+FFFD. */
  text(count: number): string {
    return this.#bytes.toString('utf8', this.#start, this.#start + count);
  }

  /** The first `count` bytes are not needed any more. */
  skip(count: number): void {
    this.#start += count;
    if (this.#start === this.#end) this.#replace(NOTHING, null);
  }

  /**
   * One try to receive more, for a message of up to `wanted` bytes: how many came, 0 at end of
   * file, −1: would block.
   */
  receive(socket: Socket, wanted: number): number {
    if (this.length > 0) return this.#append(socket, wanted);
    const data = socket.receive(MAX_PER_RECEIVE);
    if (data === undefined) return -1;
    this.#replace(data, null);
    this.#updateExpected(data.length);
    return data.length;
  }

  /** A wait may be long: lets memory go that is much larger than what is held. */
  shrink(): void {
    if (this.length === 0 || this.length >= COPY_BELOW) return;
    if (this.#memory === null || this.#memory.length > SHRINK_ABOVE) this.#copyOut(0);
  }

  #append(socket: Socket, wanted: number): number {
    const missing = wanted - this.length;
    const room = this.#memory === null ? 0 : this.#memory.length - this.#end;
    if (room < MIN_ROOM && room < missing) {
      this.#copyOut(Math.max(NEW_MEMORY_ROOM, this.#expected, Math.min(this.length, missing)));
    }
    const memory = this.#memory as Buffer;
    const most = Math.min(memory.length, this.#end + MAX_PER_RECEIVE);
    const count = socket.receiveInto(memory.subarray(this.#end, most));
    if (count <= 0) return count;
    this.#updateExpected(count);
    this.#end += count;
    this.#bytes = memory.subarray(0, this.#end);
    return count;
  }

  /** As much again, if there was all that a receive takes; otherwise little, if anything. */
  #updateExpected(received: number): void {
    this.#expected = received < MAX_PER_RECEIVE ? Math.min(received, COPY_BELOW) : MAX_PER_RECEIVE;
  }

  /** Moves what is held into memory of our own with `room` behind it. */
  #copyOut(room: number): void {
    const held = this.length;
    const memory = Buffer.allocUnsafe(held + room);
    this.#bytes.copy(memory, 0, this.#start, this.#end);
    const searched = this.#searched - this.#start;
    this.#replace(memory.subarray(0, held), memory);
    this.#searched = Math.max(0, searched);
  }

  #replace(bytes: Buffer, memory: Buffer | null): void {
    this.#bytes = bytes;
    this.#memory = memory;
    this.#start = 0;
    this.#end = bytes.length;
    this.#searched = 0;
  }
}
