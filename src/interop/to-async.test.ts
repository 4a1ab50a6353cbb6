import { getEventListeners } from 'node:events';
import { describe, expect, expectTypeOf, it } from 'vitest';
import { currentTask } from '../kernel/current.ts';
import type { Operation } from '../kernel/operation.ts';
import { Parking } from '../kernel/parking.ts';
import { park, sleep, sleepForever } from '../kernel/waits.ts';
import type { RunOptions } from '../node/run.ts';
import { run } from '../node/run.ts';
import type { Run } from './to-async.ts';
import { makeToAsync } from './to-async.ts';

const toAsync = makeToAsync<RunOptions>(run as Run<RunOptions>);

describe('toAsync', () => {
  it('converts a generator function to an async function', async () => {
    const add = toAsync(function* (a: number, b: number): Operation<number> & Generator {
      yield* sleep(1);
      return a + b;
    } as (a: number, b: number) => Operation<number>);
    expect(await add(1, 2)).toBe(3);
    expect(await Promise.all([add(1, 1), add(2, 2)])).toEqual([2, 4]);
  });

  it('passes `this` to the generator function', async () => {
    const counter = {
      step: 2,
      next: toAsync(function* (this: { step: number }) {
        return this.step;
      } as () => Operation<number>),
    };
    expect(await counter.next()).toBe(2);
  });

  it('rejects with the error of the operation, and never throws synchronously', async () => {
    const error = new Error('no');
    const failing = toAsync(() => {
      throw error;
    });
    await expect(failing()).rejects.toBe(error);
  });

  it('rejects with an AbortError when its signal aborts', async () => {
    const controller = new AbortController();
    const waiting = toAsync(() => sleepForever(), { signal: controller.signal })();
    controller.abort('because');
    await expect(waiting).rejects.toMatchObject({
      name: 'AbortError',
      code: 'ABORT_ERR',
      cause: 'because',
    });
  });

  it('adds one listener to a signal that many calls share, and cancels all of them', async () => {
    const controller = new AbortController();
    const { signal } = controller;
    const calls = Array.from(
      { length: 20 },
      toAsync(() => sleepForever(), { signal }),
    );
    expect(getEventListeners(signal, 'abort')).toHaveLength(1);
    controller.abort('because');
    const results = await Promise.allSettled(calls);
    expect(results.map(({ status }) => status)).toEqual(calls.map(() => 'rejected'));
    await expect(calls.at(-1)).rejects.toMatchObject({ name: 'AbortError', cause: 'because' });
  });

  it('rejects with an AbortError when the operation is cancelled from inside', async () => {
    const cancelled = toAsync(function* () {
      currentTask().cancel('enough');
      yield* sleep(1);
    } as () => Operation<void>);
    await expect(cancelled()).rejects.toMatchObject({ name: 'AbortError', cause: 'enough' });
  });

  it('resolves to the value of a cancelled operation that returns', async () => {
    const computed = toAsync(function* () {
      currentTask().cancel();
      return 5;
    } as () => Operation<number>);
    expect(await computed()).toBe(5);
  });

  it('rejects with a DeadlockError as it is', async () => {
    class Inside extends Parking {}
    const stuck = toAsync(() => park(new Inside()), { hooks: {} })();
    process.emit('beforeExit', 0);
    await expect(stuck).rejects.toMatchObject({ code: 'ERR_DEADLOCK' });
  });

  it('throws a TypeError if `fn` is not a function, and infers the types', () => {
    expect(() => toAsync(sleep(1) as never)).toThrow(TypeError);
    const typed = toAsync((word: string) => sleep(word.length));
    expectTypeOf(typed).toEqualTypeOf<(word: string) => Promise<void>>();
  });
});
