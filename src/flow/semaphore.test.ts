import { expect, test } from 'vitest';
import { codeThrownBy } from '../../test/support/kernel/operations.ts';
import { codeOf, play, VirtualHost } from '../../test/support/kernel/virtual-host.ts';
import { group } from '../kernel/task/group.ts';
import { checkpoint, pause, sleep } from '../kernel/waits.ts';
import { select } from './select/select.ts';
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

test('acquire(n) takes n permits in one step, and no smaller request overtakes it', () => {
  const log: string[] = [];
  play(() =>
    group(function* (g) {
      const slots = new Semaphore(3, 'slots');
      yield* slots.acquire(2);
      const large = g.spawn(() =>
        slots.with(function* () {
          log.push(`large ${slots.available}`);
        }, 3),
      );
      yield;
      const small = g.spawn(() =>
        slots.with(function* () {
          log.push('small');
        }),
      );
      yield;
      expect([slots.available, slots.tryAcquire()]).toEqual([1, false]);
      slots.release();
      yield;
      expect(log).toEqual([]);
      slots.release();
      yield* large.join();
      yield* small.join();
      expect(log).toEqual(['large 0', 'small']);
      expect(slots.stats()).toMatchObject({ available: 3, holders: 0, waiters: 0 });
    }),
  );
});

test('the tasks after a large request continue when it is cancelled or not chosen', () => {
  play(() =>
    group(function* (g) {
      const slots = new Semaphore(2);
      yield* slots.acquire();
      const large = g.spawn(() => slots.acquire(2));
      const chosen = g.spawn(() => select({ slots: slots.acquire(2), late: sleep(5) }));
      yield;
      const small = g.spawn(function* () {
        yield* slots.acquire();
        slots.release();
      });
      yield;
      large.cancel();
      yield;
      expect(small.state).toBe('waiting');
      expect((yield* chosen.join()).key).toBe('late');
      yield* small.join();
      slots.release();
    }),
  );
});

test('a semaphore refuses counts that are out of range, and a release of more than is held', () => {
  const slots = new Semaphore(2, 'slots');
  for (const n of [0, -1, 1.5, NaN, 3]) {
    expect(() => slots.acquire(n)).toThrow(RangeError);
    expect(() => slots.tryAcquire(n)).toThrow(RangeError);
    expect(() => slots.with(sleep(1), n)).toThrow(RangeError);
  }
  play(function* () {
    yield* slots.acquire();
    expect(() => slots.release(0)).toThrow(RangeError);
    expect(() => slots.release(2)).toThrow("holds 1 of the 2 permits of the semaphore 'slots'");
    expect(yield* codeThrownBy(slots.acquire(2))).toBe('ERR_ALREADY_OWNER');
    slots.release();
    yield* slots.acquire(2);
    slots.release(2);
    expect(slots.available).toBe(2);
  });
});
