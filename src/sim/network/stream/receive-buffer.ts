/** Bytes that have arrived and are not read yet. The receive window of the sender limits them. */

export class ReceiveBuffer {
  #chunks: Buffer[] = [];
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** Takes over `bytes`, including their memory. */
  push(bytes: Buffer): void {
    this.#chunks.push(bytes);
    this.#length += bytes.length;
  }

  /** Returns the first 1 to `max` bytes, with their memory. The buffer must not be empty. */
  take(max: number): Buffer {
    const first = this.#chunks[0] as Buffer;
    if (first.length === this.#length && first.length <= max) {
      this.clear();
      return first;
    }
    const taken = Buffer.allocUnsafe(Math.min(max, this.#length));
    this.takeInto(taken, taken.length);
    return taken;
  }

  /** Copies the first bytes, at most `max`, to `into` and returns how many. */
  takeInto(into: Uint8Array, max: number): number {
    const wanted = Math.min(max, this.#length);
    let at = 0;
    let used = 0;
    while (at < wanted) {
      const chunk = this.#chunks[used] as Buffer;
      const part = Math.min(chunk.length, wanted - at);
      into.set(part === chunk.length ? chunk : chunk.subarray(0, part), at);
      at += part;
      if (part === chunk.length) used++;
      else this.#chunks[used] = chunk.subarray(part);
    }
    this.#chunks.splice(0, used);
    this.#length -= wanted;
    return wanted;
  }

  clear(): void {
    this.#chunks.length = 0;
    this.#length = 0;
  }
}
