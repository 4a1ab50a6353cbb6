import { describe, expect, expectTypeOf, it } from 'vitest';
import type { Operation } from '../kernel/operation.ts';
import { moveOnAfter, scope, timeout } from '../kernel/scope/with-scope.ts';
import { group } from '../kernel/task/group.ts';
import { pause, sleep } from '../kernel/waits.ts';
import { run } from '../node/run.ts';
import { callback } from './callback.ts';

const ERROR = new Error('no');

describe('callback', () => {
  it('gives the value of the first call, later', async () => {
    const value = await run(() =>
      callback<number>((resume, fail) => {
        setTimeout(() => {
          resume(1);
          resume(2);
          fail(ERROR);
        }, 1);
      }),
    );
    expect(value).toBe(1);
  });

  it('throws the error of the first call', async () => {
    const failing = run(() =>
      callback<number>((resume, fail) => {
        setTimeout(() => {
          fail(ERROR);
          resume(1);
        }, 1);
      }),
    );
    await expect(failing).rejects.toBe(ERROR);
  });

  it('may be called back at once', async () => {
    expect(await run(() => callback<string>((resume) => resume('x')))).toBe('x');
    expect(await run(() => callback<void>((resume) => resume()))).toBe(undefined);
    await expect(run(() => callback((_resume, fail) => fail(ERROR)))).rejects.toBe(ERROR);
    await expect(run(() => callback((_resume, fail) => fail(undefined)))).rejects.toBe(undefined);
  });

  it('called back at once, has won against a cancellation', async () => {
    const value = await run(() =>
      scope(function* (s) {
        return yield* callback<string>((resume) => {
          resume('x');
          s.cancel();
        });
      }),
    );
    expect(value).toBe('x');
  });

  it('runs the cleanup once in every ending', async () => {
    const log: string[] = [];
    const noting = (word: string) => (): void => void log.push(word);
    await run(function* () {
      yield* callback<void>((resume) => {
        setTimeout(resume, 1);
        setTimeout(resume, 2);
        return noting('resumed');
      });
      yield* callback<void>((resume) => {
        resume();
        return noting('resumed at once');
      });
      try {
        yield* callback((_resume, fail) => {
          setTimeout(fail, 1, ERROR);
          return noting('failed');
        });
      } catch {
        log.push('caught');
      }
      yield* moveOnAfter(
        1,
        callback(() => noting('cancelled')),
      );
      yield* sleep(5);
    });
    expect(log).toEqual(['resumed', 'resumed at once', 'failed', 'caught', 'cancelled']);
  });

  it('ignores calls that come after a cancellation', async () => {
    const result = await run(function* () {
      const none = yield* moveOnAfter(
        1,
        callback<number>((resume, fail) => {
          setTimeout(resume, 5, 1);
          setTimeout(fail, 5, ERROR);
        }),
      );
      yield* sleep(10);
      return none;
    });
    expect(result).toBe(undefined);
  });

  it('throws what begins it throws', async () => {
    await expect(
      run(() =>
        callback(() => {
          throw ERROR;
        }),
      ),
    ).rejects.toBe(ERROR);
  });

  it('tells of an error that comes after it was called back at once', async () => {
    const told: unknown[] = [];
    const hooks = { onUnhandled: (error: unknown) => told.push(error) };
    const op = () =>
      callback<number>((resume) => {
        resume(1);
        throw ERROR;
      });
    expect(await run(op, { hooks })).toBe(1);
    expect(told).toEqual([ERROR]);
  });

  it('throws what the cleanup throws, unless another error is on its way', async () => {
    const told: unknown[] = [];
    const hooks = { onUnhandled: (error: unknown) => told.push(error) };
    const cleanup = (): never => {
      throw ERROR;
    };
    const resumed = run(
      () =>
        callback<void>((resume) => {
          resume();
          return cleanup;
        }),
      { hooks },
    );
    await expect(resumed).rejects.toBe(ERROR);
    const cancelled = run(
      () =>
        timeout(
          1,
          callback(() => cleanup),
        ),
      { hooks },
    );
    await expect(cancelled).rejects.toBe(ERROR);
    expect(told).toEqual([]);
    const failed = run(
      () =>
        callback((_resume, fail) => {
          fail('first');
          return cleanup;
        }),
      { hooks },
    );
    await expect(failed).rejects.toBe('first');
    expect(told).toEqual([ERROR]);
  });

  it('is not begun in a scope that is cancelled', async () => {
    let calls = 0;
    await run(() =>
      scope(function* (s) {
        s.cancel();
        yield* callback<void>((resume) => {
          calls++;
          resume();
        });
      }),
    );
    expect(calls).toBe(0);
  });

  it('keeps the process alive and says what it waits for', async () => {
    const word = await run(() =>
      group(function* (g) {
        const task = g.spawn(() => callback<void>((resume) => void setTimeout(resume, 5)));
        yield* pause();
        return task.waitingOn;
      }),
    );
    expect(word).toBe('a callback');
  });

  it('ignores a return value that is no function, and refuses what is no function', async () => {
    expect(
      await run(() =>
        callback(((resume: (n: number) => void) => setTimeout(resume, 1, 3)) as never),
      ),
    ).toBe(3);
    expect(() => callback(5 as never)).toThrow(TypeError);
    expectTypeOf(callback<string>(() => {})).toEqualTypeOf<Operation<string>>();
  });
});
