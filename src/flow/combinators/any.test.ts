import { describe, expect, it } from 'vitest';
import {
  A,
  B,
  cleanupFor,
  failAfter,
  observe,
  succeed,
} from '../../../test/support/kernel/operations.ts';
import { failureOf, play } from '../../../test/support/kernel/virtual-host.ts';
import { now } from '../../kernel/current.ts';
import type { AllFailedError } from '../errors.ts';
import { any } from './any.ts';

describe('any', () => {
  it('returns the first value and ignores failures', () => {
    expect(observe(() => any([failAfter(1, A), succeed(20, 'x'), succeed(30, 'y')]))).toEqual({
      result: 'x',
      unhandled: [],
    });
  });

  it('throws all errors in the order of the members when every member has failed', () => {
    const error = failureOf(() => any([failAfter(30, A), failAfter(10, B)])) as AllFailedError;
    expect(error).toBeInstanceOf(AggregateError);
    expect(error).toMatchObject({ name: 'AllFailedError', code: 'ERR_ALL_FAILED' });
    expect(error.errors).toEqual([A, B]);
    expect(error.message).toBe(
      'No operation of any() returned a value: [0] Error: a; [1] Error: b',
    );
  });

  it('reports each failure once, including the one that comes last', () => {
    const { result, unhandled } = observe(() => any([failAfter(1, A), failAfter(2, B)]));
    expect(result).toMatchObject({ errors: [A, B] });
    expect(unhandled).toEqual([]);
  });

  it('names the members of a record in its error', () => {
    const error = failureOf(() => any({ one: failAfter(3, A), two: failAfter(1, A) }));
    expect(error).toMatchObject({ errors: [A, A] });
    expect(String(error)).toContain('.one Error: a; .two Error: a');
  });

  it('throws an error with a short message if many members failed, or threw odd values', () => {
    const longText = 'x\n'.repeat(500);
    const failing = () => Array.from({ length: 2000 }, () => failAfter(1, new Error(longText)));
    const error = failureOf(() => any(failing())) as AllFailedError;
    expect(error.errors).toHaveLength(2000);
    expect(error.message).toMatch(/value: \[0\] Error: x; .*; \[7\] Error: x; and 1992 more$/);
    const odd = failureOf(() =>
      any([failAfter(1, Symbol('s')), failAfter(1, Object.create(null))]),
    );
    expect(odd).toMatchObject({
      code: 'ERR_ALL_FAILED',
      message: expect.stringContaining('[0] Symbol(s); [1] a value that cannot be shown'),
    });
    const longName = failureOf(() => any({ ['k'.repeat(1e6)]: failAfter(1, A) }));
    expect((longName as Error).message.length).toBeLessThan(200);
  });

  it('throws ERR_ALL_FAILED if it has no members, as Promise.any does', () => {
    expect(failureOf(() => any([]))).toMatchObject({ code: 'ERR_ALL_FAILED', errors: [] });
  });

  it('cancels the other members and waits until they have ended', () => {
    const log: string[] = [];
    play(function* () {
      yield* any([cleanupFor(40, log, 'other'), failAfter(5, A), succeed(10, 1)]);
      log.push(`decided at ${now()}`);
    });
    expect(log).toEqual(['other at 50', 'decided at 50']);
  });
});
