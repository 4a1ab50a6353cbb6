/**
 * The hash of a trace: 64 bits in two halves of 32, updated word by word. The same words produce
 * the same hash on every machine and every version of the engine: only 32-bit integer arithmetic.
 */

/** The index of the low word of a float: the byte order of the machine. */
const LOW: 0 | 1 = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1 ? 0 : 1;

const float = new Float64Array(1);
const floatBits = new Int32Array(float.buffer);

export class TraceHash {
  #left = 0x243f6a88;
  #right = 0x85a308d3 | 0;

  /** Adds a word of 32 bits. */
  word(word: number): void {
    const left = Math.imul(this.#left ^ word, 0x85ebca6b);
    this.#left = left ^ (left >>> 15);
    const right = Math.imul((this.#right + word) ^ (this.#left >>> 7), 0xc2b2ae35);
    this.#right = right ^ (right >>> 13);
  }

  /** Adds a number: one word for a 32-bit integer, otherwise the two words of the float. */
  number(value: number): void {
    if ((value | 0) === value) return this.word(value | 0);
    float[0] = value;
    this.word(floatBits[LOW] as number);
    this.word(floatBits[1 - LOW] as number);
  }

  /** 16 hexadecimal digits. */
  get hex(): string {
    return hexOf(this.#left) + hexOf(this.#right);
  }
}

function hexOf(word: number): string {
  return (word >>> 0).toString(16).padStart(8, '0');
}

/** A 32-bit hash of a text. */
export function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash ^ (hash >>> 16);
}

/** The number of bytes of a payload that are hashed, in addition to its length. */
const SAMPLED_BYTES = 64;

/** A 32-bit hash of a payload: its length and up to 64 evenly spaced bytes. */
export function sample(data: Uint8Array): number {
  const stride = Math.max(1, Math.floor(data.length / SAMPLED_BYTES));
  let hash = Math.imul(data.length ^ 0x9e3779b1, 0x01000193);
  for (let i = 0, taken = 0; i < data.length && taken < SAMPLED_BYTES; i += stride, taken++) {
    hash = Math.imul(hash ^ (data[i] as number), 0x01000193);
  }
  return hash ^ (hash >>> 16);
}
