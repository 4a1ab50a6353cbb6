/** The masking of payloads (RFC 6455, section 5.3). */

/** Shorter payloads are masked byte by byte: a view of words costs more. */
const WORDS_FROM = 48;

/** The size of a masking key. */
export const KEY_SIZE = 4;

/** The key at `at`, as a number whose lowest byte is the first one. */
export function keyAt(bytes: Uint8Array, at: number): number {
  let key = 0;
  for (let i = 0; i < KEY_SIZE; i++) key |= (bytes[at + i] as number) << (i * 8);
  return key;
}

/**
 * XORs `bytes`, from `start` on, with the key, in place. Masks and unmasks.
 * Most of a payload is done in words: single bytes cost six times as much.
 */
export function applyMask(bytes: Uint8Array, start: number, key: number): void {
  const turned = turn(key, start);
  if (bytes.length - start < WORDS_FROM) {
    applyToBytes(bytes, start, bytes.length, turned);
    return;
  }
  const misaligned = (bytes.byteOffset + start) % 4;
  const aligned = start + (misaligned === 0 ? 0 : 4 - misaligned);
  const words = new Int32Array(
    bytes.buffer,
    bytes.byteOffset + aligned,
    (bytes.length - aligned) >>> 2,
  );
  applyToBytes(bytes, start, aligned, turned);
  applyToWords(words, turn(turned, -aligned));
  applyToBytes(bytes, aligned + words.byteLength, bytes.length, turned);
}

/** The key, turned by `count` bytes: byte `i` of the result is byte `i - count` of `key`. */
function turn(key: number, count: number): number {
  const bits = (count & 3) * 8;
  return bits === 0 ? key : (key << bits) | (key >>> (32 - bits));
}

/** The bytes from `from` to `to`. `key` begins at position 0 of `bytes`. */
function applyToBytes(bytes: Uint8Array, from: number, to: number, key: number): void {
  for (let i = from; i < to; i++) {
    // The array drops the higher bits.
    bytes[i] = (bytes[i] as number) ^ (key >>> ((i & 3) * 8));
  }
}

const wordBytes = new Uint8Array(KEY_SIZE);
const word = new Int32Array(wordBytes.buffer);

function applyToWords(words: Int32Array, key: number): void {
  for (let i = 0; i < KEY_SIZE; i++) wordBytes[i] = key >>> (i * 8);
  // In the byte order of the machine, as `words`.
  const mask = word[0] as number;
  for (let i = 0; i < words.length; i++) words[i] = (words[i] as number) ^ mask;
}
