/**
 * The two buffers of the portable network: what has come in and nobody has taken yet, and the
 * memory from which bytes go out.
 *
 * Invariants:
 *  1. Received chunks are handed out as slices, never copied, in order, each byte once.
 *  2. A receive queue says "enough" before it holds much more than READ_AHEAD bytes, however small
 *     the pieces are in which they came.
 *  3. A piece of send memory is reused only after node:net has let go of it.
 */

/** How many bytes a connection may have received ahead of its program. */
export const READ_AHEAD: number = 65_536;

/** How many bytes a connection may have sent ahead of the kernel. */
export const WRITE_AHEAD: number = 65_536;

/**
 * What a queued chunk costs beside its bytes: the Buffer, its ArrayBuffer and the block under it.
 * Without it a peer that sends single bytes would pin a few hundred times the mark.
 */
const CHUNK_OVERHEAD = 512;

/** What has come in. One chunk is the normal case; the rest of the queue is made when needed. */
export class ReceiveQueue {
  /** The oldest chunk, less what has been taken of it. Null: the queue is empty. */
  #first: Buffer | null = null;
  /** The chunks behind it. */
  #rest: Buffer[] | null = null;
  /** What the chunks behind the first cost. */
  #restCost = 0;

  get empty(): boolean {
    return this.#first === null;
  }

  /** Queues `chunk` and says whether more may come. A single chunk never fills the queue, so that a
   *  program that keeps up is not slowed by pauses. */
  push(chunk: Buffer): boolean {
    if (this.#first === null) {
      this.#first = chunk;
      return true;
    }
    this.#rest ??= [];
    this.#rest.push(chunk);
    this.#restCost += chunk.length + CHUNK_OVERHEAD;
    return this.#first.length + this.#restCost <= READ_AHEAD;
  }

  /** The next 1..max bytes. The queue is not empty. */
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

  /** Fills `into` as far as the queue reaches; the number of bytes. */
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

/**
 * Memory for what goes out, one for all connections of a network.
 *
 * The caller may change its bytes as soon as a send has returned. But what the kernel does not take
 * at once stays with node:net by reference, and that is known only afterwards. So every send goes
 * out of this slab: a copy, but no allocation, since the kernel nearly always takes everything at
 * once and the same memory serves the next send. What node:net keeps is cut off and left to it.
 */
export class SendSlab {
  #free: Buffer = Buffer.allocUnsafeSlow(2 * WRITE_AHEAD);

  /** `length` bytes, at most WRITE_AHEAD, for the next write. */
  piece(length: number): Buffer {
    if (this.#free.length < length) this.#free = Buffer.allocUnsafeSlow(2 * WRITE_AHEAD);
    return this.#free.subarray(0, length);
  }

  /** The piece just given out is still in use: the next ones come from behind it. */
  retain(piece: Buffer): void {
    this.#free = this.#free.subarray(piece.length);
  }
}

/** Copies `pieces`, side by side, until `into` is full. They fill it. */
export function gather(pieces: readonly Uint8Array[], into: Uint8Array): void {
  let at = 0;
  for (const piece of pieces) {
    const space = into.length - at;
    if (space === 0) return;
    into.set(piece.length <= space ? piece : piece.subarray(0, space), at);
    at += Math.min(piece.length, space);
  }
}
