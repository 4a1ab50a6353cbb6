import { describe, expect, expectTypeOf, it } from 'vitest';
import type { Operation } from '../kernel/operation.ts';
import { moveOnAfter, scope, timeout } from '../kernel/scope/with-scope.ts';
import { group } from '../kernel/task/group.ts';
import { pause, sleep } from '../kernel/waits.ts';
import { run } from '../node/run.ts';
import { callback } from './callback.ts';

const ERROR = new Error('no');

describe('callback', () => {
  it('returns the value of the first call', async () => {
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

  it('accepts a call inside `begin`', async () => {
    expect(await run(() => callback<string>((resume) => resume('x')))).toBe('x');
    expect(await run(() => callback<void>((resume) => resume()))).toBe(undefined);
    await expect(run(() => callback((_resume, fail) => fail(ERROR)))).rejects.toBe(ERROR);
    await expect(run(() => callback((_resume, fail) => fail(undefined)))).rejects.toBe(undefined);
  });

  it('returns the value of a call inside `begin` even if a cancellation follows', async () => {
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

  it('runs the cleanup once, however the wait ends', async () => {
    const log: string[] = [];
    const logging = (word: string) => (): void => void log.push(word);
    await run(function* () {
      yield* callback<void>((resume) => {
        setTimeout(resume, 1);
        setTimeout(resume, 2);
        return logging('resumed');
      });
      yield* callback<void>((resume) => {
        resume();
        return logging('resumed at once');
      });
      try {
        yield* callback((_resume, fail) => {
          setTimeout(fail, 1, ERROR);
          return logging('failed');
        });
      } catch {
        log.push('caught');
      }
      yield* moveOnAfter(
        1,
        callback(() => logging('cancelled')),
      );
      yield* sleep(5);
    });
    expect(log).toEqual(['resumed', 'resumed at once', 'failed', 'caught', 'cancelled']);
  });

  it('ignores calls after a cancellation', async () => {
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

  it('throws an error of `begin`', async () => {
    await expect(
      run(() =>
        callback(() => {
          throw ERROR;
        }),
      ),
    ).rejects.toBe(ERROR);
  });

  it('reports an error of `begin` after a call inside it', async () => {
    const reported: unknown[] = [];
    const hooks = { onUnhandled: (error: unknown) => reported.push(error) };
    const op = () =>
      callback<number>((resume) => {
        resume(1);
        throw ERROR;
      });
    expect(await run(op, { hooks })).toBe(1);
    expect(reported).toEqual([ERROR]);
  });

  it('throws a TypeError for an async `begin`, and reports its rejection', async () => {
    const reported: unknown[] = [];
    const hooks = { onUnhandled: (error: unknown) => reported.push(error) };
    const asynchronous = (): void => Promise.reject(ERROR) as unknown as void;
    const failing = run(() => callback(asynchronous), { hooks });
    await expect(failing).rejects.toMatchObject({
      code: 'ERR_INVALID_ARG_TYPE',
      message: expect.stringContaining('right:  yield* until(work())'),
    });
    await expect.poll(() => reported).toEqual([ERROR]);
    const resuming = async (resume: (value: number) => void): Promise<void> => resume(1);
    await expect(run(() => callback<number>(resuming as never))).rejects.toThrow(TypeError);
  });

  it('reports the rejection of an async cleanup', async () => {
    const reported: unknown[] = [];
    const hooks = { onUnhandled: (error: unknown) => reported.push(error) };
    const op = () =>
      callback<void>((resume) => {
        resume();
        return () => Promise.reject(ERROR);
      });
    await run(op, { hooks });
    await expect.poll(() => reported).toEqual([ERROR]);
  });

  it('throws an error of the cleanup, or reports it after another error', async () => {
    const reported: unknown[] = [];
    const hooks = { onUnhandled: (error: unknown) => reported.push(error) };
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
    expect(reported).toEqual([]);
    const failed = run(
      () =>
        callback((_resume, fail) => {
          fail('first');
          return cleanup;
        }),
      { hooks },
    );
    await expect(failed).rejects.toBe('first');
    expect(reported).toEqual([ERROR]);
  });

  it('does not call `begin` in a cancelled scope', async () => {
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

  it('keeps the process alive and has a description for waitingOn', async () => {
    const word = await run(() =>
      group(function* (g) {
        const task = g.spawn(() => callback<void>((resume) => void setTimeout(resume, 5)));
        yield* pause();
        return task.waitingOn;
      }),
    );
    expect(word).toBe('a callback');
  });

  it('ignores a cleanup that is not a function, and checks `begin`', async () => {
    expect(
      await run(() =>
        callback(((resume: (n: number) => void) => setTimeout(resume, 1, 3)) as never),
      ),
    ).toBe(3);
    expect(() => callback(5 as never)).toThrow(TypeError);
    expectTypeOf(callback<string>(() => {})).toEqualTypeOf<Operation<string>>();
  });
});
