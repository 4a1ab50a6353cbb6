import { describe, expect, it } from 'vitest';
import { A, cleanupFor, failAfter, succeed } from '../../../test/support/kernel/operations.ts';
import { failureOf, play } from '../../../test/support/kernel/virtual-host.ts';
import { now } from '../../kernel/current.ts';
import { isCancelled } from '../../kernel/scope/cancelled.ts';
import { pause, sleepForever } from '../../kernel/waits.ts';
import { race } from './race.ts';

describe('race', () => {
  it('returns the value of the first member that ends', () => {
    expect(play(() => race([succeed(30, 'x'), succeed(10, 'y')]))).toBe('y');
    expect(play(() => race({ x: succeed(3, 'x'), y: succeed(10, 'y') }))).toBe('x');
  });

  it('throws the error of the first member that ends', () => {
    expect(failureOf(() => race([succeed(30, 'x'), failAfter(10, A)]))).toBe(A);
  });

  it('returns only when the other members have ended', () => {
    const log: string[] = [];
    play(function* () {
      const value = yield* race([cleanupFor(40, log, 'other'), succeed(10, 'first')]);
      log.push(`${value} at ${now()}`);
    });
    expect(log).toEqual(['other at 50', 'first at 50']);
  });

  it('cancels the other members with a reason', () => {
    let reason: unknown;
    play(() =>
      race([
        succeed(1, 1),
        function* () {
          try {
            yield* sleepForever();
          } catch (error) {
            if (isCancelled(error)) reason = error.reason;
            throw error;
          }
        },
      ]),
    );
    expect(reason).toBe('the race is decided');
  });

  it('decides for the first in order of the members that end in the same batch', () => {
    expect(play(() => race([succeed(10, 'x'), succeed(10, 'y')]))).toBe('x');
    expect(play(() => race([pause(), failAfter(0, A)]))).toBe(undefined);
  });

  it('throws a RangeError at once if it has no members', () => {
    expect(() => race([])).toThrow(RangeError);
    expect(() => race({})).toThrow('Expected `members` to be at least one operation');
  });
});
