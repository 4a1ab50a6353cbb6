import { describe, expect, expectTypeOf, it } from 'vitest';
import { A, succeed } from '../../../test/support/kernel/operations.ts';
import { codeOf, failureOf } from '../../../test/support/kernel/virtual-host.ts';
import type { Operation } from '../../kernel/operation.ts';
import { pause, sleep, sleepForever } from '../../kernel/waits.ts';
import { all } from './all.ts';
import { allSettled } from './all-settled.ts';
import { any } from './any.ts';
import { race } from './race.ts';

describe('the list of members', () => {
  it('is a TypeError at once if it is not an array or a record of operations', () => {
    for (const combine of [all, race, any, allSettled]) {
      for (const wrong of [undefined, null, 5, 'text', new Set(), succeed(1, 1)]) {
        expect(() => combine(wrong as never)).toThrow(TypeError);
      }
      expect(() => combine([Promise.resolve()] as never)).toThrow('Expected an operation');
    }
  });

  it('is discarded if the combinator is not driven', () => {
    const member = succeed(1, 1);
    const operation = all([member]) as ReturnType<typeof all> & { return(): void };
    operation.return();
    expect(member.next()).toEqual({ done: true, value: undefined });
    const other = succeed(1, 1);
    expect(() => all([other, 5] as never)).toThrow('Expected an operation');
    expect(other.next().done).toBe(true);
  });

  it('can be driven only once', () => {
    const operation = all([succeed(1, 1)]);
    expect(
      codeOf(function* () {
        yield* operation;
        yield* operation;
      }),
    ).toBe('ERR_ALREADY_DRIVEN');
  });

  it('may contain functions that throw, which counts as a failure of the member', () => {
    expect(
      failureOf(() =>
        all([
          () => {
            throw A;
          },
          sleepForever(),
        ]),
      ),
    ).toBe(A);
    expect(codeOf(() => all([(() => 5) as never]))).toBe('ERR_NOT_AN_OPERATION');
    for (const member of [undefined, null, 5]) {
      const members = [succeed(1, 1), member as never];
      expect(codeOf(() => all(members))).toBe('ERR_NOT_AN_OPERATION');
    }
  });
});

describe('the types of combinators', () => {
  it('are inferred from tuples, arrays, records and inline generator functions', () => {
    const tuple = all([
      succeed(1, 1),
      succeed(1, 'x'),
      function* () {
        return true;
      },
    ]);
    expectTypeOf(tuple).toEqualTypeOf<Operation<[number, string, boolean]>>();
    const list = all(['x', 'y'].map((word) => succeed(1, word)));
    expectTypeOf(list).toEqualTypeOf<Operation<string[]>>();
    const record = all({
      left: succeed(1, 1),
      right: function* () {
        yield* pause();
        return 'r';
      },
    });
    expectTypeOf(record).toEqualTypeOf<Operation<{ left: number; right: string }>>();
    expectTypeOf(all([])).toEqualTypeOf<Operation<[]>>();
    expectTypeOf(race([succeed(1, 1), succeed(1, 'x')])).toEqualTypeOf<
      Operation<number | string>
    >();
    expectTypeOf(race({ x: succeed(1, 1), y: sleepForever() })).toEqualTypeOf<Operation<number>>();
    expectTypeOf(any([1, 2].map((n) => succeed(1, n)))).toEqualTypeOf<Operation<number>>();
    expectTypeOf(allSettled([succeed(1, 1), succeed(1, 'x')])).toEqualTypeOf<
      Operation<[PromiseSettledResult<number>, PromiseSettledResult<string>]>
    >();
    expectTypeOf(allSettled({ x: sleep(1) })).toEqualTypeOf<
      Operation<{ x: PromiseSettledResult<void> }>
    >();
  });

  it('are inferred from the types of a generic function', () => {
    function both<T>(one: Operation<T>, other: () => Operation<T>): Operation<[T, T]> {
      return all([one, other]);
    }
    function every<T>(operations: readonly Operation<T>[]): Operation<T> {
      return race(operations);
    }
    expectTypeOf(both(succeed(1, 1), () => succeed(1, 2))).toEqualTypeOf<
      Operation<[number, number]>
    >();
    expectTypeOf(every([succeed(1, 'x')])).toEqualTypeOf<Operation<string>>();
  });

  it('accept an inline generator function that yields a wait', () => {
    const raced = race([
      function* () {
        yield ['sleep', 5];
        return 5;
      },
      function* () {
        yield;
        return 'x';
      },
    ]);
    expectTypeOf(raced).toEqualTypeOf<Operation<number | string>>();
  });

  it('do not accept promises and async functions', () => {
    // @ts-expect-error a promise is not an operation
    expect(() => all([Promise.resolve(1)])).toThrow();
    // @ts-expect-error an async function returns a promise
    expect(codeOf(() => all([async () => 1]))).toBe('ERR_NOT_AN_OPERATION');
  });
});
