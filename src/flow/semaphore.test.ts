import { expect, test } from 'vitest';
import { codeOf, play, VirtualHost } from '../../test/support/kernel/virtual-host.ts';
import { group } from '../kernel/task/group.ts';
import { checkpoint, pause, sleep } from '../kernel/waits.ts';
import { Semaphore } from './semaphore.ts';

test('a semaphore admits as many tasks as it has permits, and the others in FIFO order', () => {
  const log: string[] = [];
  play(() =>
    group(function* (g) {
      const slots = new Semaphore(2, 'slots');
      for (const name of ['a', 'b', 'c', 'd']) {
        g.spawn(() =>
          slots.with(function* () {
            log.push(`${name} in`);
            yield;
            log.push(`${name} out`);
          }),
        );
      }
      yield;
      expect(slots.available).toBe(0);
      expect(slots.stats()).toEqual({
        name: 'slots',
        permits: 2,
        available: 0,
        holders: 2,
        waiters: 2,
      });
    }),
  );
  expect(log).toEqual(['a in', 'b in', 'a out', 'b out', 'c in', 'd in', 'c out', 'd out']);
});

test('a permit can be released only by a task that holds one', () => {
  expect(() => new Semaphore(1).release()).toThrow('outside of tasks');
  const codes = codeOf(function* () {
    const slots = new Semaphore(3);
    yield* slots.acquire();
    slots.release();
    slots.release();
  });
  expect(codes).toBe('ERR_NOT_OWNER');
});

test('a task may hold several permits, but cannot wait for its own', () => {
  const code = codeOf(function* () {
    const slots = new Semaphore(2);
    yield* slots.acquire();
    yield* slots.acquire();
    expect(slots.stats()).toMatchObject({ available: 0, holders: 1 });
    yield* slots.acquire();
  });
  expect(code).toBe('ERR_ALREADY_OWNER');
});

test('resize admits waiting tasks, or takes effect as permits are released', () => {
  play(() =>
    group(function* (g) {
      const slots = new Semaphore(1, 'slots');
      const tasks = [1, 2, 3].map(() => g.spawn(() => slots.with(() => sleep(5))));
      yield* pause();
      expect(tasks[1]?.waitingOn).toBe("semaphore 'slots' held by task 2 'task 2'");
      slots.resize(2);
      expect(slots.stats()).toMatchObject({ permits: 2, available: 0, waiters: 1 });
      expect(tasks[2]?.waitingOn).toBe("semaphore 'slots' (2 of 2 permits in use)");
      slots.resize(0);
      expect(slots.available).toBe(-2);
      yield* sleep(10);
      expect(slots.stats()).toMatchObject({ available: 0, waiters: 1 });
      slots.resize(1);
    }),
  );
});

test('permits that a task holds when it ends are released and reported', () => {
  const host = new VirtualHost();
  host.play(() =>
    group(function* (g) {
      const slots = new Semaphore(2, 'slots');
      g.spawn(function* () {
        yield* slots.acquire();
        yield* slots.acquire();
      });
      const waiter = g.spawn(() => slots.with(() => pause()));
      yield* waiter.join();
      expect(slots.available).toBe(2);
    }),
  );
  expect(host.warnings).toMatchObject([{ code: 'ERR_PERMIT_ABANDONED' }]);
});

test('Semaphore checks its arguments', () => {
  expect(() => new Semaphore(-1)).toThrow(RangeError);
  expect(() => new Semaphore('2' as never)).toThrow(TypeError);
  expect(() => new Semaphore(1).resize(Number.NaN)).toThrow('Expected `permits`');
});

test('a task that has spent its budget is not overtaken at a semaphore', () => {
  const log: string[] = [];
  play(() =>
    group(function* (g) {
      const semaphore = new Semaphore(1);
      g.spawn(function* () {
        for (let i = 0; i < 128; i++) yield* checkpoint();
        yield* semaphore.acquire();
        log.push('spent');
        semaphore.release();
      });
      g.spawn(function* () {
        yield* semaphore.acquire();
        log.push('fresh');
        semaphore.release();
      });
      yield;
    }),
  );
  expect(log).toEqual(['spent', 'fresh']);
});
