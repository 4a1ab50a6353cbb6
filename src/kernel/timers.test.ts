import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Timer, Timers } from './timers.ts';

function timer(): Timer {
  return new Timer({ expire: () => undefined });
}

function takeAll(timers: Timers, now = Infinity): Timer[] {
  const taken: Timer[] = [];
  for (let due = timers.takeDue(now); due !== undefined; due = timers.takeDue(now)) taken.push(due);
  return taken;
}

test('timers are taken by time and then by the order of arming', () => {
  const timers = new Timers();
  const [a, b, c, d] = [timer(), timer(), timer(), timer()];
  timers.arm(a, 20);
  timers.arm(b, 10);
  timers.arm(c, 20);
  timers.arm(d, 10);
  expect(takeAll(timers)).toEqual([b, d, a, c]);
});

test('takeDue() returns only timers that are due', () => {
  const timers = new Timers();
  const [soon, later] = [timer(), timer()];
  timers.arm(later, 11);
  timers.arm(soon, 10);
  expect(takeAll(timers, 10)).toEqual([soon]);
  expect(timers.nextAt).toBe(11);
});

test('arming a timer at Infinity disarms it', () => {
  const timers = new Timers();
  const moved = timer();
  timers.arm(moved, 5);
  timers.arm(moved, Infinity);
  expect(moved.armed).toBe(false);
  expect([timers.size, timers.nextAt]).toEqual([0, Infinity]);
});

test('arming an armed timer moves it after timers of the same time', () => {
  const timers = new Timers();
  const [a, b] = [timer(), timer()];
  timers.arm(a, 1);
  timers.arm(b, 5);
  timers.arm(a, 5);
  expect(timers.size).toBe(2);
  expect(takeAll(timers)).toEqual([b, a]);
});

test('a disarmed timer is removed at once, and disarming it again has no effect', () => {
  const timers = new Timers();
  const disarmed = timer();
  timers.arm(disarmed, 1);
  timers.disarm(disarmed);
  timers.disarm(disarmed);
  expect([timers.size, disarmed.armed]).toEqual([0, false]);
});

test('timers above 2 ** 31 ms keep their exact time', () => {
  const timers = new Timers();
  const [far, farther] = [timer(), timer()];
  timers.arm(farther, 2 ** 52 + 1);
  timers.arm(far, 2 ** 52);
  expect(takeAll(timers, 2 ** 52)).toEqual([far]);
});

type Act = { readonly arm: readonly [which: number, at: number] } | { readonly disarm: number };

const acts = fc.array(
  fc.oneof(fc.record({ arm: fc.tuple(fc.nat(19), fc.nat(30)) }), fc.record({ disarm: fc.nat(19) })),
  { maxLength: 300 },
);

test('the timer heap behaves like a sorted list for random sequences', () => {
  fc.assert(
    fc.property(acts, (sequence) => {
      const all = Array.from({ length: 20 }, timer);
      const timers = new Timers();
      const model = new Map<Timer, number>();
      for (const act of sequence) perform(act, all, timers, model);
      const sorted = [...model].sort((one, other) => one[1] - other[1]).map(([armed]) => armed);
      expect(takeAll(timers).map((armed) => all.indexOf(armed))).toEqual(
        sorted.map((armed) => all.indexOf(armed)),
      );
    }),
    { numRuns: 50 },
  );
});

/** A Map keeps the order of insertion, which is that of arming; sorting is stable. */
function perform(act: Act, all: Timer[], timers: Timers, model: Map<Timer, number>): void {
  const which = all['arm' in act ? act.arm[0] : act.disarm] as Timer;
  model.delete(which);
  if ('arm' in act) {
    timers.arm(which, act.arm[1]);
    model.set(which, act.arm[1]);
  } else {
    timers.disarm(which);
  }
  expect(timers.size).toBe(model.size);
  expect(timers.nextAt).toBe(Math.min(Infinity, ...model.values()));
}

test('a hundred thousand timers can be disarmed in the order of arming', () => {
  const timers = new Timers();
  const all = Array.from({ length: 100_000 }, timer);
  for (const [i, one] of all.entries()) timers.arm(one, 1000 + i);
  for (const one of all) timers.disarm(one);
  expect(timers.size).toBe(0);
});
