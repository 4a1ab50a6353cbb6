import { expect, test } from 'vitest';
import { play, playGroup, VirtualHost } from '../../test/support/kernel/virtual-host.ts';
import { now } from './current.ts';
import type { Operation } from './operation.ts';
import { Readiness } from './readiness.ts';
import { moveOnAfter } from './scope/with-scope.ts';
import { group } from './task/group.ts';
import { readable, sleep, sleepForever } from './waits.ts';

test('ready tasks run in FIFO order', () => {
  const log: string[] = [];
  function* twice(name: string): Operation<void> {
    log.push(`${name}1`);
    yield;
    log.push(`${name}2`);
  }
  playGroup(function* (g) {
    for (const name of ['a', 'b', 'c']) g.spawn(() => twice(name));
    yield;
    log.push('body');
  });
  expect(log).toEqual(['a1', 'b1', 'c1', 'body', 'a2', 'b2', 'c2']);
});

test('a task that becomes ready during a batch belongs to the next batch', () => {
  const batches: number[] = [];
  playGroup(
    function* (g) {
      g.spawn(function* () {
        g.spawn(function* () {});
        yield;
      });
    },
    { hooks: { batchBegins: (ready) => batches.push(ready) } },
  );
  expect(batches).toEqual([1, 1, 2, 1]);
});

test('a task that is resumed in its batch runs before the tasks of the next batch', () => {
  const log: string[] = [];
  const resource = new Readiness();
  playGroup(function* (g) {
    g.spawn(function* () {
      yield* readable(resource);
      log.push('resumed');
    });
    g.spawn(function* () {
      yield;
      resource.recvWaiter?.notify(true);
      resource.recvWaiter = null;
      log.push('resumes it');
      yield;
      log.push('next batch');
    });
    g.spawn(function* () {
      yield;
      log.push('same batch');
    });
    yield;
  });
  expect(log).toEqual(['resumes it', 'resumed', 'same batch', 'next batch']);
});

test('tasks wake in the order in which their resources became ready', () => {
  const log: string[] = [];
  const resources = Object.fromEntries(['a', 'b', 'c'].map((name) => [name, new Readiness()]));
  playGroup(function* (g) {
    for (const [name, resource] of Object.entries(resources)) {
      g.spawn(function* () {
        yield* readable(resource);
        log.push(name);
      });
    }
    yield;
    for (const name of ['c', 'a', 'b']) resources[name]?.notifyRecv();
  });
  expect(log).toEqual(['c', 'a', 'b']);
});

test('a task that yields in an endless loop does not starve other tasks', () => {
  const done = playGroup(function* (g) {
    g.spawn(
      function* () {
        for (;;) yield;
      },
      { daemon: true },
    );
    for (let i = 0; i < 100; i++) yield;
    return 'done';
  });
  expect(done).toBe('done');
});

test('timers fire between batches', () => {
  const host = new VirtualHost();
  const log: string[] = [];
  host.playGroup(function* (g) {
    g.spawn(function* () {
      yield* sleep(5);
      log.push('woke');
    });
    yield;
    host.time += 10;
    log.push('late');
    yield;
    log.push('next batch');
  });
  expect(log).toEqual(['late', 'next batch', 'woke']);
});

test('a task that was notified before a turn runs before tasks whose timers are due', () => {
  const host = new VirtualHost();
  const resource = new Readiness();
  const log: string[] = [];
  host.playGroup(function* (g) {
    g.spawn(function* () {
      yield* sleep(10);
      log.push('timer');
    });
    g.spawn(function* () {
      yield* readable(resource);
      log.push('readiness');
    });
    yield;
    host.time += 20;
    resource.notifyRecv();
  });
  expect(log).toEqual(['readiness', 'timer']);
});

test('an operation that was notified before a turn succeeds although its deadline is due', () => {
  const host = new VirtualHost();
  const resource = new Readiness();
  const value = host.playGroup(function* (g) {
    const reader = g.spawn(() =>
      moveOnAfter(10, function* () {
        yield* readable(resource);
        return 'read';
      }),
    );
    yield;
    host.time += 20;
    resource.notifyRecv();
    return yield* reader.join();
  });
  expect(value).toBe('read');
});

