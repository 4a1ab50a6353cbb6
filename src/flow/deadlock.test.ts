import { describe, expect, test } from 'vitest';
import { codeThrownBy, thrownBy } from '../../test/support/kernel/operations.ts';
import { failureOf, playGroup } from '../../test/support/kernel/virtual-host.ts';
import { now } from '../kernel/current.ts';
import { DeadlockError } from '../kernel/errors.ts';
import type { Operation, OperationSource } from '../kernel/operation.ts';
import { timeout } from '../kernel/scope/with-scope.ts';
import { group } from '../kernel/task/group.ts';
import type { Task } from '../kernel/task/task.ts';
import { sleep, sleepForever } from '../kernel/waits.ts';
import { Condition } from './condition.ts';
import { Lock } from './lock.ts';
import { Semaphore } from './semaphore.ts';

interface Mutex {
  with<T>(op: OperationSource<T>): Operation<T>;
}

const kinds: Record<string, (name: string) => Mutex> = {
  locks: (name) => new Lock(name),
  'semaphores with one permit': (name) => new Semaphore(1, name),
};

describe.each(Object.entries(kinds))('two tasks that acquire two %s in two orders', (_, make) => {
  /** Acquires `first`, and `second` within `limitMs`. Returns a code, or 'acquired'. */
  function* both(first: Mutex, second: Mutex, limitMs: number): Operation<unknown> {
    return yield* first.with(function* () {
      yield* sleep(1);
      const code = yield* codeThrownBy(timeout(limitMs, second.with(sleep(5))));
      return code ?? 'acquired';
    });
  }

  test('give up one after the other if each wait has a time limit, and others go on', () => {
    const results = playGroup(function* (g) {
      const [a, b] = [make('a'), make('b')];
      const one = g.spawn(() => both(a, b, 20));
      const two = g.spawn(() => both(b, a, 30));
      const unrelated = g.spawn(() => sleep(100));
      yield* unrelated.join();
      return [yield* one.join(), yield* two.join(), now()];
    });
    expect(results).toEqual(['ERR_TIMEOUT', 'acquired', 100]);
  });

  test('are a deadlock for the second of them, at once, and the first one acquires both', () => {
    const results = playGroup(function* (g) {
      const [a, b] = [make('a'), make('b')];
      g.spawn(() => sleep(1000));
      const one = g.spawn(() => both(a, b, Infinity));
      const two = g.spawn(() => both(b, a, Infinity));
      const result = [yield* one.join(), yield* two.join()];
      return [...result, now()];
    });
    expect(results).toEqual(['acquired', 'ERR_DEADLOCK', 6]);
  });
});

test('the report of a cycle of locks names the locks and their owners', () => {
  const message = playGroup(function* (g) {
    const [a, b] = [new Lock('a'), new Lock('b')];
    const take = (first: Lock, second: Lock) => () =>
      first.with(function* () {
        yield;
        return yield* thrownBy(second.with(sleep(0)));
      });
    g.spawn(take(a, b), { name: 'one' });
    const two = g.spawn(take(b, a), { name: 'two' });
    return ((yield* two.join()) as Error).message;
  });
  expect(message.split('\n')).toEqual([
    "These tasks wait for each other: 'two' → 'one' → 'two'.",
    "  task 3 'two' waits for lock 'a' held by task 2 'one'",
    "  task 2 'one' waits for lock 'b' held by task 3 'two'",
  ]);
});

