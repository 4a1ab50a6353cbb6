import { once as eventOf } from 'node:events';
import type { ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, expectTypeOf, it } from 'vitest';
import { warningsOf } from '../../test/support/warnings.ts';
import type { Selectable } from '../kernel/case.ts';
import { currentTask } from '../kernel/current.ts';
import type { Operation, Wait } from '../kernel/operation.ts';
import { discard } from '../kernel/operation.ts';
import { moveOnAfter, scope, timeout } from '../kernel/scope/with-scope.ts';
import { group } from '../kernel/task/group.ts';
import { pause, sleep } from '../kernel/waits.ts';
import { run } from '../node/run.ts';
import { until } from './until.ts';

let unhandled: unknown[];
const record = (error: unknown): void => void unhandled.push(error);

beforeEach(() => {
  unhandled = [];
  process.on('unhandledRejection', record);
});

afterEach(async () => {
  await new Promise((resolve) => setTimeout(resolve, 5));
  process.off('unhandledRejection', record);
  expect(unhandled).toEqual([]);
});

function later<T>(ms: number, value: T): Promise<T> {
  return new Promise((resolve) => setTimeout(resolve, ms, value));
}

function failLater(ms: number, error: unknown): Promise<never> {
  return new Promise((_resolve, reject) => setTimeout(reject, ms, error));
}

const ERROR = new Error('no');

/** Returns the error of `operation`. */
function* caught(operation: Operation<unknown>): Generator<Wait, unknown> {
  try {
    yield* operation;
  } catch (error) {
    return error;
  }
  return undefined;
}

/** A promise that never settles, and counts the reactions attached to it. */
class Endless extends Promise<never> {
  reactions = 0;

  static override get [Symbol.species](): PromiseConstructor {
    return Promise;
  }

