import { describe, expect, it } from 'vitest';
import { applyMask, keyAt } from './mask.ts';

const KEY = Uint8Array.of(0x81, 0x02, 0xf3, 0x44);

/** Masks one byte after the other, as RFC 6455 describes it. */
function expectedBytes(bytes: Uint8Array, start: number): Uint8Array {
  return bytes.map((byte, i) => (i < start ? byte : byte ^ (KEY[(i - start) % 4] as number)));
}

describe('a mask', () => {
  it('a key is read from any position', () => {
    expect(keyAt(Uint8Array.of(9, ...KEY), 1)).toBe(keyAt(KEY, 0));
  });

  it('applies to payloads of every length and alignment, and only to them', () => {
    const memory = new Uint8Array(300);
    for (let offset = 0; offset < 8; offset++) {
      for (let start = 0; start < 8; start++) {
        for (const length of [0, 1, 3, 47, 48, 49, 50, 51, 52, 100, 201]) {
          memory.forEach((_, i) => {
            memory[i] = (i * 37) & 255;
          });
          const before = Uint8Array.from(memory);
          const end = offset + start + length;
          const bytes = memory.subarray(offset, end);
          const expected = expectedBytes(bytes, start);
          applyMask(bytes, start, keyAt(KEY, 0));
          expect(Buffer.compare(bytes, expected)).toBe(0);
          expect(Buffer.compare(memory.subarray(0, offset), before.subarray(0, offset))).toBe(0);
          expect(Buffer.compare(memory.subarray(end), before.subarray(end))).toBe(0);
        }
      }
    }
  });

  it('applied twice changes nothing', () => {
    const bytes = Uint8Array.from({ length: 100 }, (_, i) => i);
    applyMask(bytes, 3, keyAt(KEY, 0));
    applyMask(bytes, 3, keyAt(KEY, 0));
    expect([...bytes]).toEqual(Array.from({ length: 100 }, (_, i) => i));
  });
});
