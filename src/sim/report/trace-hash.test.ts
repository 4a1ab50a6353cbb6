import { describe, expect, it } from 'vitest';
import { hashText, sample, TraceHash } from './trace-hash.ts';

function hexOf(...numbers: readonly number[]): string {
  const hash = new TraceHash();
  for (const number of numbers) hash.number(number);
  return hash.hex;
}

describe('the hash of a trace', () => {
  it('is the same on every machine and every version of the engine', () => {
    expect(hexOf(1, 2.5, -3, 2 ** 40)).toBe('a6c0fcd0477fb679');
    expect([hashText('send'), sample(Buffer.from('Hello'))]).toEqual([1919007438, -1132212865]);
  });

  it('differs if a number, the order or the count of numbers differs', () => {
    const variants = [[], [0], [0, 0], [1, 2], [2, 1], [1.5], [-1], [0xffffffff], [2 ** 32 + 1]];
    expect(new Set(variants.map((numbers) => hexOf(...numbers))).size).toBe(variants.length);
  });

  it('depends on every byte of a short payload and on the length of a long one', () => {
    const data = Buffer.alloc(64, 'a');
    const seen = new Set([sample(data)]);
    for (let i = 0; i < data.length; i++) {
      const changed = Buffer.from(data);
      changed[i] = 0x62;
      seen.add(sample(changed));
    }
    expect(seen.size).toBe(65);
    expect(sample(Buffer.alloc(100_000))).not.toBe(sample(Buffer.alloc(100_001)));
  });
});
