import { expect, test } from 'vitest';
import { codeThrownBy } from '../../test/support/kernel/operations.ts';
import { play, playGroup, VirtualHost } from '../../test/support/kernel/virtual-host.ts';
import { currentTask, now } from './current.ts';
import type { Operation } from './operation.ts';
import { Readiness } from './readiness.ts';
import { moveOnAfter } from './scope/with-scope.ts';
import { group } from './task/group.ts';
import { pause, readable, sleep, sleepForever, sleepUntil, writable } from './waits.ts';

test('sleep lasts for its duration, in fractional milliseconds too', () => {
  const woke = play(function* () {
    yield* sleep(0.25);
    yield* sleep(1000);
    return now();
  });
  expect(woke).toBe(1000.25);
});

test('sleep(0) lets the other ready tasks run once and takes no time', () => {
  const log: string[] = [];
  const woke = playGroup(function* (g) {
    g.spawn(function* () {
      log.push('other');
    });
    yield* sleep(0);
    log.push('slept');
    return now();
  });
  expect([log, woke]).toEqual([['other', 'slept'], 0]);
});

test('an endless loop of sleep(0) does not starve timers and other tasks', () => {
  const host = new VirtualHost();
  const done = host.playGroup(function* (g) {
    g.spawn(
      function* () {
        for (;;) {
          host.time += 0.01;
          yield* sleep(0);
        }
      },
      { daemon: true },
    );
    yield* sleep(5);
    return true;
  });
  expect(done).toBe(true);
});

test('sleep accepts durations above 2 ** 31 ms', () => {
  const woke = play(function* () {
    yield* sleep(2 ** 40);
    return now();
  });
  expect(woke).toBe(2 ** 40);
});

test('sleep(Infinity) and sleepForever() end only by cancellation', () => {
  const woke = play(function* () {
    yield* moveOnAfter(10, sleep(Infinity));
    yield* moveOnAfter(10, sleepForever());
    yield* moveOnAfter(10, sleepUntil(Infinity));
    return now();
  });
  expect(woke).toBe(30);
});

test('sleepUntil wakes at the given time of the clock', () => {
  const woke = play(function* () {
    yield* sleep(7);
    yield* sleepUntil(20.5);
    return now();
  });
  expect(woke).toBe(20.5);
});

test('sleepUntil a past time lets the other ready tasks run', () => {
  const woke = play(function* () {
    yield* sleep(7);
    yield* sleepUntil(3);
    yield* sleepUntil(Number.NEGATIVE_INFINITY);
    return now();
  });
  expect(woke).toBe(7);
});

test('sleeping tasks wake by time, and at the same time in the order of arming', () => {
  const order: string[] = [];
  function* sleeper(name: string, ms: number): Operation<void> {
    yield* sleep(ms);
    order.push(name);
  }
  playGroup(function* (g) {
    for (const [name, ms] of Object.entries({ a: 30, b: 10, c: 30, d: 20, e: 10 })) {
      g.spawn(() => sleeper(name, ms));
    }
  });
  expect(order).toEqual(['b', 'e', 'd', 'a', 'c']);
});

for (const [value, kind] of [
  [Number.NaN, RangeError],
  [-1, RangeError],
  ['5', TypeError],
  [undefined, TypeError],
  [null, TypeError],
  [new Date(5), TypeError],
] as const) {
  test(`sleep(${String(value)}) throws a ${kind.name} that contains the value`, () => {
    expect(() => sleep(value as number)).toThrow(kind);
    expect(() => sleep(value as number)).toThrow(/Expected `ms`.*got /);
  });
}

test('sleepUntil rejects NaN and values that are not numbers', () => {
  expect(() => sleepUntil(Number.NaN)).toThrow(RangeError);
  expect(() => sleepUntil('now' as unknown as number)).toThrow(TypeError);
});

test('now() is 0 at the creation of the scheduler and constant during a step', () => {
  expect(
    play(function* () {
      return now();
    }),
  ).toBe(0);
});

test('a sleep that is not driven has no effect', () => {
  const host = new VirtualHost();
  host.play(function* () {
    sleep(1000);
    yield* sleep(1);
  });
  expect([host.time, host.scheduler.stats().timers]).toEqual([1, 0]);
});

const operations: Readonly<Record<string, () => Operation<unknown>>> = {
  sleep: () => sleep(1),
  'sleep(0)': () => sleep(0),
  sleepUntil: () => sleepUntil(1),
  sleepForever: () => sleepForever(),
  pause: () => pause(),
  readable: () => readable(new Readiness()),
  writable: () => writable(new Readiness()),
  join: () => currentTask().join(),
};

for (const [name, make] of Object.entries(operations)) {
  test(`${name} can be driven once`, () => {
    const code = play(function* () {
      const operation = make();
      operation[Symbol.iterator]();
      return yield* codeThrownBy(operation);
    });
    expect(code).toBe('ERR_ALREADY_DRIVEN');
  });

  test(`the iterator of ${name} has next, throw and return`, () => {
    play(function* () {
      const iterator = make()[Symbol.iterator]();
      const kinds = [typeof iterator.next, typeof iterator.throw, typeof iterator.return];
      expect(kinds).toEqual(['function', 'function', 'function']);
      const given = new Error('given');
      expect(() => iterator.throw?.(given)).toThrow(given);
    });
  });
}

test('a cancelled sleep leaves no timer', () => {
  const host = new VirtualHost();
  host.playScope(function* (s) {
    yield* group(function* (g) {
      g.spawn(() => sleep(1e6));
      yield;
      s.cancel();
      expect(host.scheduler.stats().timers).toBe(0);
    });
  });
  expect(host.time).toBe(0);
});
