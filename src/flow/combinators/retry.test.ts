import { describe, expect, expectTypeOf, it } from 'vitest';
import { A, failAfter, succeed, thrownBy } from '../../../test/support/kernel/operations.ts';
import { codeOf, failureOf, play, VirtualHost } from '../../../test/support/kernel/virtual-host.ts';
import { now } from '../../kernel/current.ts';
import type { Operation, Wait } from '../../kernel/operation.ts';
import { isCancelled } from '../../kernel/scope/cancelled.ts';
import { timeout } from '../../kernel/scope/with-scope.ts';
import { sleep, sleepForever } from '../../kernel/waits.ts';
import type { RetryOptions } from './retry.ts';
import { retry } from './retry.ts';

/** Fails before attempt `succeedsAt`, and records the time of each attempt. */
function* flaky(succeedsAt: number, attempt: number, times: number[]): Generator<Wait, string> {
  times.push(now());
  yield* sleep(1);
  if (attempt < succeedsAt) throw new Error(`attempt ${attempt}`);
  return `attempt ${attempt}`;
}

/** Returns the times of the attempts of an operation that always fails. */
function attemptsOf(options: RetryOptions, host = new VirtualHost()): number[] {
  const times: number[] = [];
  const op = function* (): Generator<Wait, void> {
    times.push(now());
    throw A;
  };
  expect(() => host.play(() => retry(op, options))).toThrow(A);
  return times;
}

describe('retry', () => {
  it('returns the value of the first attempt that succeeds', () => {
    const times: number[] = [];
    expect(play(() => retry((n) => flaky(3, n, times), { times: 5 }))).toBe('attempt 3');
    expect(times).toEqual([0, 1, 2]);
  });

  it('makes three attempts by default, and throws the last error', () => {
    const times: number[] = [];
    expect(() => play(() => retry((n) => flaky(9, n, times)))).toThrow('attempt 3');
    expect(times).toHaveLength(3);
    expect(attemptsOf({ times: 1 })).toEqual([0]);
  });

  it('multiplies the delay by `factor` after each attempt', () => {
    expect(attemptsOf({ times: 5, delayMs: 10 })).toEqual([0, 10, 30, 70, 150]);
    expect(attemptsOf({ times: 4, delayMs: 10, factor: 1 })).toEqual([0, 10, 20, 30]);
    expect(attemptsOf({ times: 4, delayMs: 10, factor: 3 })).toEqual([0, 10, 40, 130]);
  });

  it("draws the random part of a delay from the host's random numbers", () => {
    const host = new VirtualHost();
    const drawn = [0, 0.25, 1];
    host.random = () => drawn.shift() as number;
    expect(attemptsOf({ times: 4, delayMs: 100, factor: 1, jitter: true }, host)).toEqual([
      0, 100, 175, 175,
    ]);
    expect(attemptsOf({ times: 2, delayMs: 100, jitter: 0.5 })).toEqual([0, 75]);
  });

  it('calls `when` after each failure but the last', () => {
    const calls: unknown[] = [];
    const when = (error: unknown, attempt: number): boolean => {
      calls.push([error, attempt]);
      return attempt < 2;
    };
    expect(failureOf(() => retry(() => failAfter(1, A), { times: 9, when }))).toBe(A);
    expect(calls).toEqual([
      [A, 1],
      [A, 2],
    ]);
    expect(failureOf(() => retry(() => failAfter(1, A), { times: 1, when }))).toBe(A);
    expect(calls).toHaveLength(2);
  });

  it('repeats if the function throws or does not return an operation', () => {
    let calls = 0;
    const value = play(() =>
      retry(() => {
        calls++;
        if (calls === 1) throw A;
        return calls === 2 ? (5 as never) : succeed(1, 'x');
      }),
    );
    expect(value).toBe('x');
  });

  it('does not repeat a cancelled operation', () => {
    let attempts = 0;
    const op = function* (): Generator<Wait, void> {
      attempts++;
      yield* sleepForever();
    };
    expect(codeOf(() => timeout(10, retry(op, { times: 5 })))).toBe('ERR_TIMEOUT');
    expect(attempts).toBe(1);
  });

  it('can be cancelled while it sleeps, and before the first attempt', () => {
    const rest = () => retry(() => failAfter(1, A), { times: 5, delayMs: 1000 });
    expect(codeOf(() => timeout(10, rest()))).toBe('ERR_TIMEOUT');
    let calls = 0;
    const cancelled = new VirtualHost();
    const main = cancelled.scheduler.start(() => retry(() => succeed(calls++, 1)));
    main.cancel();
    cancelled.scheduler.turn();
    cancelled.scheduler.turn();
    expect(isCancelled(main.inbox)).toBe(true);
    expect(calls).toBe(0);
  });

  it('lets other tasks run between attempts that fail at once', () => {
    expect(
      codeOf(() =>
        timeout(
          10,
          retry(
            function* () {
              yield* sleep(0.001);
              throw A;
            },
            { times: Infinity, delayMs: 0 },
          ),
        ),
      ),
    ).toBe('ERR_TIMEOUT');
  });

  it('throws a TypeError for an operation, which could be driven only once', () => {
    const operation = succeed(1, 1);
    expect(() => retry(operation as never)).toThrow(TypeError);
    expect(() => retry(operation as never)).toThrow('retry(() => operation)');
    expect(operation.next().done).toBe(true);
    expect(() => retry(5 as never)).toThrow(TypeError);
  });

  it('throws at once for invalid options', () => {
    const wrong = (options: unknown) => () => retry(() => sleep(1), options as RetryOptions);
    for (const times of [0, -1, 1.5, Number.NaN]) expect(wrong({ times })).toThrow(RangeError);
    expect(wrong({ times: '3' })).toThrow(TypeError);
    expect(wrong({ delayMs: -1 })).toThrow(RangeError);
    expect(wrong({ factor: Infinity })).toThrow(RangeError);
    expect(wrong({ jitter: 2 })).toThrow(RangeError);
    expect(wrong({ jitter: 'full' })).toThrow(TypeError);
    expect(wrong({ when: true })).toThrow(TypeError);
  });

  it('infers the type of the value', () => {
    expectTypeOf(retry(() => succeed(1, 'x'))).toEqualTypeOf<Operation<string>>();
    expectTypeOf(
      retry(function* () {
        return 1;
      }),
    ).toEqualTypeOf<Operation<number>>();
  });
});

describe('the options of retry', () => {
  it('limit each delay to maxDelayMs, which is 30 s by default', () => {
    const times = (options: RetryOptions) =>
      play(function* () {
        const starts: number[] = [];
        const failing = function* (): Generator<Wait, void> {
          starts.push(now());
          throw new Error('down');
        };
        yield* thrownBy(retry(failing, options));
        return starts;
      });
    expect(times({ times: 4, delayMs: 20_000 })).toEqual([0, 20_000, 50_000, 80_000]);
    expect(times({ times: 4, delayMs: 10, maxDelayMs: 15 })).toEqual([0, 10, 25, 40]);
    expect(times({ times: 3, delayMs: 40_000 })).toEqual([0, 40_000, 80_000]);
    expect(times({ times: 3, delayMs: 1e6, maxDelayMs: Infinity })).toEqual([0, 1e6, 3e6]);
  });

  it('with an unknown name are a TypeError that suggests the right one', () => {
    const options = { maxDelay: 5 } as unknown as RetryOptions;
    expect(() => retry(() => sleep(1), options)).toThrow('did you mean `maxDelayMs`?');
    expect(() => retry(() => sleep(1), { maxDelayMs: -1 })).toThrow(RangeError);
  });
});
