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
  if (bytes.length - start < WORDS_FROM) {
    applyToBytes(bytes, start, bytes.length, start, key);
    return;
  }
  const misaligned = (bytes.byteOffset + start) % 4;
  const aligned = start + (misaligned === 0 ? 0 : 4 - misaligned);
  const words = (bytes.length - aligned) >>> 2;
  applyToBytes(bytes, start, aligned, start, key);
  applyToWords(
    new Int32Array(bytes.buffer, bytes.byteOffset + aligned, words),
    aligned - start,
    key,
  );
  applyToBytes(bytes, aligned + words * 4, bytes.length, start, key);
}

/** The bytes from `from` to `to` of a payload that begins at `start`. */
function applyToBytes(
  bytes: Uint8Array,
  from: number,
  to: number,
  start: number,
  key: number,
): void {
  for (let i = from; i < to; i++) bytes[i] = (bytes[i] as number) ^ byteOf(key, i - start);
}

const wordBytes = new Uint8Array(KEY_SIZE);
const word = new Int32Array(wordBytes.buffer);

/** `shift`: the position of the first word in the payload. */
function applyToWords(words: Int32Array, shift: number, key: number): void {
  for (let i = 0; i < KEY_SIZE; i++) wordBytes[i] = byteOf(key, i + shift);
  // In the byte order of the machine, as `words`.
  const mask = word[0] as number;
  for (let i = 0; i < words.length; i++) words[i] = (words[i] as number) ^ mask;
}

/** The byte for the position `i` of a payload; the caller's array drops the higher bits. */
function byteOf(key: number, i: number): number {
  return key >>> ((i & 3) * 8);
}
