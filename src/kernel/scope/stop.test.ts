import { expect, test } from 'vitest';
import {
  failureOf,
  playGroup,
  playScope,
  VirtualHost,
} from '../../../test/support/kernel/virtual-host.ts';
import { currentScope, now } from '../current.ts';
import type { GroupStateError } from '../errors.ts';
import type { Operation } from '../operation.ts';
import { group } from '../task/group.ts';
import { sleep, sleepForever } from '../waits.ts';
import type { Scope } from './scope.ts';
import { shield } from './shield.ts';
import { scope } from './with-scope.ts';

test('stop() sets stopping and lets waitStopping() return, and cancels nothing', () => {
  const log: string[] = [];
  playGroup(function* (g) {
    g.spawn(function* () {
      yield* g.scope.waitStopping();
      log.push(`stopping ${now()}`);
    });
    yield* sleep(5);
    expect(g.scope.stopping).toBe(false);
    g.stop();
    expect([g.scope.stopping, g.scope.cancelled]).toEqual([true, false]);
    yield* sleep(5);
    log.push(`body continues ${now()}`);
  });
  expect(log).toEqual(['stopping 5', 'body continues 10']);
});

test('stopping is true in all scopes inside, including those opened later', () => {
  playScope(function* (outer) {
    yield* group(function* (g) {
      g.spawn(function* () {
        yield* currentScope().waitStopping();
        yield* scope(function* (later) {
          expect(later.stopping).toBe(true);
          yield* later.waitStopping();
        });
      });
      yield;
      outer.stop();
      expect(g.scope.stopping).toBe(true);
    });
  });
});

test('stop() does not affect enclosing scopes', () => {
  playScope(function* (outer) {
    yield* scope(function* (inner) {
      inner.stop();
      expect([inner.stopping, outer.stopping]).toEqual([true, false]);
    });
    expect(outer.stopping).toBe(false);
  });
});

test('waitStopping() in a stopping scope returns at once', () => {
  const end = playScope(function* (s) {
    s.stop();
    yield* s.waitStopping();
    return now();
  });
  expect(end).toBe(0);
});

test('stop() wakes all tasks in waitStopping() in FIFO order', () => {
  const log: number[] = [];
  playGroup(function* (g) {
    for (let i = 0; i < 5; i++) {
      g.spawn(function* () {
        yield* g.scope.waitStopping();
        log.push(i);
      });
    }
    yield;
    g.stop();
  });
  expect(log).toEqual([0, 1, 2, 3, 4]);
});

test('stop({ graceMs }) cancels the scope after the grace period', () => {
  const host = new VirtualHost();
  const value = host.playScope(function* (s) {
    s.stop({ graceMs: 30 });
    yield* sleepForever();
  });
  expect([value, host.time]).toEqual([undefined, 30]);
});

test('the report of an expired grace period leaves out daemons and the tasks inside them', () => {
  const error = failureOf(() =>
    group(function* (g) {
      g.spawn(() => sleepForever(), { name: 'client' });
      const metrics = (): Operation<void> =>
        group(function* (tasks) {
          tasks.spawn(() => sleepForever(), { name: 'metrics request' });
        });
      g.spawn(metrics, { name: 'metrics', daemon: true });
      yield;
      g.stop({ graceMs: 30 });
      yield* sleepForever();
    }),
  ) as GroupStateError;
  expect((error.cause as Error).message.split('\n')).toEqual([
    'The grace period of 30 ms is over. Cancelled tasks:',
    "  task 2 'client' waits for sleep forever",
  ]);
});

test('the report of a grace period inside a daemon lists the tasks of that daemon', () => {
  const reports: unknown[] = [];
  playGroup(function* (g) {
    const daemon = function* (): Operation<void> {
      yield* group(function* (tasks) {
        tasks.spawn(() => sleepForever(), { name: 'request' });
        tasks.stop({ graceMs: 30 });
        tasks.scope.signal.addEventListener('abort', () => reports.push(tasks.scope.reason));
      });
    };
    yield* g.spawn(daemon, { daemon: true }).join();
  });
  expect(String(reports)).toContain("task 3 'request' waits for sleep forever");
});

test('a group that ends within the grace period returns its value and has no timer', () => {
  const host = new VirtualHost();
  const value = host.playGroup(function* (g) {
    g.stop({ graceMs: 1000 });
    yield* sleep(10);
    return 'value';
  });
  expect([value, host.time, host.scheduler.stats().timers]).toEqual(['value', 10, 0]);
});

test('stop({ graceMs: 0 }) cancels when a task waits', () => {
  const error = failureOf(() =>
    group(function* (g) {
      g.stop({ graceMs: 0 });
      yield* sleep(1);
    }),
  ) as GroupStateError;
  expect(error.code).toBe('ERR_GROUP_CANCELLED');
});

test('the report of an expired grace period has escapes for control characters in names', () => {
  const error = failureOf(() =>
    group(function* (g) {
      g.spawn(() => sleepForever(), { name: '\x1b[2Jclear\nnext' });
      g.stop({ graceMs: 0 });
      yield* sleepForever();
    }),
  );
  const { cause } = error as Error;
  expect(String(cause)).toContain("task 2 '\\x1b[2Jclear\\x0anext'");
});

test('a second stop() can shorten the grace period but not extend it', () => {
  for (const [first, second, end] of [
    [30, 10, 10],
    [10, 30, 10],
    [10, Infinity, 10],
    [Infinity, 10, 10],
  ] as const) {
    const host = new VirtualHost();
    host.playScope(function* (s) {
      s.stop({ graceMs: first });
      s.stop({ graceMs: second });
      s.stop();
      yield* sleepForever();
    });
    expect(host.time).toBe(end);
  }
});

test('a cancelled waitStopping() is no longer woken by stop()', () => {
  playGroup(function* (g) {
    const waiter = g.spawn(() => g.scope.waitStopping());
    yield;
    expect(waiter.waitingOn).toMatch(/stop/);
    waiter.cancel();
    yield* sleep(1);
    g.stop();
    expect(waiter.state).toBe('cancelled');
  });
});

test('stop() reaches tasks inside shields', () => {
  const log: string[] = [];
  playGroup(function* (g) {
    g.spawn(() =>
      shield(function* () {
        yield* currentScope().waitStopping();
        log.push('stopping');
      }),
    );
    yield;
    g.stop();
  });
  expect(log).toEqual(['stopping']);
});

test('stop() of a scope that has ended has no effect', () => {
  const host = new VirtualHost();
  host.play(function* () {
    let left: Scope | undefined;
    yield* scope(function* (s) {
      left = s;
    });
    left?.stop({ graceMs: 5 });
    expect(host.scheduler.stats().timers).toBe(0);
    yield* sleep(10);
  });
});

for (const graceMs of [Number.NaN, -1]) {
  test(`stop() with graceMs ${graceMs} throws a RangeError`, () => {
    playScope(function* (s) {
      expect(() => s.stop({ graceMs })).toThrow(RangeError);
      expect(s.stopping).toBe(false);
    });
  });
}
