import { expect, test } from 'vitest';
import { playScope, VirtualHost } from '../../../test/support/kernel/virtual-host.ts';
import { now } from '../current.ts';
import { checkpoint, sleep, sleepForever } from '../waits.ts';
import type { Scope } from './scope.ts';
import { scope } from './with-scope.ts';

test('a deadline cancels the scope at that time', () => {
  const host = new VirtualHost();
  const value = host.play(() => scope(() => sleepForever(), { deadline: 25 }));
  expect([value, host.time]).toEqual([undefined, 25]);
});

test('the deadline of a running scope can be read and moved', () => {
  const host = new VirtualHost();
  host.play(() =>
    scope(
      function* (s) {
        expect(s.deadline).toBe(10);
        s.deadline = 50;
        yield* sleep(40);
        expect(s.deadline).toBe(50);
        s.deadline = Infinity;
        yield* sleep(40);
        expect(s.deadline).toBe(Infinity);
        s.deadline = now() + 5;
        yield* sleepForever();
      },
      { deadline: 10 },
    ),
  );
  expect(host.time).toBe(85);
});

test('a deadline that is moved into the past expires when the task waits', () => {
  const host = new VirtualHost();
  const log: string[] = [];
  host.play(function* () {
    yield* sleep(10);
    yield* scope(function* (s) {
      s.deadline = 3;
      yield* checkpoint();
      log.push('tried');
      yield* sleep(1);
      log.push('never');
    });
  });
  expect([host.time, log]).toEqual([10, ['tried']]);
});

test('a deadline rejects NaN and values that are not numbers', () => {
  playScope(function* (s) {
    expect(() => {
      s.deadline = Number.NaN;
    }).toThrow(RangeError);
    expect(() => {
      s.deadline = '5' as unknown as number;
    }).toThrow(TypeError);
  });
  expect(() => scope(() => sleep(1), { deadline: Number.NaN })).toThrow(RangeError);
});

test('a scope that has ended cannot be cancelled and has no timer', () => {
  const host = new VirtualHost();
  host.play(function* () {
    let left: Scope | undefined;
    yield* scope(
      function* (s) {
        left = s;
      },
      { deadline: 100 },
    );
    left?.cancel();
    (left as Scope).deadline = 5;
    expect(host.scheduler.stats().timers).toBe(0);
    yield* sleep(10);
    expect(left?.cancelled).toBe(false);
  });
});
