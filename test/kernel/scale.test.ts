import { expect, test } from 'vitest';
import type { Operation } from '../../src/kernel/operation.ts';
import { Parking } from '../../src/kernel/parking.ts';
import { ScopeImpl } from '../../src/kernel/scope/scope.ts';
import { moveOnAfter } from '../../src/kernel/scope/with-scope.ts';
import type { Group } from '../../src/kernel/task/group.ts';
import { group } from '../../src/kernel/task/group.ts';
import { checkpoint, park, sleep, sleepForever } from '../../src/kernel/waits.ts';
import { VirtualHost } from '../support/kernel/virtual-host.ts';

const nothing = { tasks: 0, ready: 0, timers: 0, externalWaits: 0 };

/** Spawns a tree of `left.count` tasks, each with up to `width` children. */
function* plant(g: Group, left: { count: number }, width: number): Operation<void> {
  for (let i = 0; i < width && left.count > 0; i++) {
    left.count--;
    g.spawn(() =>
      group(function* (inner) {
        yield* plant(inner, left, width);
        yield* sleepForever();
      }),
    );
  }
}

/** A chain of tasks, each with one child. */
function* nest(depth: number): Operation<void> {
  if (depth === 0) return yield* sleepForever();
  yield* group(function* (g) {
    g.spawn(() => nest(depth - 1));
    yield* sleepForever();
  });
}

/** Cancels the tasks of `op` after a millisecond. Returns the steps of the unwinding. */
function stepsToCancel(op: (g: Group) => Operation<void>): { steps: number; tasks: number } {
  const host = new VirtualHost();
  const { scheduler } = host;
  let before = 0;
  let tasks = 0;
  host.playScope(function* (s) {
    yield* group(function* (g) {
      yield* op(g);
      yield* sleep(1);
      tasks = scheduler.live;
      before = scheduler.steps;
      s.cancel();
      yield* sleepForever();
    });
  });
  expect(scheduler.stats()).toMatchObject(nothing);
  return { steps: scheduler.steps - before, tasks };
}

test('a hundred thousand tasks of one group are cancelled in a few steps each', () => {
  const { steps, tasks } = stepsToCancel(function* (g) {
    for (let i = 0; i < 100_000; i++) g.spawn(() => sleepForever());
  });
  expect(tasks).toBe(100_001);
  expect(steps).toBeLessThan(3 * tasks);
});

test('a tree of a hundred thousand tasks is cancelled in a few steps each', () => {
  const { steps, tasks } = stepsToCancel((g) => plant(g, { count: 100_000 }, 10));
  expect(tasks).toBe(100_001);
  expect(steps).toBeLessThan(3 * tasks);
});

test('cancelling a deep chain of tasks visits each scope a few times', () => {
  const depth = 3000;
  const visits = countParentReads(() => {
    const { steps, tasks } = stepsToCancel(function* (g) {
      g.spawn(() => nest(depth));
    });
    expect(steps).toBeLessThan(3 * tasks);
  });
  expect(visits).toBeLessThan(100 * depth);
});

/** The number of scopes that `encloses` visits while `work` runs. */
function countParentReads(work: () => void): number {
  const { encloses } = ScopeImpl.prototype;
  let visits = 0;
  ScopeImpl.prototype.encloses = function (other: ScopeImpl): boolean {
    for (let at: ScopeImpl | null = other; at !== null && at !== this; at = at.parent) visits++;
    return encloses.call(this, other);
  };
  try {
    work();
  } finally {
    ScopeImpl.prototype.encloses = encloses;
  }
  return visits;
}

test('a million steps leave no tasks, timers or waits', () => {
  const host = new VirtualHost();
  function* round(g: Group): Operation<void> {
    const parking = new Parking();
    const joined = g.spawn(function* () {
      yield* park(parking);
    });
    yield* moveOnAfter(1, sleepForever());
    yield* moveOnAfter(100, sleep(1));
    parking.wake();
    yield* joined.join();
    const cancelled = g.spawn(() => sleepForever());
    yield;
    cancelled.cancel();
    yield;
    yield* checkpoint();
  }
  host.playGroup(function* (g) {
    for (let i = 0; i < 200; i++) {
      yield* g
        .spawn(function* () {
          for (let turn = 0; turn < 560; turn++) yield* round(g);
        })
        .join();
      expect(host.scheduler.stats()).toMatchObject({ tasks: 1, timers: 0, externalWaits: 0 });
    }
  });
  expect(host.scheduler.steps).toBeGreaterThan(1_000_000);
  expect(host.scheduler.stats()).toMatchObject(nothing);
});

test('a group does not keep finished tasks and their results', async () => {
  const host = new VirtualHost();
  const held: WeakRef<object>[] = [];
  let alive = 0;
  function* server(g: Group): Operation<void> {
    for (let i = 0; i < 50; i++) {
      g.spawn(function* () {
        const large = { bytes: new Uint8Array(1000) };
        held.push(new WeakRef(large));
        yield* sleep(1);
        return large;
      });
      yield* sleep(2);
    }
  }
  const { scheduler } = host;
  scheduler.start(() =>
    group(function* (g) {
      yield* server(g);
      yield* sleepForever();
    }),
  );
  while (scheduler.turn() !== Infinity) host.time = Math.max(host.time, scheduler.nextTimerAt);
  await new Promise((resolve) => setTimeout(resolve, 0));
  globalThis.gc?.();
  alive = held.filter((ref) => ref.deref() !== undefined).length;
  expect(held).toHaveLength(50);
  expect(alive).toBeLessThan(3);
  scheduler.main?.cancel();
  while (scheduler.live > 0) scheduler.turn();
});
