/** Two copies of the package in one process, as two versions in `node_modules` are. */
import { describe, expect, test } from 'vitest';
import * as coronet from '../../src/index.ts';
import { park } from '../../src/kernel/waits.ts';
import type * as coronetLowlevel from '../../src/lowlevel.ts';

const built = new URL('../../dist/', import.meta.url);
const copy: typeof coronet = await import(new URL('index.js', built).href);
const lowlevel: typeof coronetLowlevel = await import(new URL('lowlevel.js', built).href);

async function errorOf(op: () => coronet.Operation<unknown>): Promise<unknown> {
  return coronet.run(op).then(
    () => undefined,
    (error: unknown) => error,
  );
}

describe('with two copies of the package,', () => {
  test('isCancelled is true for a Cancelled of the other copy', async () => {
    const seen: boolean[] = [];
    await coronet.run(() =>
      coronet.moveOnAfter(0, function* () {
        try {
          yield* coronet.sleepForever();
        } catch (error) {
          seen.push(copy.isCancelled(error), error instanceof copy.Cancelled);
          throw error;
        }
      }),
    );
    expect(seen).toEqual([true, false]);
  });

  test('a Cancelled of the other copy is an error of the task that throws it', async () => {
    let other: unknown;
    await copy.run(() =>
      copy.moveOnAfter(0, function* () {
        try {
          yield* copy.sleepForever();
        } catch (error) {
          other = error;
          throw error;
        }
      }),
    );
    const error = await errorOf(function* (): coronet.Operation<void> {
      throw other;
    });
    expect(error).toMatchObject({ code: 'ERR_TASK_CANCELLED' });
  });

  test.each([
    ['a function', () => copy.now()],
    ['an operation', () => new copy.Lock().acquire()],
    ['a group', () => copy.group(function* () {})],
  ])('%s of the other copy names the directories of both', async (_, call) => {
    const error = (await errorOf(function* () {
      yield* call() as coronet.Operation<unknown>;
    })) as Error;
    expect(error).toMatchObject({ code: 'ERR_TWO_COPIES' });
    expect(error.message).toContain(built.pathname);
    expect(error.message).toContain(new URL('../../src/', import.meta.url).pathname);
  });

  test('outside tasks the error of a function names no copies', () => {
    expect(() => copy.now()).toThrow(expect.objectContaining({ code: 'ERR_NO_TASK' }));
  });

  test('the error for a wait on an object of the other copy names its directory', async () => {
    const error = await errorOf(() => park(new lowlevel.Parking()));
    expect(error).toMatchObject({ code: 'ERR_UNKNOWN_REASON' });
    expect(String(error)).toContain(`another copy of the package, which is loaded from `);
    expect(String(error)).toContain(built.pathname);
  });

  test('the error for an argument of the other copy names the cause', () => {
    const lock = new copy.Lock('db');
    expect(() => new coronet.Condition(lock as never)).toThrow('of another copy of the package');
  });
});
