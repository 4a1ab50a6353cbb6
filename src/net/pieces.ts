/** Pieces of bytes on their way out, in order: what vectored sends and streams send from. */
import type { Socket } from './socket.ts';

/** The contract of the networks looks at no more pieces than this in one vectored send. */
const PIECES_PER_SEND = 64;

export class Pieces {
  readonly #list: Uint8Array[];
  /** The pieces before this one have gone out. */
  #next = 0;
  /** Bytes that have not gone out. */
  #length = 0;

  /** The list of the caller's is not changed. Empty pieces are nothing. */
  constructor(chunks: readonly Uint8Array[]) {
    this.#list = chunks.filter((chunk) => chunk.length > 0);
    for (const { length } of this.#list) this.#length += length;
  }

  get length(): number {
    return this.#length;
  }

  /** False: memory of a piece was detached or resized by somebody else. */
  get intact(): boolean {
    let length = 0;
    for (let i = this.#next; i < this.#list.length; i++) {
      length += (this.#list[i] as Uint8Array).length;
    }
    return length === this.#length;
  }

  /** One try to send: the number of bytes that the network took, 0: would block. */
  transmit(socket: Socket): number {
    const batch = this.#batch();
    const count =
      batch.length === 1 ? socket.transmit(batch[0] as Uint8Array) : socket.transmitv(batch);
    this.#drop(count);
    return count;
  }

  /** What is left. */
  rest(): Uint8Array[] {
    return this.#list.slice(this.#next);
  }

  #batch(): readonly Uint8Array[] {
    if (this.#next === 0 && this.#list.length <= PIECES_PER_SEND) return this.#list;
    return this.#list.slice(this.#next, this.#next + PIECES_PER_SEND);
  }

  /** The first `count` bytes have gone out. */
  #drop(count: number): void {
    this.#length -= count;
    let left = count;
    while (left > 0) {
      const piece = this.#list[this.#next] as Uint8Array;
      if (left < piece.length) {
        this.#list[this.#next] = piece.subarray(left);
        return;
      }
      left -= piece.length;
      this.#next++;
    }
  }
}

/** Nothing to send. */
export const NO_PIECES: Pieces = new Pieces([]);
