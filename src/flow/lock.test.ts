import { expect, test } from 'vitest';
import { codeOf, failureOf, play } from '../../test/support/kernel/virtual-host.ts';
import { currentTask } from '../kernel/current.ts';
import type { GroupError } from '../kernel/errors.ts';
import { scope } from '../kernel/scope/with-scope.ts';
import { group } from '../kernel/task/group.ts';
import { checkpoint, pause, sleep } from '../kernel/waits.ts';
import { Lock } from './lock.ts';

test('release passes the lock to waiting tasks in FIFO order', () => {
  const log: string[] = [];
  play(() =>
    group(function* (g) {
      const lock = new Lock('db');
      yield* lock.acquire();
      for (const name of ['a', 'b', 'c']) {
        const body = function* () {
          log.push(name);
          yield;
        };
        g.spawn(() => lock.with(body));
      }
      yield;
      lock.release();
      expect(lock.tryAcquire()).toBe(false);
      yield* lock.acquire();
      log.push('main');
      lock.release();
    }),
  );
  expect(log).toEqual(['a', 'b', 'c', 'main']);
});

test('waitingOn and stats name the owner of the lock', () => {
  play(() =>
    group(function* (g) {
      const lock = new Lock('db');
      g.spawn(() => lock.with(sleep(5)), { name: 'writer' });
      const reader = g.spawn(() => lock.with(sleep(5)));
      yield* pause();
      expect(reader.waitingOn).toBe("lock 'db' held by task 2 'writer'");
      expect(lock.stats()).toEqual({
        name: 'db',
        locked: true,
        owner: "task 2 'writer'",
        waiters: 1,
        acquired: 1,
        abandoned: false,
      });
    }),
  );
});

test('a lock can be released only by its owner', () => {
  const lock = new Lock();
  expect(() => lock.release()).toThrow('it is not held');
  const error = failureOf(() =>
    group(function* (g) {
      yield* lock.acquire();
      g.spawn(function* () {
        yield;
        lock.release();
      });
      yield* sleep(1);
    }),
  ) as GroupError;
  expect(error.errors[0]).toMatchObject({ code: 'ERR_NOT_OWNER', name: 'OwnerError' });
});

test('a lock is not re-entrant: acquire by its owner throws at once', () => {
  const lock = new Lock('db');
  expect(codeOf(() => lock.with(lock.acquire()))).toBe('ERR_ALREADY_OWNER');
  expect(lock.locked).toBe(false);
  const later = codeOf(() =>
    lock.with(function* () {
      for (let i = 0; i < 200; i++) yield* pause();
      yield* lock.acquire();
    }),
  );
  expect(later).toBe('ERR_ALREADY_OWNER');
});

test('lock.acquire by the owner throws Cancelled in a cancelled scope', () => {
  const lock = new Lock();
  const ended = play(() =>
    scope(function* (own) {
      yield* lock.acquire();
      own.cancel();
      try {
        yield* lock.acquire();
      } finally {
        lock.release();
      }
    }),
  );
  expect(ended).toBeUndefined();
});

test('lock.with runs its body in the calling task and always releases the lock', () => {
  const lock = new Lock();
  play(function* () {
    const task = currentTask();
    const value = yield* lock.with(function* () {
      expect(currentTask()).toBe(task);
      expect(lock.locked).toBe(true);
      yield;
      return 7;
    });
    expect(value).toBe(7);
    expect(lock.locked).toBe(false);
  });
  const failed = failureOf(() =>
    lock.with(function* () {
      yield;
      throw new Error('inside');
    }),
  );
  expect(failed).toMatchObject({ message: 'inside' });
  expect(lock.locked).toBe(false);
});

test('lock.with discards its operation when the acquire is cancelled', () => {
  play(() =>
    group(function* (g) {
      const lock = new Lock();
      yield* lock.acquire();
      const inner = sleep(1);
      const task = g.spawn(() => lock.with(inner));
      yield;
      task.cancel();
      yield;
      expect(() => inner[Symbol.iterator]()).toThrow('already driven');
      lock.release();
    }),
  );
});

test('an error of the body of lock.with takes precedence over an error of the release', () => {
  const lock = new Lock();
  const failed = failureOf(() =>
    lock.with(function* () {
      yield;
      lock.release();
      throw new Error('inside');
    }),
  );
  expect(failed).toMatchObject({ message: 'inside' });
  expect(
    codeOf(() =>
      lock.with(function* () {
        lock.release();
      }),
    ),
  ).toBe('ERR_NOT_OWNER');
});

test('a lock whose owner has ended fails the waiting tasks and later ones', () => {
  const codes: string[] = [];
  play(() =>
    group(function* (g) {
      const lock = new Lock('db');
      g.spawn(() => lock.acquire(), { name: 'careless' });
      const user = function* () {
        try {
          yield* lock.acquire();
        } catch (error) {
          codes.push((error as { code: string }).code);
          expect(String(error)).toContain("task 2 'careless'");
        }
      };
      g.spawn(user);
      yield* sleep(1);
      g.spawn(user);
      expect(lock.stats()).toMatchObject({ locked: false, abandoned: true });
    }),
  );
  expect(codes).toEqual(['ERR_LOCK_ABANDONED', 'ERR_LOCK_ABANDONED']);
});

test('a lock leaves no monitor at the tasks that have held it', () => {
  play(function* () {
    const lock = new Lock();
    for (let i = 0; i < 3; i++) yield* lock.with(pause());
    const task = currentTask() as unknown as { joiners: { size: number } };
    expect(task.joiners.size).toBe(0);
  });
});

test('a task that has spent its budget is not overtaken at a lock', () => {
  const log: string[] = [];
  play(() =>
    group(function* (g) {
      const lock = new Lock();
      g.spawn(function* () {
        for (let i = 0; i < 128; i++) yield* checkpoint();
        yield* lock.acquire();
        log.push('spent');
        lock.release();
      });
      g.spawn(function* () {
        yield* lock.acquire();
        log.push('fresh');
        lock.release();
      });
      yield;
    }),
  );
  expect(log).toEqual(['spent', 'fresh']);
});
