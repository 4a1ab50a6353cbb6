/**
 * Bytes that have arrived and wait to be read. Bounded by the window that the sender was granted.
 */

const NOTHING: Buffer = Buffer.alloc(0);

export class ReceiveBuffer {
  #chunks: Buffer[] = [];
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** `bytes` belongs to the inbox from now on. */
  push(bytes: Buffer): void {
    this.#chunks.push(bytes);
    this.#length += bytes.length;
  }

  /** The first 1..max bytes. The inbox must not be empty. The memory is the caller's. */
  take(max: number): Buffer {
    const first = this.#chunks[0] as Buffer;
    if (first.length === this.#length && first.length <= max) {
      this.#chunks.length = 0;
      this.#length = 0;
      return first;
    }
    const taken = Buffer.allocUnsafe(Math.min(max, this.#length));
    this.takeInto(taken);
    return taken;
  }

  /** Copies the first bytes to `into`, as many as there are and fit. */
  takeInto(into: Uint8Array): number {
    const wanted = Math.min(into.length, this.#length);
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

/** The first `max` bytes of all `chunks` as one, copied. */
export function joined(chunks: readonly Uint8Array[], max: number): Buffer {
  const bytes = max === 0 ? NOTHING : Buffer.allocUnsafe(max);
  let at = 0;
  for (const chunk of chunks) {
    const part = Math.min(chunk.length, max - at);
    bytes.set(part === chunk.length ? chunk : chunk.subarray(0, part), at);
    at += part;
    if (at === max) break;
  }
  return bytes;
}
