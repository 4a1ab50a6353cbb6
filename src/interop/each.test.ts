import { EventEmitter, on } from 'node:events';
import { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { Broadcast } from '../flow/broadcast.ts';
import { Channel } from '../flow/channel.ts';
import type { Wait } from '../kernel/operation.ts';
import { moveOnAfter, scope, timeout } from '../kernel/scope/with-scope.ts';
import { group } from '../kernel/task/group.ts';
import { sleep } from '../kernel/waits.ts';
import { run } from '../node/run.ts';
import { each } from './each.ts';

const ERROR = new Error('no');

/** Yields the numbers below `end`, and logs how it ended. */
async function* numbers(end: number, log: string[], ms = 0): AsyncGenerator<number> {
  try {
    for (let i = 0; i < end; i++) {
      if (ms > 0) await delay(ms);
      yield i;
    }
    log.push('end');
  } finally {
    await delay(1);
    log.push('closed');
  }
}

describe('each', () => {
  it('runs an operation for every item in sequence', async () => {
    const log: string[] = [];
    await run(() =>
      each(numbers(3, log), function* (n) {
        log.push(`begin ${n}`);
        yield* sleep(2);
        log.push(`end ${n}`);
      }),
    );
    expect(log).toEqual([
      'begin 0',
      'end 0',
      'begin 1',
      'end 1',
      'begin 2',
      'end 2',
      'end',
      'closed',
    ]);
  });

  it('closes the iterator when the operation fails, and waits for it', async () => {
    const log: string[] = [];
    const failing = run(function* () {
      try {
        yield* each(numbers(3, log), function* (): Generator<Wait, void> {
          throw ERROR;
        });
      } finally {
        log.push('returned');
      }
    });
    await expect(failing).rejects.toBe(ERROR);
    expect(log).toEqual(['closed', 'returned']);
  });

  it('closes the iterator when it is cancelled during an operation', async () => {
    const log: string[] = [];
    await run(() =>
      moveOnAfter(
        5,
        each(numbers(3, log), () => sleep(1000)),
      ),
    );
    expect(log).toEqual(['closed']);
  });

  it('closes the iterator when it is cancelled between items', async () => {
    const log: string[] = [];
    await run(() =>
      moveOnAfter(
        5,
        each(numbers(3, log, 20), () => sleep(0)),
      ),
    );
    expect(log).toEqual(['closed']);
  });

  it('does not close an iterator that has failed or is done', async () => {
    const log: string[] = [];
    const items = (next: () => Promise<IteratorResult<number>>): AsyncIterable<number> => ({
      [Symbol.asyncIterator]: () => ({
        next,
        return: async () => {
          log.push('return');
          return { done: true, value: undefined };
        },
      }),
    });
    await run(() =>
      each(
        items(async () => ({ done: true, value: undefined })),
        () => sleep(0),
      ),
    );
    const rejecting = run(() =>
      each(
        items(() => Promise.reject(ERROR)),
        () => sleep(0),
      ),
    );
    await expect(rejecting).rejects.toBe(ERROR);
    const throwing = run(() =>
      each(
        items(() => {
          throw ERROR;
        }),
        () => sleep(0),
      ),
    );
    await expect(throwing).rejects.toBe(ERROR);
    expect(log).toEqual([]);
  });

  it('reports an iterator that fails while it is closed, and throws the first error', async () => {
    const reported: unknown[] = [];
    const items = {
      [Symbol.asyncIterator]: () => ({
        next: async () => ({ done: false as const, value: 1 }),
        return: () => Promise.reject(new Error('in closing')),
      }),
    };
    const op = () =>
      each(items, function* (): Generator<Wait, void> {
        throw ERROR;
      });
    const failing = run(op, { hooks: { onUnhandled: (error) => reported.push(error) } });
    await expect(failing).rejects.toBe(ERROR);
    expect(reported).toMatchObject([{ message: 'in closing' }]);
  });

  it('accepts iterators without a return method', async () => {
    const items = {
      [Symbol.asyncIterator]: () => ({ next: async () => ({ done: false as const, value: 1 }) }),
    };
    const failing = run(() =>
      each(items, () => {
        throw ERROR;
      }),
    );
    await expect(failing).rejects.toBe(ERROR);
  });

  it('stops waiting for an iterator that does not close, and reports it', {
    timeout: 5000,
  }, async () => {
    const reported: unknown[] = [];
    async function* hanging(): AsyncGenerator<number> {
      await new Promise(() => {});
      yield 1;
    }
    const op = () =>
      timeout(
        5,
        each(hanging(), () => sleep(0)),
      );
    const cancelled = run(op, { hooks: { onUnhandled: (error) => reported.push(error) } });
    await expect(cancelled).rejects.toMatchObject({ code: 'ERR_TIMEOUT' });
    expect(reported).toMatchObject([{ code: 'ERR_SHIELD_EXPIRED' }]);
  });

  it('accepts an iterator whose `next` returns its result without a promise', async () => {
    const seen: number[] = [];
    let count = 0;
    const items = {
      [Symbol.asyncIterator]: () => ({
        next: () => (count++ < 2 ? { done: false, value: count } : { done: true, value: 0 }),
      }),
    } as unknown as AsyncIterable<number>;
    await run(() =>
      each(items, function* (item): Generator<Wait, void> {
        seen.push(item);
      }),
    );
    expect(seen).toEqual([1, 2]);
  });

  it('throws a TypeError if `next` returns a value that is not an iterator result', async () => {
    const items = { [Symbol.asyncIterator]: () => ({ next: () => 5 }) };
    const failing = run(() => each(items as never, () => sleep(0)));
    await expect(failing).rejects.toThrow(
      'Expected `next()` of the iterator to return { done, value }, got 5',
    );
  });

  it('destroys a stream when an operation fails', async () => {
    const stream = Readable.from(['a', 'b', 'c']);
    const seen: unknown[] = [];
    await expect(
      run(() =>
        each(stream, function* (chunk): Generator<Wait, void> {
          seen.push(chunk);
          throw ERROR;
        }),
      ),
    ).rejects.toBe(ERROR);
    expect(seen).toEqual(['a']);
    expect(stream.destroyed).toBe(true);
  });

  it('removes the listeners of an iterator of events when it is cancelled', async () => {
    const emitter = new EventEmitter();
    const seen: unknown[] = [];
    const events = on(emitter, 'data');
    emitter.emit('data', 1); // The iterator keeps the event until `next()` is called.
    await run(() =>
      scope((own) =>
        each(events, function* (event) {
          seen.push(event);
          own.cancel();
        }),
      ),
    );
    expect(seen).toEqual([[1]]);
    expect(emitter.listenerCount('data')).toBe(0);
  });

  it('throws a TypeError if `items` is not async iterable or `fn` is not a function', () => {
    expect(() => each([1] as never, () => sleep(0))).toThrow(TypeError);
    expect(() => each(undefined as never, () => sleep(0))).toThrow(TypeError);
    expect(() => each(numbers(1, []), undefined as never)).toThrow(TypeError);
  });
});

describe('each over a channel or a subscription', () => {
  it('runs the operation for each item until the channel is closed and drained', async () => {
    const seen: number[] = [];
    await run(() =>
      group(function* (g) {
        const jobs = new Channel<number>(1);
        const news = new Broadcast<number>();
        const note = function* (item: number): Generator<Wait, void> {
          yield* sleep(0);
          seen.push(item);
        };
        g.spawn(() => each(jobs, note));
        const subscription = news.subscribe();
        for (const item of [1, 2, 3]) yield* jobs.send(item);
        jobs.close();
        yield* news.send(4);
        news.close();
        yield* each(subscription, note);
      }),
    );
    expect(seen.sort()).toEqual([1, 2, 3, 4]);
  });

  it('throws an error of the operation, and leaves the channel open', async () => {
    const jobs = new Channel<number>(2);
    jobs.trySend(1);
    jobs.trySend(2);
    const failing = function* (): Generator<Wait, void> {
      throw new Error('bad job');
    };
    await expect(run(() => each(jobs, failing))).rejects.toThrow('bad job');
    expect([jobs.closed, jobs.size]).toEqual([false, 1]);
  });
});
