import { setTimeout as delay, setImmediate as nextLoop } from 'node:timers/promises';
import { expect, test, vi } from 'vitest';
import type { Operation, OperationSource } from '../kernel/operation.ts';
import { Parking } from '../kernel/parking.ts';
import { Scheduler } from '../kernel/scheduler.ts';
import { group } from '../kernel/task/group.ts';
import { park, sleep } from '../kernel/waits.ts';
import type { Network } from '../world/network.ts';
import { NodeHost } from './host.ts';
import { setTimeout } from './timers.ts';

vi.mock(import('./timers.ts'), async (original) => {
  const real = await original();
  return { ...real, setTimeout: vi.fn(real.setTimeout) as unknown as typeof setTimeout };
});

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

test('a wake-up by other code is handled before the loop continues', async () => {
  const log: string[] = [];
  const parking = externalParking();
  const { ended } = drive(function* () {
    yield* park(parking);
    log.push('task');
  });
  await nextLoop();
  setImmediate(() => log.push('immediate'));
  parking.wake();
  await ended;
  await nextLoop();
  expect(log).toEqual(['task', 'immediate']);
});

test('wake-ups by promises do not keep the event loop from its timers', async () => {
  let fired = false;
  const { ended } = drive(function* () {
    setTimeout(() => {
      fired = true;
    }, 1);
    for (let i = 0; i < 200_000 && !fired; i++) {
      const parking = externalParking();
      void Promise.resolve().then(() => parking.wake());
      yield* park(parking);
    }
  });
  await ended;
  expect(fired).toBe(true);
});

test('long steps do not delay the turns of the event loop', async () => {
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
  // Control returns to libuv after 2 ms, which are two steps.
  expect(turns).toBeGreaterThan(15);
});

test('many computing tasks block the loop for at most a few steps', async () => {
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
  const parking = externalParking();
  const { ended } = drive(() =>
    group(function* (g) {
      for (let i = 0; i < 1000; i++) yield; // The host adapts to short steps.
      setImmediate(watch);
      setImmediate(() => parking.wake());
      yield* park(parking);
      for (let i = 0; i < 16; i++) g.spawn(compute);
    }),
  );
  await ended;
  over = true;
  expect(most).toBeLessThan(4);
});

test('a task that never waits does not block the event loop', async () => {
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

test('all tasks that a delivery wakes run in one pump', async () => {
  const parkings = [externalParking(), externalParking()];
  const log: number[] = [];
  const { host, scheduler, ended } = drive(() =>
    group(function* (g) {
      for (const [i, parking] of parkings.entries()) {
        g.spawn(function* () {
          yield* park(parking);
          log.push(i);
        });
      }
    }),
  );
  await nextLoop();
  const before = scheduler.stats().batches;
  host.deliver(() => {
    for (const parking of parkings) parking.wake();
    expect(log).toEqual([]);
  });
  expect(log).toEqual([0, 1]);
  expect(scheduler.stats().batches - before).toBeLessThanOrEqual(3);
  await ended;
});

test('an error in a delivery does not stop the host', async () => {
  const parking = externalParking();
  const { host, ended } = drive(() => park(parking));
  await nextLoop();
  expect(() =>
    host.deliver(() => {
      throw new Error('delivery');
    }),
  ).toThrow('delivery');
  parking.wake();
  await ended;
});

test('a task that was notified before an error in a delivery runs', async () => {
  const parking = externalParking();
  const { host, ended } = drive(() => park(parking));
  await nextLoop();
  expect(() =>
    host.deliver(() => {
      parking.wake();
      throw new Error('delivery');
    }),
  ).toThrow('delivery');
  await ended;
});

test('a task that is woken during a poll runs', async () => {
  const isWoken = (): Promise<boolean> => {
    const parking = externalParking();
    const { host, ended } = drive(function* () {
      for (let i = 0; i < 10; i++) yield; // The network is polled after more than a few steps.
      yield* park(parking);
    });
    const poll = (): number => {
      parking.wake();
      return 0;
    };
    host.network = { poll } as unknown as Network;
    return Promise.race([ended.then(() => true), delay(500, false)]);
  };
  // The network is not polled if the steps take longer than 2 ms.
  await vi.waitFor(async () => expect(await isWoken()).toBe(true), 20_000);
});

test('a deadline before that of the set timer fires in time', async () => {
  const parking = externalParking();
  const times: number[] = [];
  const { ended } = drive(() =>
    group(function* (g) {
      g.spawn(() => sleep(300));
      g.spawn(function* () {
        yield* park(parking);
        const began = performance.now();
        yield* sleep(5);
        times.push(performance.now() - began);
      });
      yield;
    }),
  );
  await delay(5);
  parking.wake();
  await ended;
  expect(times[0]).toBeLessThan(200);
});

test('a wake-up does not set the timer again if the deadline is unchanged', async () => {
  const parking = externalParking();
  let parked = 0;
  const { scheduler, ended } = drive(() =>
    group(function* (g) {
      g.spawn(() => sleep(60_000.5), { daemon: true });
      for (let i = 0; i < 20; i += 1) {
        parked += 1;
        yield* park(parking);
      }
    }),
  );
  while (parked === 0 || scheduler.nextTimerAt === Infinity) await nextLoop();
  const set = vi.mocked(setTimeout).mockClear();
  for (let i = 1; i < 20; i += 1) {
    parking.wake();
    while (parked === i) await nextLoop();
  }
  expect(set).not.toHaveBeenCalled();
  parking.wake();
  await ended;
});

test('the network is polled until it has no events before deadlines fire', () => {
  const { host } = drive(() => sleep(1));
  const found = [32, 32, 5, 0, 7];
  const poll = vi.fn(() => found.shift() as number);
  host.network = { poll } as unknown as Network;
  host.beforeDeadlines();
  expect(found).toEqual([7]);
  host.network = null;
  host.close();
});

test('a network that always has events does not postpone deadlines indefinitely', () => {
  const { host } = drive(() => sleep(1));
  const poll = vi.fn(() => 32);
  host.network = { poll } as unknown as Network;
  host.beforeDeadlines();
  expect(poll.mock.calls.length).toBeLessThan(100);
  host.network = null;
  host.close();
});

test('stats report the longest time without a return to the loop', async () => {
  const { scheduler, ended } = drive(function* (): Operation<void> {
    const until = performance.now() + 15;
    while (performance.now() < until);
  });
  await ended;
  expect(scheduler.stats().longestMs).toBeGreaterThanOrEqual(14);
});

test('a host uses the clock and the random numbers of its options', () => {
  const host = new NodeHost({ now: () => 42, random: () => 0.25, ended: () => undefined });
  expect([host.now(), host.random()]).toEqual([42, 0.25]);
});

test('a closed host runs no task', async () => {
  const parking = externalParking();
  let ran = false;
  const { host } = drive(function* () {
    yield* park(parking);
    ran = true;
  });
  await nextLoop();
  host.close();
  parking.wake();
  await delay(5);
  expect(ran).toBe(false);
});
