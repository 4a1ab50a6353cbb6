/**
 * The bytes that a Reader holds: received, and not returned to the program yet.
 *
 *             start              searched           end
 *   ────────────┬───────────────────┬────────────────┬──────────────────
 *      returned │ has no delimiter  │ not searched   │ free, if the
 *               │                   │                │ memory is ours
 *
 * Invariants:
 *  1. Returned bytes are never overwritten: memory is written only after `end`.
 *  2. The bytes of one receive are returned as slices of it. Only bytes that have to be joined with
 *     later ones are copied, into memory whose size doubles. The cost is linear, however small the
 *     chunks are.
 *  3. Memory grows with the received bytes, never with a length that a peer announces.
 *  4. With a mark, the bytes between it and `start` were taken and are kept too, so that `rewind`
 *     can hold them again.
 *  5. A connection that waits does not keep a slab that it shares with others alive for a few
 *     bytes. A connection that holds no bytes owns no memory.
 */
import { Slice } from '../../support/slice.ts';
import type { Socket } from '../tcp/socket.ts';

/** The maximum size of one receive. */
const MAX_PER_RECEIVE = 65536;

/** Free bytes in newly allocated memory, at least. */
const NEW_MEMORY_ROOM = 2048;
/** Memory with less free space is replaced, unless the rest of the message fits. */
const MIN_ROOM = 1024;

/** Before a wait, fewer held bytes than this are copied out of large memory. */
const COPY_BELOW = 4096;
/** Memory above this size is large. So was the receive: the copy is cheap in comparison. */
const SHRINK_ABOVE = 2 * COPY_BELOW;

/** Lines are decoded together up to this many bytes. A line that is kept may keep all of them. */
const MAX_DECODED = 2048;
const LINE_FEED = 10;
const CARRIAGE_RETURN = 13;

const NOTHING: Buffer = Buffer.alloc(0);

export class ReaderBuffer {
  /** The received bytes, up to `end`: a chunk of the network, or the filled part of `#memory`. */
  #bytes: Buffer = NOTHING;
  #start = 0;
  #end = 0;
  /** Memory of this buffer, with room after `end`. Null: the bytes are a chunk of the network. */
  #memory: Buffer | null = null;
  /** The ArrayBuffer of `#bytes`, whose getter is slow; null: not read yet. */
  #arrayBuffer: ArrayBufferLike | null = null;
  /** The position of `#bytes` in it. */
  #offset = 0;
  /** No occurrence of `#lastDelimiter` ends before this. */
  #searched = 0;
  #lastDelimiter: Buffer | null = null;
  /** Lines that were decoded together, with one character for each byte from `#decodedFrom` on. */
  #decoded = '';
  #decodedFrom = 0;
  /** Lines before this byte have characters of several bytes, and are decoded one by one. */
  #decodedTo = 0;
  /** The first byte that is kept although it was taken; −1: taken bytes are not kept. */
  #mark = -1;
  /** The expected size of the next receive. */
  #expected = 0;

  /** Bytes held. */
  get length(): number {
    return this.#end - this.#start;
  }

  /** False: the held bytes were detached together with bytes that were returned before. */
  get intact(): boolean {
    return this.#bytes.byteLength === this.#end;
  }

  /** The byte at `index`, relative to the first held byte. */
  byteAt(index: number): number {
    return this.#bytes[this.#start + index] as number;
  }

