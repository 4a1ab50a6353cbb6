import { expect, test } from 'vitest';
import { play, playGroup, VirtualHost } from '../../test/support/kernel/virtual-host.ts';
import { currentTask, now } from './current.ts';
import type { Operation } from './operation.ts';
import { Readiness } from './readiness.ts';
import { moveOnAfter } from './scope/with-scope.ts';
import { group } from './task/group.ts';
import { pause, readable, sleep, sleepForever, sleepUntil, writable } from './waits.ts';

test('sleep lasts as long as it says, in fractions of milliseconds too', () => {
  const woke = play(function* () {
    yield* sleep(0.25);
    yield* sleep(1000);
    return now();
  });
  expect(woke).toBe(1000.25);
});

test('sleep(0) lets the others run once and takes no time', () => {
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

test('a task that sleeps 0 for ever starves neither timers nor other tasks', () => {
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

test('sleep accepts numbers above 2 ** 31', () => {
  const woke = play(function* () {
    yield* sleep(2 ** 40);
    return now();
  });
  expect(woke).toBe(2 ** 40);
});

test('sleep(Infinity) and sleepForever end by cancellation only', () => {
  const woke = play(function* () {
    yield* moveOnAfter(10, sleep(Infinity));
    yield* moveOnAfter(10, sleepForever());
    yield* moveOnAfter(10, sleepUntil(Infinity));
    return now();
  });
  expect(woke).toBe(30);
});

test('sleepUntil wakes at that time of the clock', () => {
  const woke = play(function* () {
    yield* sleep(7);
    yield* sleepUntil(20.5);
    return now();
  });
  expect(woke).toBe(20.5);
});

test('sleepUntil a time that is past only lets the others run', () => {
  const woke = play(function* () {
    yield* sleep(7);
    yield* sleepUntil(3);
    yield* sleepUntil(Number.NEGATIVE_INFINITY);
    return now();
  });
  expect(woke).toBe(7);
});

test('sleepers wake by time, and by the order of arming where the time is the same', () => {
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
  test(`sleep(${String(value)}) throws a ${kind.name} that says what it got`, () => {
    expect(() => sleep(value as number)).toThrow(kind);
    expect(() => sleep(value as number)).toThrow(/Expected `ms`.*got /);
  });
}

test('sleepUntil refuses NaN and what is not a number', () => {
  expect(() => sleepUntil(Number.NaN)).toThrow(RangeError);
  expect(() => sleepUntil('now' as unknown as number)).toThrow(TypeError);
});

test('now is 0 when the scheduler begins and stands still during a step of the test host', () => {
  expect(
    play(function* () {
      return now();
    }),
  ).toBe(0);
});

test('a sleep that is not driven does nothing', () => {
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
  test(`${name} can be driven once only`, () => {
    const code = play(function* () {
      const operation = make();
      operation[Symbol.iterator]();
      try {
        yield* operation;
      } catch (error) {
        return (error as { code: string }).code;
      }
      return 'none';
    });
    expect(code).toBe('ERR_ALREADY_DRIVEN');
  });

  test(`${name} has next, throw and return`, () => {
    play(function* () {
      const iterator = make()[Symbol.iterator]();
      const kinds = [typeof iterator.next, typeof iterator.throw, typeof iterator.return];
      expect(kinds).toEqual(['function', 'function', 'function']);
      const given = new Error('given');
      expect(() => iterator.throw?.(given)).toThrow(given);
    });
  });
}

test('a cancelled sleep leaves no timer behind', () => {
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
