/**
 * Memory for the bytes that the portable network sends, shared by all its connections.
 *
 * The caller of a send may change its bytes as soon as the send returns, but node:net keeps a
 * reference to bytes that the kernel does not take at once, which is known only after the write. So
 * every send is copied into this slab. The kernel nearly always takes everything at once; then the
 * next send reuses the same memory, and nothing is allocated. A piece that node:net keeps is cut
 * off from the slab.
 */

/** The maximum number of bytes of a connection in the buffer of node:net. */
export const WRITE_AHEAD: number = 65_536;

export class SendSlab {
  #free: Buffer = Buffer.allocUnsafeSlow(2 * WRITE_AHEAD);

  /** `length` bytes, at most WRITE_AHEAD, for the next write. */
  piece(length: number): Buffer {
    if (this.#free.length < length) this.#free = Buffer.allocUnsafeSlow(2 * WRITE_AHEAD);
    return this.#free.subarray(0, length);
  }

  /** node:net keeps the latest piece: later pieces start after it. */
  retain(piece: Buffer): void {
    this.#free = this.#free.subarray(piece.length);
  }
}
