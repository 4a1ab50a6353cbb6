import { setTimeout as delay, setImmediate as nextLoop } from 'node:timers/promises';
import { expect, test, vi } from 'vitest';
import type { Operation, OperationSource } from '../kernel/operation.ts';
import { Parking } from '../kernel/parking.ts';
import { Scheduler } from '../kernel/scheduler.ts';
import { group } from '../kernel/task/group.ts';
import { park, sleep } from '../kernel/waits.ts';
import type { Network } from '../world/network.ts';
import { NodeHost } from './host.ts';

function externalParking(): Parking {
  return new Parking('a wake-up from outside', { external: true });
}

interface Driven {
  readonly host: NodeHost;
  readonly scheduler: Scheduler;
  readonly ended: Promise<void>;
}

/** A host that drives `op` until it ends. */
function drive(op: OperationSource<unknown>): Driven {
  let end: () => void = () => undefined;
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  const host = new NodeHost({
    ended: () => {
      host.close();
      end();
    },
  });
  const scheduler = new Scheduler({ host });
  host.drive(scheduler);
  scheduler.start(op);
  return { host, scheduler, ended };
}

test('a wake-up from elsewhere in the process is answered before the loop goes on', async () => {
  const log: string[] = [];
  const place = externalParking();
  const { ended } = drive(function* () {
    yield* park(place);
    log.push('task');
  });
  await nextLoop();
  setImmediate(() => log.push('immediate'));
  place.wake();
  await ended;
  await nextLoop();
  expect(log).toEqual(['task', 'immediate']);
});

test('a ping-pong with promises does not keep the loop from its timers', async () => {
  let fired = false;
  const { ended } = drive(function* () {
    setTimeout(() => {
      fired = true;
    }, 1);
    for (let i = 0; i < 200_000 && !fired; i++) {
      const place = externalParking();
      void Promise.resolve().then(() => place.wake());
      yield* park(place);
    }
  });
  await ended;
  expect(fired).toBe(true);
});

test('steps that take long leave the event loop its turns just as often', async () => {
  let turns = 0;
  let over = false;
  const watch = (): void => {
    turns++;
    if (!over) setImmediate(watch);
  };
  setImmediate(watch);
  const { ended } = drive(function* () {
    for (let i = 0; i < 100; i++) {
      const begun = performance.now();
      while (performance.now() - begun < 1);
      yield;
    }
  });
  await ended;
  over = true;
  // 2 ms are two steps.
  expect(turns).toBeGreaterThan(15);
});

test('many tasks that compute at the same time hold the loop for a step or two', async () => {
  let over = false;
  let most = 0;
  let inTurn = 0;
  const watch = (): void => {
    inTurn = 0;
    if (!over) setImmediate(watch);
  };
  const compute = function* (): Operation<void> {
    for (let i = 0; i < 3; i++) {
      const begun = performance.now();
      while (performance.now() - begun < 3);
      most = Math.max(most, ++inTurn);
      yield;
    }
  };
  const { ended } = drive(() =>
    group(function* (g) {
      for (let i = 0; i < 1000; i++) yield; // The host is used to short steps.
      setImmediate(watch);
      yield* sleep(1);
      for (let i = 0; i < 16; i++) g.spawn(compute);
    }),
  );
  await ended;
  over = true;
  expect(most).toBeLessThan(4);
});

test('a task that never waits leaves the event loop its turns', async () => {
  let turns = 0;
  const watch = (): void => {
    if (++turns < 3) setImmediate(watch);
  };
  setImmediate(watch);
  const { ended } = drive(function* () {
    while (turns < 3) yield;
  });
  await ended;
  expect(turns).toBeGreaterThanOrEqual(3);
});

test('deliver grants inside one entrance: all that it wakes runs in one pump, once', async () => {
  const places = [externalParking(), externalParking()];
  const log: number[] = [];
  const { host, scheduler, ended } = drive(() =>
    group(function* (g) {
      for (const [i, place] of places.entries()) {
        g.spawn(function* () {
          yield* park(place);
          log.push(i);
        });
      }
    }),
  );
  await nextLoop();
  const before = scheduler.stats().batches;
  host.deliver(() => {
    for (const place of places) place.wake();
    expect(log).toEqual([]);
  });
  expect(log).toEqual([0, 1]);
  expect(scheduler.stats().batches - before).toBeLessThanOrEqual(3);
  await ended;
});