test('turn runs one batch and returns the delay until the next turn', () => {
  const host = new VirtualHost();
  const { scheduler } = host;
  scheduler.start(function* () {
    yield;
    yield* sleep(25);
    yield* moveOnAfter(10, sleepForever());
  });
  expect(scheduler.delay()).toBe(0);
  const delays = [scheduler.turn(), scheduler.turn()];
  host.time = 5;
  delays.push(scheduler.delay());
  host.time = 25;
  delays.push(scheduler.turn());
  host.time = 35;
  delays.push(scheduler.turn());
  expect(delays).toEqual([0, 25, 20, 10, Infinity]);
  expect(scheduler.live).toBe(0);
});

test('turn(maxSteps) continues the current batch', () => {
  const batches: number[] = [];
  const host = new VirtualHost({ hooks: { batchBegins: (ready) => batches.push(ready) } });
  const { scheduler } = host;
  scheduler.start(() =>
    group(function* (g) {
      for (let i = 0; i < 5; i++)
        g.spawn(function* () {
          yield;
        });
    }),
  );
  scheduler.turn();
  for (let i = 0; i < 5; i++) expect(scheduler.turn(1)).toBe(0);
  expect(batches).toEqual([1, 5]);
  while (scheduler.live > 0) scheduler.turn();
  expect(batches.slice(0, 3)).toEqual([1, 5, 5]);
});

test('turn without tasks returns Infinity', () => {
  const host = new VirtualHost();
  expect(host.scheduler.turn()).toBe(Infinity);
});

test('tasks that become ready outside a turn wake the host once', () => {
  const host = new VirtualHost();
  const resources = [new Readiness(), new Readiness()];
  host.scheduler.start(() =>
    group(function* (g) {
      for (const resource of resources) g.spawn(() => readable(resource));
    }),
  );
  expect(host.wakes).toBe(1);
  host.scheduler.turn();
  host.scheduler.turn();
  expect(host.wakes).toBe(1);
  for (const resource of resources) resource.notifyRecv();
  expect(host.wakes).toBe(2);
});

test('a task does not run before the first turn', () => {
  let ran = false;
  const host = new VirtualHost();
  host.scheduler.start(function* () {
    ran = true;
  });
  expect(ran).toBe(false);
  host.scheduler.turn();
  expect(ran).toBe(true);
});

test('now() counts from the creation of the scheduler, in fractional milliseconds', () => {
  const host = new VirtualHost();
  host.time = 1234.5;
  expect(host.scheduler.now()).toBe(1234.5);
  const seen = play(function* () {
    yield* sleep(0.125);
    return now();
  });
  expect(seen).toBe(0.125);
});

test('several schedulers run independently', () => {
  const hosts = [new VirtualHost(), new VirtualHost()];
  const log: string[] = [];
  for (const [i, { scheduler }] of hosts.entries()) {
    scheduler.start(function* () {
      for (let step = 0; step < 3; step++) {
        log.push(`${i}${step}`);
        yield;
      }
    });
  }
  for (let turn = 0; turn < 4; turn++) for (const { scheduler } of hosts) scheduler.turn();
  expect(log).toEqual(['00', '10', '01', '11', '02', '12']);
});

test('stats() returns a frozen snapshot of the sizes and counters', () => {
  const host = new VirtualHost();
  const resource = new Readiness();
  host.playGroup(function* (g) {
    const reader = g.spawn(() => readable(resource));
    g.spawn(() => sleep(1000));
    yield;
    const stats = host.scheduler.stats();
    expect(stats).toMatchObject({ tasks: 3, timers: 1, externalWaits: 1, spawned: 3 });
    expect(Object.isFrozen(stats)).toBe(true);
    reader.cancel();
    expect(host.scheduler.stats().externalWaits).toBe(0);
  });
  expect(host.scheduler.stats()).toMatchObject({
    tasks: 0,
    ready: 0,
    timers: 0,
    externalWaits: 0,
  });
});

test('tasks() lists parents before children', () => {
  const host = new VirtualHost();
  host.playGroup(function* (g) {
    const parent = group(function* (inner) {
      inner.spawn(() => sleep(5), { name: 'c' });
    });
    g.spawn(parent, { name: 'a' });
    g.spawn(() => sleep(5), { name: 'b' });
    yield;
    yield;
    const names = host.scheduler.tasks().map(({ name }) => name);
    expect(names).toEqual(['main', 'a', 'b', 'c']);
  });
  expect(host.scheduler.tasks()).toEqual([]);
});
