/**
 * The bytes that a connection has received and the program has not taken yet.
 *
 * Invariants:
 *  1. Chunks are returned as slices, in order, each byte once. They are not copied.
 *  2. `push` reports a full queue before the queue holds much more than QUEUE_LIMIT bytes, however
 *     small the chunks are.
 */

/** The maximum number of bytes that are received before the program requests them, in the queue
 *  and in the stream from which it is filled. */
export const READ_AHEAD: number = 65_536;

/** The part of READ_AHEAD that is for the queue. */
export const QUEUE_LIMIT: number = READ_AHEAD / 2;

/**
 * The memory that a queued chunk takes in addition to its bytes: the Buffer, its ArrayBuffer and
 * the allocation under it. If this were not counted, a peer that sends single bytes could make the
 * queue hold a few hundred times QUEUE_LIMIT.
 */
const CHUNK_OVERHEAD = 512;

export class ReceiveQueue {
  /** The oldest chunk, without the bytes already taken from it. Null: the queue is empty. */
  #first: Buffer | null = null;
  /** The chunks after it. Usually there are none, so the array is allocated when needed. */
  #rest: Buffer[] | null = null;
  /** Bytes and overhead of `#rest`. */
  #restCost = 0;

  get empty(): boolean {
    return this.#first === null;
  }

  /** Queues `chunk`. False: the queue is full. A single chunk never fills the queue, so that a
   *  program that keeps up is not slowed down by pauses. */
  push(chunk: Buffer): boolean {
    if (this.#first === null) {
      this.#first = chunk;
      return true;
    }
    this.#rest ??= [];
    this.#rest.push(chunk);
    this.#restCost += chunk.length + CHUNK_OVERHEAD;
    return this.#first.length + this.#restCost <= QUEUE_LIMIT;
  }

  /** Puts `chunk` before all others. */
  unshift(chunk: Buffer): void {
    if (this.#first !== null) {
      this.#rest ??= [];
      this.#rest.unshift(this.#first);
      this.#restCost += this.#first.length + CHUNK_OVERHEAD;
    }
    this.#first = chunk;
  }

  /** The next 1..max bytes; `undefined`: the queue is empty. */
  take(max: number): Buffer | undefined {
    const chunk = this.#first;
    if (chunk === null) return undefined;
    if (chunk.length > max) {
      this.#first = chunk.subarray(max);
      return chunk.subarray(0, max);
    }
    this.#advance();
    return chunk;
  }

  /** Copies queued bytes into `into` and returns their number. */
  takeInto(into: Uint8Array): number {
    let filled = 0;
    while (filled < into.length) {
      const chunk = this.take(into.length - filled);
      if (chunk === undefined) break;
      into.set(chunk, filled);
      filled += chunk.length;
    }
    return filled;
  }

  clear(): void {
    this.#first = null;
    this.#rest = null;
    this.#restCost = 0;
  }

  #advance(): void {
    const next = this.#rest?.shift();
    this.#first = next ?? null;
    if (next !== undefined) this.#restCost -= next.length + CHUNK_OVERHEAD;
    else this.#rest = null;
  }
}
