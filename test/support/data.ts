/** Test data. */
import { createHash } from 'node:crypto';

/** `length` pseudo-random bytes. Equal seeds return equal bytes. */
export function pattern(length: number, seed = 1): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  let state = (seed * 2654435761) >>> 0;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

/** Length and hash of `data`: a failed comparison does not print the bytes. */
export function digest(data: Uint8Array): string {
  return `${data.length} bytes, ${createHash('sha256').update(data).digest('hex')}`;
}