  override then<A = never, B = never>(
    resolve?: ((value: never) => A | PromiseLike<A>) | null,
    reject?: ((error: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    this.reactions++;
    return super.then(resolve, reject);
  }
}

describe('until with a promise', () => {
  it('returns the value of a promise that settles before or during the wait', async () => {
    expect(await run(() => until(later(2, 'x')))).toBe('x');
    expect(await run(() => until(Promise.resolve('y')))).toBe('y');
    expect(await run(() => until(Promise.resolve(undefined)))).toBe(undefined);
  });

  it('throws the rejection of the promise unchanged', async () => {
    const error = new Error('no');
    await expect(run(() => until(failLater(2, error)))).rejects.toBe(error);
    await expect(run(() => until(Promise.reject(error)))).rejects.toBe(error);
    await expect(run(() => until(Promise.reject()))).rejects.toBe(undefined);
  });

  it('returns the value to several waits for the same promise', async () => {
    const promise = later(2, 'x');
    const values = await run(function* () {
      const seen: string[] = [];
      yield* group(function* (g) {
        g.spawn(function* () {
          seen.push(yield* until(promise));
        });
        g.spawn(function* () {
          seen.push(yield* until(promise));
        });
      });
      seen.push(yield* until(promise));
      return seen;
    });
    expect(values).toEqual(['x', 'x', 'x']);
  });

  it('accepts any thenable, and calls its `then` for each wait', async () => {
    let calls = 0;
    const thenable = {
      then(resolve: (value: number) => void): void {
        resolve(++calls);
      },
    } as unknown as PromiseLike<number>;
    const values = await run(function* () {
      return [yield* until(thenable), yield* until(thenable)];
    });
    expect(values).toEqual([1, 2]);
  });

  it('marks the promise as handled even if the operation is not driven', async () => {
    until(Promise.reject(new Error('dropped')));
    const operation = until(failLater(1, new Error('late')));
    await later(5, 0);
    await expect(run(() => operation)).rejects.toThrow('late');
  });

  it('reports a rejection at the end of a task that forgot its `yield*`', async () => {
    const error = new Error('disk full');
    const reported: unknown[] = [];
    const hooks = { onUnhandled: (problem: unknown) => reported.push(problem) };
    const forgetful = function* (): Generator<Wait, void> {
      until(Promise.reject(error));
      const late = until(failLater(1, new Error('received')));
      until(later(1, 'a value'));
      yield* sleep(5);
      expect(reported).toEqual([]);
      expect(yield* caught(late)).toMatchObject({ message: 'received' });
    };
    const warnings = await warningsOf(() => run(forgetful, { hooks }));
    expect(warnings).toMatchObject([{ code: 'ERR_NOT_DRIVEN' }]);
    expect(reported).toMatchObject([
      { code: 'ERR_NOT_DRIVEN', message: expect.stringContaining('disk full'), cause: error },
    ]);
  });

  it('reports a rejection that follows the end of the task that forgot its `yield*`', async () => {
    const reported: unknown[] = [];
    const hooks = { onUnhandled: (problem: unknown) => reported.push(problem) };
    const task = function* (): Generator<Wait, void> {
      until(failLater(3, new Error('late')));
    };
    const warnings = await warningsOf(async () => {
      await run(task, { hooks });
      expect(reported).toEqual([]);
    });
    expect(warnings).toMatchObject([{ code: 'ERR_NOT_DRIVEN' }]);
    await expect.poll(() => reported.length).toBe(1);
  });

  it('reports the rejection of an operation that was garbage-collected undriven', async () => {
    const reported: unknown[] = [];
    const hooks = { onUnhandled: (problem: unknown) => reported.push(problem) };
    const forgetful = function* (): Generator<Wait, void> {
      // The scheduler keeps some undriven operations until the end of the run, but not this many.
      for (let i = 0; i < 1000; i++) until(Promise.reject(new Error('lost')));
      yield* sleep(1);
      for (let turns = 0; reported.length === 0 && turns < 100; turns++) {
        globalThis.gc?.();
        yield* sleep(1);
      }
      expect(reported[0]).toMatchObject({ cause: { message: 'lost' } });
    };
    const warnings = await warningsOf(() => run(forgetful, { hooks }));
    expect(warnings).toMatchObject([{ code: 'ERR_NOT_DRIVEN' }]);
    expect(reported).toHaveLength(1000);
  });

  it('does not report the rejection of an operation that was discarded or cancelled', async () => {
    const reported: unknown[] = [];
    const hooks = { onUnhandled: (problem: unknown) => reported.push(problem) };
    const discarding = function* (): Generator<Wait, void> {
      let fail = (_error: unknown): void => {};
      const promise = new Promise<never>((_resolve, reject) => {
        fail = reject;
      });
      yield* moveOnAfter(0, until(promise));
      fail(ERROR);
      yield* scope(function* (own) {
        own.cancel();
        yield* until(Promise.reject(ERROR));
      });
      discard(until(Promise.reject(ERROR)));
      yield* sleep(5);
    };
    await run(discarding, { hooks });
    expect(reported).toEqual([]);
  });

  it('keeps the process alive and has a description for waitingOn', async () => {
    const seen = await run(function* () {
      let word = '';
      yield* group(function* (g) {
        const child = g.spawn(() => until(later(10, 0)));
        yield* pause();
        word = child.waitingOn;
      });
      return word;
    });
    expect(seen).toBe('until a promise');
  });

  it('ends at once when it is cancelled, and drops a later rejection', async () => {
    let hasRejected = false;
    const late = later(500, 0).then(() => {
      hasRejected = true;
      throw new Error('late');
    });
    const result = await run(() => moveOnAfter(5, until(late)));
    expect([result, hasRejected]).toEqual([undefined, false]);
    await later(520, 0);
    expect(hasRejected).toBe(true);
  });

  it('attaches one reaction to a promise, however often it waits for it', async () => {
    const endless = new Endless(() => {});
    await run(function* () {
      for (let i = 0; i < 1000; i++) yield* moveOnAfter(0, until(endless));
    });
    expect(endless.reactions).toBe(1);
  });

  it('throws a TypeError for a value that is not a promise', async () => {
    expect(() => until(5 as never)).toThrow(TypeError);
    expect(() => until(undefined as never)).toThrow('a promise, or a function that returns one');
    await expect(run(() => until((() => 5) as never))).rejects.toThrow(TypeError);
  });

  it('infers the type of the value', () => {
    expectTypeOf(until(later(1, 'x'))).toEqualTypeOf<Selectable<string>>();
    expectTypeOf(until(async (signal) => signal.aborted)).toEqualTypeOf<Operation<boolean>>();
  });
});

describe('until with a function', () => {
  it('calls the function when it is driven, and returns the value of the promise', async () => {
    let calls = 0;
    const operation = until(async () => ++calls);
    expect(calls).toBe(0);
    expect(await run(() => operation)).toBe(1);
  });

  it('throws an error of the function', async () => {
    const error = new Error('no');
    await expect(
      run(() =>
        until(() => {
          throw error;
        }),
      ),
    ).rejects.toBe(error);
  });

  it('does not abort the signal of a promise that has settled', async () => {
    const signals: AbortSignal[] = [];
    const keep =
      <T>(promise: Promise<T>) =>
      (signal: AbortSignal): Promise<T> => {
        signals.push(signal);
        return promise;
      };
    await run(() => until(keep(later(1, 'x'))));
    await run(() => until(keep(failLater(1, 'no')))).catch(() => {});
    expect(signals.map(({ aborted }) => aborted)).toEqual([false, false]);
  });

  it('aborts the signal with the reason of the cancellation', async () => {
    const reasons: unknown[] = [];
    const waiting = (signal: AbortSignal): Promise<never> => {
      signal.addEventListener('abort', () => reasons.push(signal.reason));
      return new Promise(() => {});
    };
    await run(() => moveOnAfter(2, until(waiting)));
    await run(() =>
      group(function* (g) {
        const child = g.spawn(() => until(waiting));
        yield* sleep(1);
        child.cancel('because');
        yield* sleep(1);
        const other = g.spawn(() => until(waiting));
        yield* sleep(1);
        other.cancel();
      }),
    );
    expect(reasons).toMatchObject([{ code: 'ERR_TIMEOUT' }, 'because', { name: 'AbortError' }]);
  });

  it('allows a listener of its signal to cancel an outer scope', async () => {
    const result = await run(function* () {
      return yield* scope(function* (outer) {
        return yield* moveOnAfter(
          2,
          until((signal) => {
            signal.addEventListener('abort', () => outer.cancel('from inside'));
            return new Promise(() => {});
          }),
        );
      });
    });
    expect(result).toBe(undefined);
  });

  it('does not call the function in a cancelled scope', async () => {
    let calls = 0;
    await run(() =>
      scope(function* (s) {
        s.cancel();
        yield* until(async () => ++calls);
      }),
    );
    expect(calls).toBe(0);
  });

  it('drops the AbortError of a promise that was aborted', async () => {
    const aborted = (signal: AbortSignal): Promise<never> =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason));
      });
    await expect(run(() => timeout(2, until(aborted)))).rejects.toMatchObject({
      code: 'ERR_TIMEOUT',
    });
  });

  it('aborts a fetch, so that the server observes the end of the connection', async () => {
    const controller = new AbortController();
    let response: ServerResponse | null = null;
    const server = createServer((_request, opened) => {
      response = opened;
      controller.abort('enough');
    });
    server.listen(0, '127.0.0.1');
    await eventOf(server, 'listening');
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    const fetching = run(() => until((signal) => fetch(url, { signal })), controller);
    await expect(fetching).rejects.toBe('enough');
    const seen = response as unknown as ServerResponse;
    if (!seen.closed) await eventOf(seen, 'close');
    expect(seen.writableFinished).toBe(false);
    server.close();
  });

  it('returns the response of a fetch', async () => {
    const server = createServer((_request, response) => response.end('hello'));
    server.listen(0, '127.0.0.1');
    await eventOf(server, 'listening');
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    const text = await run(function* (): Generator<Wait, string> {
      const response = yield* until((signal) => fetch(url, { signal }));
      return yield* until(response.text());
    });
    expect(text).toBe('hello');
    server.closeAllConnections();
    server.close();
  });
});

describe('until with a promise that settles in the same turn as the cancellation', () => {
  it('returns the value if the promise settled first', async () => {
    const value = await run(function* () {
      return yield* scope(function* () {
        const task = currentTask();
        const promise = later(2, 'x');
        promise.then(() => queueMicrotask(() => task.cancel()));
        return yield* until(promise);
      });
    });
    expect(value).toBe('x');
  });
});