test('an error in what is delivered does not stop the host', async () => {
  const place = externalParking();
  const { host, ended } = drive(() => park(place));
  await nextLoop();
  expect(() =>
    host.deliver(() => {
      throw new Error('delivery');
    }),
  ).toThrow('delivery');
  place.wake();
  await ended;
});

test('an error in what is delivered leaves nobody behind who was granted before it', async () => {
  const place = externalParking();
  const { host, ended } = drive(() => park(place));
  await nextLoop();
  expect(() =>
    host.deliver(() => {
      place.wake();
      throw new Error('delivery');
    }),
  ).toThrow('delivery');
  await ended;
});

test('a task that is woken while the network is asked runs', async () => {
  const place = externalParking();
  const { host, ended } = drive(function* () {
    for (let i = 0; i < 10; i++) yield; // The network is asked after more than a few steps.
    yield* park(place);
  });
  const poll = (): number => {
    place.wake();
    return 0;
  };
  host.network = { poll } as unknown as Network;
  await ended;
});

test('a timer armed for earlier than the one that is set comes in time', async () => {
  const place = externalParking();
  const times: number[] = [];
  const { ended } = drive(() =>
    group(function* (g) {
      g.spawn(() => sleep(300));
      g.spawn(function* () {
        yield* park(place);
        const began = performance.now();
        yield* sleep(5);
        times.push(performance.now() - began);
      });
      yield;
    }),
  );
  await delay(5);
  place.wake();
  await ended;
  expect(times[0]).toBeLessThan(200);
});

test('a wake-up leaves the timer alone while its deadline stays', async () => {
  const place = externalParking();
  let parked = 0;
  const { scheduler, ended } = drive(() =>
    group(function* (g) {
      g.spawn(() => sleep(60_000.5), { daemon: true });
      for (let i = 0; i < 20; i += 1) {
        parked += 1;
        yield* park(place);
      }
    }),
  );
  while (parked === 0 || scheduler.nextTimerAt === Infinity) await nextLoop();
  const set = vi.spyOn(globalThis, 'setTimeout');
  for (let i = 1; i < 20; i += 1) {
    place.wake();
    while (parked === i) await nextLoop();
  }
  expect(set).not.toHaveBeenCalled();
  set.mockRestore();
  place.wake();
  await ended;
});

test('before deadlines fire the network is asked until it has nothing more', () => {
  const { host } = drive(() => sleep(1));
  const found = [32, 32, 5, 0, 7];
  const poll = vi.fn(() => found.shift() as number);
  host.network = { poll } as unknown as Network;
  host.beforeDeadlines();
  expect(found).toEqual([7]);
  host.network = null;
  host.close();
});

test('a network that always has more puts no deadline off for ever', () => {
  const { host } = drive(() => sleep(1));
  const poll = vi.fn(() => 32);
  host.network = { poll } as unknown as Network;
  host.beforeDeadlines();
  expect(poll.mock.calls.length).toBeLessThan(100);
  host.network = null;
  host.close();
});

test('the longest time without a return to the loop is kept', async () => {
  const { scheduler, ended } = drive(function* (): Operation<void> {
    const until = performance.now() + 15;
    while (performance.now() < until);
  });
  await ended;
  expect(scheduler.stats().longestMs).toBeGreaterThanOrEqual(14);
});

test('clock and randomness can be given', () => {
  const host = new NodeHost({ now: () => 42, random: () => 0.25, ended: () => undefined });
  expect([host.now(), host.random()]).toEqual([42, 0.25]);
});

test('warn makes a process warning of whatever it is given', async () => {
  const warnings: Error[] = [];
  const note = (warning: Error): void => void warnings.push(warning);
  process.on('warning', note);
  const host = new NodeHost({ ended: () => undefined });
  for (const problem of [new Error('an error'), 'a text', undefined]) host.warn(problem);
  await delay(5);
  process.off('warning', note);
  expect(warnings.map(({ message }) => message)).toEqual(['an error', 'a text', 'undefined']);
});

test('warn never throws, whatever it is given', () => {
  const host = new NodeHost({ ended: () => undefined });
  expect(() => host.warn(Object.create(null))).not.toThrow();
});

test('a closed host does nothing more', async () => {
  const place = externalParking();
  let ran = false;
  const { host } = drive(function* () {
    yield* park(place);
    ran = true;
  });
  await nextLoop();
  host.close();
  place.wake();
  await delay(5);
  expect(ran).toBe(false);
});
