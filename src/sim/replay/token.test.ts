import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ReplayTokenError } from '../../sim.ts';
import type { AllowedChoices } from '../choices/decisions.ts';
import { ORDERS } from '../choices/order.ts';
import type { Replay } from './token.ts';
import { decodeReplay, encodeReplay } from './token.ts';

const numbers = fc.uniqueArray(fc.nat(100_000), { maxLength: 60 }).map((list) => new Set(list));
const allowedChoices: fc.Arbitrary<AllowedChoices> = fc.record({
  schedule: numbers,
  latency: numbers,
  fault: numbers,
  program: numbers,
});
const replays: fc.Arbitrary<Replay> = fc.record({
  seed: fc.maxSafeNat(),
  order: fc.constantFrom(...ORDERS),
  pctDepth: fc.integer({ min: 1, max: 100 }),
  allowed: fc.option(allowedChoices),
});

const few: Replay = {
  seed: 42,
  order: 'random',
  pctDepth: 3,
  allowed: {
    schedule: new Set([3, 4, 5, 900]),
    latency: new Set(),
    fault: new Set([0]),
    program: new Set(),
  },
};

describe('a replay token', () => {
  it('decodes to the run that was encoded', () => {
    fc.assert(
      fc.property(replays, (replay) => {
        expect(decodeReplay(encodeReplay(replay))).toEqual(replay);
      }),
    );
  });

  it('is short and consists of characters that need no quotes in a shell', () => {
    expect(encodeReplay(few)).toBe('AQEDKgECAwL-BgAAAQAAAMz0rGE');
    fc.assert(
      fc.property(replays, (replay) => {
        expect(encodeReplay(replay)).toMatch(/^A[A-Za-z0-9_-]*$/);
      }),
    );
  });

  it('may be surrounded by spaces', () => {
    expect(decodeReplay(` ${encodeReplay(few)}\n`)).toEqual(few);
  });

  it('contains only the seed if there are too many choices to list', () => {
    const all = new Set(Array.from({ length: 20_000 }, (_, i) => 3 * i));
    const token = encodeReplay({
      ...few,
      allowed: { ...(few.allowed as AllowedChoices), schedule: all },
    });
    expect(decodeReplay(token)).toEqual({ ...few, allowed: null });
  });
});

describe('a text that is not a token', () => {
  const token = encodeReplay(few);

  it('is rejected if a single character of a token differs', () => {
    for (let i = 0; i < token.length; i++) {
      for (const letter of 'AZaz09-_') {
        if (letter === token[i]) continue;
        const altered = token.slice(0, i) + letter + token.slice(i + 1);
        expect(() => decodeReplay(altered), altered).toThrow(ReplayTokenError);
      }
    }
  });

  it('is rejected if a part of a token is missing or added', () => {
    for (let i = 0; i < token.length; i++) {
      expect(() => decodeReplay(token.slice(0, i)), `${i} letters`).toThrow(ReplayTokenError);
      expect(() => decodeReplay(token.slice(i + 1)), `from ${i + 1}`).toThrow(ReplayTokenError);
    }
    expect(() => decodeReplay(`${token}A`)).toThrow(ReplayTokenError);
    expect(() => decodeReplay(token + token)).toThrow(ReplayTokenError);
  });

  it('is rejected with a message that names the problem', () => {
    const wrong = [
      ['', 'got "": it is not a token, or not complete'],
      ['not a token', 'it is not a token, or not complete'],
      ['A'.repeat(1000), 'this Coronet reads version 1, not 0'],
      [`AQED${token.slice(4).replace('A', 'B')}`, 'its checksum does not match'],
      ['A'.repeat(200_000), '…": it is not a token, or not complete'],
    ] as const;
    for (const [text, message] of wrong) {
      expect(() => decodeReplay(text)).toThrow(message);
    }
    expect(() => decodeReplay(5 as never)).toThrow('Expected `replay` to be a token, got 5');
  });

  it('is rejected if its checksum is right but its contents are invalid', () => {
    const bodies = [
      [1, 3, 3, 42, 0],
      [1, 1, 0, 42, 0],
      [1, 1, 3, 42, 2],
      [1, 1, 3, 42, 0, 0],
      [1, 1, 3, 42],
      [1, 1, 3, 255, 255, 255, 255, 255, 255, 255, 255, 1, 0],
      [1, 1, 3, 42, 1, 1, 0, 255, 255, 255, 1, 0, 0, 0],
      [1, 1, 3, 42, 1, 255, 255, 63],
    ];
    for (const body of bodies) {
      expect(() => decodeReplay(withChecksum(body)), `${body}`).toThrow('do not describe a run');
    }
  });
});

/** Encodes a body with its checksum, as a token is encoded. */
function withChecksum(body: readonly number[]): string {
  let hash = 0x811c9dc5;
  for (const byte of body) hash = Math.imul(hash ^ byte, 0x01000193);
  const checksum = [hash >>> 24, (hash >>> 16) & 255, (hash >>> 8) & 255, hash & 255];
  return Buffer.from([...body, ...checksum]).toString('base64url');
}