describe('a lock that a task holds while it waits for the children of its group', () => {
  test('throws a DeadlockError into a child that acquires it, even with armed timers', () => {
    const { code, at } = playGroup(function* (g) {
      g.spawn(() => sleep(1000));
      const lock = new Lock('db');
      const child = yield* lock.with(() =>
        group(function* (children) {
          return children.spawn(function* () {
            const code = yield* codeThrownBy(lock.acquire());
            return { code, at: now() };
          });
        }),
      );
      return yield* child.join();
    });
    expect([code, at]).toEqual(['ERR_DEADLOCK', 0]);
  });

  test('makes the group fail if a child waited for it before the body returned', () => {
    const error = failureOf(function* () {
      const lock = new Lock('db');
      yield* lock.with(() =>
        group(function* (children) {
          children.spawn(() => lock.acquire(), { name: 'child' });
          children.spawn(sleepForever);
          yield* sleep(5);
        }),
      );
    });
    expect(error).toMatchObject({ code: 'ERR_GROUP', errors: [{ code: 'ERR_DEADLOCK' }] });
    expect(String(error)).toMatch(/'main' → 'child' → 'main'/);
  });

  test('throws a DeadlockError into a child that joins a task that waits for the lock', () => {
    const code = playGroup(function* (g) {
      g.spawn(() => sleep(1000));
      const lock = new Lock('db');
      yield* lock.acquire();
      const outsider: Task<unknown> = g.spawn(() => thrownBy(lock.acquire()));
      const child = yield* group(function* (children) {
        return children.spawn(() => codeThrownBy(outsider.join()));
      });
      lock.release();
      return yield* child.join();
    });
    expect(code).toBe('ERR_DEADLOCK');
  });

  test('is not a deadlock for a child that waits with a time limit', () => {
    const code = playGroup(function* () {
      const lock = new Lock('db');
      const child = yield* lock.with(() =>
        group(function* (children) {
          return children.spawn(() => codeThrownBy(timeout(20, lock.acquire())));
        }),
      );
      return yield* child.join();
    });
    expect(code).toBe('ERR_TIMEOUT');
  });

  test('is not a deadlock for a daemon of the group, which is cancelled', () => {
    const state = playGroup(function* () {
      const lock = new Lock('db');
      const daemon = yield* lock.with(() =>
        group(function* (children) {
          return children.spawn(() => lock.acquire(), { daemon: true });
        }),
      );
      return daemon.state;
    });
    expect(state).toBe('cancelled');
  });
});

describe('a semaphore with several permits', () => {
  /** Tasks that hold a permit each and then do what `waits` state, and a waiter that they join. */
  function holders(...waits: readonly ((waiter: Task<unknown>) => Operation<unknown>)[]): unknown {
    return playGroup(function* (g) {
      const slots = new Semaphore(waits.length, 'slots');
      const waiter: Task<unknown> = g.spawn(function* () {
        yield* sleep(1);
        return (yield* codeThrownBy(slots.with(sleep(0)))) ?? 'acquired';
      });
      const codes = waits.map((wait) =>
        g.spawn(() =>
          slots.with(function* () {
            yield* sleep(5);
            return yield* codeThrownBy(wait(waiter));
          }),
        ),
      );
      g.spawn(() => sleep(1000));
      const result: unknown[] = [yield* waiter.join()];
      for (const task of codes) result.push(yield* task.join());
      return result;
    });
  }

  test('is not a deadlock while one of its holders can release a permit', () => {
    const result = holders(
      (waiter) => waiter.join(),
      () => sleep(50),
    );
    expect(result).toEqual(['acquired', undefined, undefined]);
  });

  test('is a deadlock for the last holder that waits for the waiting task', () => {
    const result = holders(
      (waiter) => waiter.join(),
      (waiter) => waiter.join(),
    );
    expect(result).toEqual(['acquired', undefined, 'ERR_DEADLOCK']);
  });
});

test('Condition.wait throws a DeadlockError, without the lock, if the owner waits for it', () => {
  const seen = playGroup(function* (g) {
    g.spawn(() => sleep(1000));
    const lock = new Lock('state');
    const changed = new Condition(lock);
    const waiter: Task<unknown> = g.spawn(function* () {
      const thrown = yield* thrownBy(lock.with(() => changed.wait()));
      return [thrown instanceof DeadlockError, lock.ownedByCaller];
    });
    yield* sleep(1);
    return yield* lock.with(function* () {
      changed.notify();
      return yield* waiter.join();
    });
  });
  expect(seen).toEqual([true, false]);
});