  /**
   * The index of `delimiter`; −1: not found. A repeated search for the same Buffer object looks
   * only at new bytes, and at the bytes before them that may be its beginning.
   */
  find(delimiter: Buffer): number {
    if (this.#lastDelimiter !== delimiter) {
      this.#lastDelimiter = delimiter;
      this.#searched = this.#start;
    }
    const from = Math.max(this.#start, this.#searched - delimiter.length + 1);
    // Node finds a number faster than a Buffer of one byte.
    const wanted = delimiter.length === 1 ? (delimiter[0] as number) : delimiter;
    const at = this.#bytes.indexOf(wanted, from);
    this.#searched = at < 0 ? this.#end : at;
    return at < 0 ? -1 : at - this.#start;
  }

  /** The index of the first `byte` at or after `from`; −1: not found. */
  indexOf(byte: number, from: number): number {
    const at = this.#bytes.indexOf(byte, this.#start + from);
    return at < 0 ? -1 : at - this.#start;
  }

  /** The index of the last `byte` at or before `to`. Negative: not found. */
  lastIndexOf(byte: number, to: number): number {
    return this.#bytes.lastIndexOf(byte, Math.min(this.#end, this.#start + to)) - this.#start;
  }

  /** A copy of the first `count` bytes. */
  copy(count: number): Buffer {
    return Buffer.from(this.#bytes.subarray(this.#start, this.#start + count));
  }

  /** Takes the first `count` bytes. The caller owns them. */
  take(count: number): Buffer {
    const start = this.#start;
    const all = start === 0 && count === this.#end;
    const taken = all ? this.#bytes : this.#slice(start, count);
    this.skip(count);
    return taken;
  }

  /** The first `count` bytes as text. Invalid UTF-8 becomes U+FFFD. */
  text(count: number): string {
    return this.#bytes.toString(undefined, this.#start, this.#start + count);
  }

  /**
   * Takes a line of at most `max` bytes that `decodeLines` has decoded, without its end.
   * `undefined`: there is none.
   */
  takeDecoded(max: number): string | undefined {
    const text = this.#decoded;
    const from = this.#start - this.#decodedFrom;
    const end = from >= 0 && from < text.length ? text.indexOf('\n', from) : -1;
    if (end < 0) return undefined;
    const length = end - from;
    const ending = length > 0 && text.charCodeAt(end - 1) === CARRIAGE_RETURN ? 1 : 0;
    if (length - ending > max) return undefined;
    const line = text.slice(from, end - ending);
    this.skip(length + 1);
    return line;
  }

  /**
   * Decodes the complete lines at the beginning. A call of Node for each line would cost more than
   * everything else that a short line costs. A text with as many characters as bytes has one for
   * each byte, so a position is the same in both.
   */
  decodeLines(): void {
    const start = this.#start;
    if (start < this.#decodedTo) return;
    const last = this.#bytes.lastIndexOf(LINE_FEED, Math.min(this.#end, start + MAX_DECODED) - 1);
    if (last < start) return;
    this.#decodedTo = last + 1;
    const text = this.#bytes.toString(undefined, start, last + 1);
    if (text.length !== last + 1 - start) return;
    this.#decoded = text;
    this.#decodedFrom = start;
  }

  /** Removes the first `count` bytes. */
  skip(count: number): void {
    this.#start += count;
    if (this.#mark < 0) this.#releaseIfEmpty();
  }

  /** From now on, bytes that are taken are kept, until `release` or `rewind`. */
  mark(): void {
    this.#mark = this.#start;
  }

  /** The number of bytes that were taken since the mark. */
  get sinceMark(): number {
    return this.#start - this.#mark;
  }

  /** Drops the bytes that were taken since the mark. */
  release(): void {
    this.#mark = -1;
    this.#releaseIfEmpty();
  }

  /** Holds the bytes again that were taken since the mark. */
  rewind(): void {
    this.#start = this.#mark;
    this.#searched = this.#mark;
    this.#mark = -1;
  }

  /**
   * One attempt to receive more of a message of at most `wanted` bytes. Returns the number of
   * bytes; 0: end of file; −1: would block.
   */
  receive(socket: Socket, wanted: number): number {
    if (this.#end > this.#first()) return this.#append(socket, wanted);
    const data = socket.receive(MAX_PER_RECEIVE);
    if (data === undefined) return -1;
    this.#replace(data, null);
    this.#updateExpected(data.length);
    return data.length;
  }

  /** Called before a wait, which may be long: releases memory much larger than its bytes. */
  shrink(): void {
    const kept = this.#end - this.#first();
    if (kept === 0 || kept >= COPY_BELOW) return;
    if (this.#memory === null || this.#memory.length > SHRINK_ABOVE) this.#copyOut(0);
  }

  #slice(start: number, length: number): Buffer {
    if (this.#arrayBuffer === null) {
      this.#arrayBuffer = this.#bytes.buffer;
      this.#offset = this.#bytes.byteOffset;
    }
    return new Slice(this.#arrayBuffer, this.#offset + start, length);
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

  /** A full receive is expected to be followed by another one; a short one by little. */
  #updateExpected(received: number): void {
    this.#expected = received < MAX_PER_RECEIVE ? Math.min(received, COPY_BELOW) : MAX_PER_RECEIVE;
  }

  /** The first byte that must be kept. */
  #first(): number {
    return this.#mark < 0 ? this.#start : this.#mark;
  }

  /** Copies the bytes into memory of this buffer, with `room` after them. */
  #copyOut(room: number): void {
    const first = this.#first();
    const taken = this.#start - first;
    const kept = this.#end - first;
    const memory = Buffer.allocUnsafe(kept + room);
    this.#bytes.copy(memory, 0, first, this.#end);
    const searched = this.#searched - first;
    this.#replace(memory.subarray(0, kept), memory);
    this.#start = taken;
    this.#searched = Math.max(0, searched);
  }

  #releaseIfEmpty(): void {
    if (this.#start === this.#end) this.#replace(NOTHING, null);
  }

  /** Replaces the bytes. A mark is at their beginning. */
  #replace(bytes: Buffer, memory: Buffer | null): void {
    this.#bytes = bytes;
    this.#memory = memory;
    this.#arrayBuffer = null;
    this.#start = 0;
    this.#end = bytes.length;
    this.#searched = 0;
    this.#decoded = '';
    this.#decodedFrom = 0;
    this.#decodedTo = 0;
    if (this.#mark > 0) this.#mark = 0;
  }
}
