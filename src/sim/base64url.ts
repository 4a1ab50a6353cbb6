/** Bytes as text that survives shells and addresses: base64url without padding (RFC 4648, 5). */

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const VALUES: ReadonlyMap<string, number> = new Map(
  [...ALPHABET].map((letter, value) => [letter, value]),
);

export function toBase64url(bytes: readonly number[]): string {
  let text = '';
  for (let i = 0; i < bytes.length; i += 3) {
    const [a, b, c] = [bytes[i] as number, bytes[i + 1], bytes[i + 2]];
    const group = (a << 16) | ((b ?? 0) << 8) | (c ?? 0);
    const letters = b === undefined ? 2 : c === undefined ? 3 : 4;
    for (let j = 0; j < letters; j++) text += ALPHABET[(group >> (18 - 6 * j)) & 63];
  }
  return text;
}

/** The bytes of `text`; `undefined` if no bytes are written like that. */
export function fromBase64url(text: string): number[] | undefined {
  const bytes: number[] = [];
  let bits = 0;
  let group = 0;
  for (const letter of text) {
    const value = VALUES.get(letter);
    if (value === undefined) return undefined;
    group = ((group << 6) | value) & 0xffff;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    bytes.push((group >> bits) & 255);
  }
  // Bytes have one text: bits that are left over are 0, and there are fewer than a letter's.
  const leftOver = group & ((1 << bits) - 1);
  return bits < 6 && leftOver === 0 ? bytes : undefined;
}
