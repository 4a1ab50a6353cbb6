import { describe, expect, expectTypeOf, it } from 'vitest';
import {
  A,
  B,
  cleanupFor,
  failAfter,
  failWhenCancelled,
  observe,
  succeed,
} from '../../../test/support/kernel/operations.ts';
import { codeOf, failureOf, play } from '../../../test/support/kernel/virtual-host.ts';
import { currentTask, now } from '../../kernel/current.ts';
import type { Operation, Wait } from '../../kernel/operation.ts';
import { shield } from '../../kernel/scope/shield.ts';
import { moveOnAfter, scope, timeout } from '../../kernel/scope/with-scope.ts';
import { sleep, sleepForever } from '../../kernel/waits.ts';
import { map } from './map.ts';

/** Counts the running operations and their maximum. */
class Counter {
  now = 0;
  most = 0;

  *work<T>(ms: number, value: T): Generator<Wait, T> {
    this.most = Math.max(this.most, ++this.now);
    try {
      yield* sleep(ms);
      return value;
    } finally {
      this.now--;
    }
  }
}

/** Yields the numbers from 0 on, and logs what it does. */
function* endless(log: string[]): Generator<number, void> {
  try {
    for (let i = 0; ; i++) {
      log.push(`takes ${i}`);
      yield i;
    }
  } finally {
    log.push('closed');
  }
}

describe('map', () => {
  it('returns the values in the order of the items', () => {
    const values = play(() => map([30, 10, 20], (ms, index) => succeed(ms, `${index}: ${ms}`)));
    expect(values).toEqual(['0: 30', '1: 10', '2: 20']);
  });

  it('runs as many tasks as `concurrency` allows', () => {
    const counter = new Counter();
    const items = Array.from({ length: 20 }, (_, index) => index);
    const [values, time] = play(function* () {
      const done = yield* map(items, (n) => counter.work(10, n), { concurrency: 3 });
      return [done, now()] as const;
    });
    expect(values).toEqual(items);
    expect(counter.most).toBe(3);
    expect(time).toBe(70);
  });

  it('runs 16 tasks by default', () => {
    const counter = new Counter();
    const items = Array.from({ length: 40 }, (_, index) => index);
    play(() => map(new Set(items), (n) => counter.work(1 + n, n)));
    expect(counter.most).toBe(16);
  });

  it('runs all tasks at once if `concurrency` is Infinity', () => {
    const counter = new Counter();
    play(() => map(new Array(100).fill(0), () => counter.work(5, 0), { concurrency: Infinity }));
    expect(counter.most).toBe(100);
  });

  it('takes an item only when a task can start', () => {
    const log: string[] = [];
    play(() =>
      moveOnAfter(
        15,
        map(endless(log), (n) => succeed(10, log.push(`does ${n}`)), { concurrency: 2 }),
      ),
    );
    expect(log).toEqual([
      'takes 0',
      'takes 1',
      'does 0',
      'does 1',
      'takes 2',
      'takes 3',
      'does 2',
      'does 3',
      'closed',
    ]);
  });

  it('closes the iterator after an error, when all tasks have ended', () => {
    const log: string[] = [];
    const error = failureOf(() =>
      map(endless(log), (n) => (n === 0 ? cleanupFor(20, log, 'cleaned') : failAfter(5, A)), {
        concurrency: 2,
      }),
    );
    expect(error).toBe(A);
    expect(log).toEqual(['takes 0', 'takes 1', 'cleaned at 25', 'closed']);
  });

  it('throws the first error unchanged, and later ones go to onUnhandled', () => {
    const { result, unhandled } = observe(() =>
      map([1, 2, 3], (n) => (n === 2 ? failAfter(5, A) : failWhenCancelled(B))),
    );
    expect(result).toBe(A);
    expect(unhandled).toEqual([B]);
  });

  it('throws an error of the iterator and starts no more tasks', () => {
    function* items(): Generator<number, void> {
      yield 1;
      yield 2;
      throw A;
    }
    expect(failureOf(() => map(items(), () => sleepForever()))).toBe(A);
    expect(failureOf(() => map(items(), () => sleep(1), { concurrency: 1 }))).toBe(A);
    const unopened = {
      [Symbol.iterator]: () => {
        throw B;
      },
    };
    expect(failureOf(() => map(unopened, () => sleep(1)))).toBe(B);
  });

  it('reports an error of closing the iterator', () => {
    const items = {
      [Symbol.iterator]: () => ({
        next: () => ({ done: false as const, value: 1 }),
        return: (): never => {
          throw B;
        },
      }),
    };
    const { result, unhandled } = observe(() =>
      map(items, () => failAfter(1, A), { concurrency: 1 }),
    );
    expect({ result, unhandled }).toEqual({ result: A, unhandled: [B] });
  });

  it('throws an error of the function, and an error if it does not return an operation', () => {
    expect(
      failureOf(() =>
        map([1], () => {
          throw A;
        }),
      ),
    ).toBe(A);
    expect(codeOf(() => map([1], (() => 5) as never))).toBe('ERR_NOT_AN_OPERATION');
  });

  it('returns an empty array for no items, and is a cancel point even then', () => {
    expect(play(() => map([], () => sleep(1)))).toEqual([]);
    const cancelled = play(() =>
      scope(function* (s) {
        s.cancel();
        return yield* map([], () => sleep(1));
      }),
    );
    expect(cancelled).toBe(undefined);
  });

  it('rethrows a cancellation and takes no further item', () => {
    const log: string[] = [];
    const code = codeOf(() =>
      timeout(
        15,
        map(endless(log), () => cleanupFor(5, log, 'cleaned'), { concurrency: 1 }),
      ),
    );
    expect(code).toBe('ERR_TIMEOUT');
    expect(log).toEqual(['takes 0', 'cleaned at 20', 'closed']);
  });

  it('takes no further item when a cancelled task returns a value', () => {
    const log: string[] = [];
    const code = codeOf(() =>
      timeout(
        15,
        map(endless(log), () => shield(sleep(20)), { concurrency: 1 }),
      ),
    );
    expect(code).toBe('ERR_TIMEOUT');
    expect(log).toEqual(['takes 0', 'closed']);
  });

  it('names its tasks after the index', () => {
    const names = play(() =>
      map(['x', 'y'], function* () {
        return currentTask().name;
      }),
    );
    expect(names).toEqual(['map[0]', 'map[1]']);
  });

  it('does not overflow the stack if no operation waits', () => {
    const items = Array.from({ length: 20_000 }, (_, index) => index);
    const sum = play(function* () {
      const values = yield* map(
        items,
        function* (n) {
          return n;
        },
        { concurrency: 1 },
      );
      return values.length;
    });
    expect(sum).toBe(20_000);
  });

  it('throws at once for invalid arguments', () => {
    expect(() => map(5 as never, () => sleep(1))).toThrow(TypeError);
    expect(() => map((async function* () {})() as never, () => sleep(1))).toThrow('use each(');
    expect(() => map([], 5 as never)).toThrow(TypeError);
    for (const concurrency of [0, -1, 1.5, Number.NaN]) {
      expect(() => map([], () => sleep(1), { concurrency })).toThrow(RangeError);
    }
    expect(() => map([], () => sleep(1), { concurrency: '2' as never })).toThrow(TypeError);
  });

  it('infers the types of items and values', () => {
    const lengths = map(new Set(['x']), function* (text, index) {
      expectTypeOf(text).toEqualTypeOf<string>();
      expectTypeOf(index).toEqualTypeOf<number>();
      return text.length;
    });
    expectTypeOf(lengths).toEqualTypeOf<Operation<number[]>>();
  });
});
