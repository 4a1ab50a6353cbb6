import { expect, test } from 'vitest';
import { VirtualHost } from '../../test/support/kernel/virtual-host.ts';
import type { Operation, Wait } from '../kernel/operation.ts';
import type { Group } from '../kernel/task/group.ts';
import { group } from '../kernel/task/group.ts';
import type { Task } from '../kernel/task/task.ts';
import { checkpoint, pause, sleep } from '../kernel/waits.ts';
import { Barrier } from './barrier.ts';
import { Broadcast } from './broadcast.ts';
import { Channel } from './channel.ts';
import { Condition } from './condition.ts';
import { Event } from './event.ts';
import { Lock } from './lock.ts';
import { select } from './select/select.ts';
import { Semaphore } from './semaphore.ts';

/** A program with one task that is cancelled, and its postconditions. */
interface Scenario {
  /** Starts the tasks, returns the one to cancel. That one calls `spend` before each operation. */
  begin(g: Group, spend: () => Operation<void>): Task<unknown>;
  /** Called when all tasks have ended. */
  verify(): void;
}

/**
 * Cancels the victim at every step of the scenario in turn: a victim with its whole budget, one
 * that spends it with each operation, and one that has spent it before.
 */
function sweep(make: () => Scenario): void {
  for (const spent of [0, 127, 128]) {
    let cancelAt = 0;
    while (playCancelling(make(), cancelAt, () => checkpoints(spent))) cancelAt++;
    expect(cancelAt).toBeGreaterThan(2);
  }
}

/** Completes `count` operations after a pause. */
function* checkpoints(count: number): Generator<Wait, void> {
  if (count > 0) yield;
  for (let i = 0; i < count; i++) yield* checkpoint();
}

/** Returns false if the scenario was over before step `cancelAt`. */
function playCancelling(
  scenario: Scenario,
  cancelAt: number,
  spend: () => Operation<void>,
): boolean {
  const host = new VirtualHost();
  const { scheduler } = host;
  let victim: Task<unknown> | undefined;
  const main = scheduler.start(() =>
    group(function* (g) {
      victim = scenario.begin(g, spend);
      yield* pause();
    }),
  );
  let step = 0;
  for (; scheduler.live > 0; step++) {
    if (step > 10_000) throw new Error('no end');
    if (step === cancelAt) victim?.cancel('swept');
    if (scheduler.turn(1) === 0) continue;
    if (scheduler.live === 0) break;
    if (scheduler.nextTimerAt === Infinity) scheduler.declareDeadlock();
    else host.time = Math.max(host.time, scheduler.nextTimerAt);
    if (scheduler.deadlock !== null) throw scheduler.deadlock;
  }
  expect([main.state, host.warnings]).toEqual(['done', []]);
  scenario.verify();
  return step > cancelAt;
}

/** Waits for the end of `task`. */
function* untilEnded(task: Task<unknown>): Generator<Wait, void> {
  while (task.state !== 'done' && task.state !== 'cancelled') yield;
}

interface Source<T> {
  next(): Operation<IteratorResult<T, undefined>>;
}

/** Receives until `source` is closed. */
function* drain<T>(source: Source<T>, log: T[]): Generator<Wait, void> {
  for (;;) {
    const { done, value } = yield* source.next();
    if (done) return;
    log.push(value as T);
  }
}

/** Closes `channel` when `task` has ended. */
function closeAfter(g: Group, task: Task<unknown>, channel: { close(): void }): void {
  g.spawn(function* () {
    yield* untilEnded(task);
    channel.close();
  });
}

const items: readonly number[] = [0, 1, 2, 3, 4];

for (const capacity of [0, 1, 2, Infinity]) {
  test(`a sender that is cancelled has sent nothing (capacity ${capacity})`, () => {
    sweep(() => {
      const channel = new Channel<number>(capacity);
      const sent: number[] = [];
      const received: number[] = [];
      return {
        begin(g, spend) {
          const victim = g.spawn(function* () {
            for (const item of items) {
              yield* spend();
              yield* channel.send(item);
              sent.push(item);
            }
          });
          g.spawn(() => drain(channel, received));
          closeAfter(g, victim, channel);
          return victim;
        },
        verify: () => expect(received).toEqual(sent),
      };
    });
  });

  test(`a receiver that is cancelled has taken nothing (capacity ${capacity})`, () => {
    sweep(() => {
      const channel = new Channel<number>(capacity);
      const received: number[] = [];
      return {
        begin(g, spend) {
          const victim = g.spawn(function* () {
            for (let i = 0; i < items.length; i++) {
              yield* spend();
              const { done, value } = yield* channel.next();
              if (!done) received.push(value);
            }
          });
          g.spawn(() => drain(channel, received));
          g.spawn(function* () {
            for (const item of items) yield* channel.send(item);
            channel.close();
          });
          return victim;
        },
        verify: () => expect(received.sort()).toEqual(items),
      };
    });
  });

  test(`a cancelled select has taken and sent nothing (capacity ${capacity})`, () => {
    sweep(() => {
      const [input, output] = [new Channel<number>(capacity), new Channel<number>(capacity)];
      const spare = new Channel<number>(capacity);
      const log = { fed: [] as number[], got: [] as number[], sent: [] as number[] };
      const received: number[] = [];
      return {
        begin(g, spend) {
          const victim = g.spawn(function* () {
            for (let round = 0; round < 6; round++) {
              yield* spend();
              const cases = { take: input.receive(), give: output.send(round), late: sleep(5) };
              const { key, value } = yield* select({ ...cases, never: spare.receive() });
              if (key === 'take') log.got.push(value);
              if (key === 'give') log.sent.push(round);
            }
          });
          g.spawn(() => drain(output, received));
          g.spawn(function* () {
            for (const item of items) {
              if (input.trySend(item)) log.fed.push(item);
              yield;
            }
          });
          closeAfter(g, victim, output);
          return victim;
        },
        verify() {
          expect(received).toEqual(log.sent);
          const got = [...log.got];
          for (let item = input.tryReceive(); item !== undefined; item = input.tryReceive()) {
            got.push(item);
          }
          expect(got).toEqual(log.fed);
          expect(spare.stats().receivers + input.stats().receivers).toBe(0);
        },
      };
    });
  });
}

/** Tasks that run `body` while they hold a lock or permit. `seen` records how many do. */
function holders(hold: (body: () => Operation<void>) => Operation<void>): {
  readonly seen: { inside: number; most: number; done: number };
  readonly begin: Scenario['begin'];
} {
  const seen = { inside: 0, most: 0, done: 0 };
  function* body(): Generator<Wait, void> {
    seen.most = Math.max(seen.most, ++seen.inside);
    try {
      yield;
      yield;
    } finally {
      seen.inside--;
    }
  }
  const begin: Scenario['begin'] = (g, spend) => {
    function* user(): Generator<Wait, void> {
      for (let round = 0; round < 2; round++) {
        yield* hold(body);
        seen.done++;
        yield;
      }
    }
    g.spawn(user);
    const victim = g.spawn(function* () {
      for (let round = 0; round < 2; round++) {
        yield* spend();
        yield* hold(body);
        yield;
      }
    });
    g.spawn(user);
    g.spawn(user);
    return victim;
  };
  return { seen, begin };
}

test.each(['with', 'select'])(
  'a lock acquired by %s is held by one task at a time and is free in the end',
  (by) => {
    sweep(() => {
      const [lock, never] = [new Lock('swept'), new Event()];
      function* throughSelect(body: () => Operation<void>): Generator<Wait, void> {
        yield* select({ never: never.wait(), lock: lock.acquire() });
        try {
          yield* body();
        } finally {
          lock.release();
        }
      }
      const held = holders(by === 'with' ? (body) => lock.with(body) : throughSelect);
      return {
        begin: held.begin,
        verify() {
          expect(held.seen).toEqual({ inside: 0, most: 1, done: 6 });
          expect(never.stats().waiters).toBe(0);
          expect(lock.stats()).toMatchObject({ locked: false, waiters: 0, abandoned: false });
        },
      };
    });
  },
);

test('a semaphore never assigns more than its permits, and all are released in the end', () => {
  sweep(() => {
    const semaphore = new Semaphore(2, 'swept');
    const { begin, seen } = holders((body) => semaphore.with(body));
    return {
      begin,
      verify() {
        expect(seen).toEqual({ inside: 0, most: 2, done: 6 });
        expect(semaphore.stats()).toMatchObject({ available: 2, holders: 0, waiters: 0 });
      },
    };
  });
});

test('a cancelled wait for an event does not affect other waits', () => {
  sweep(() => {
    const event = new Event('swept');
    const other = { returned: 0 };
    return {
      begin(g, spend) {
        const victim = g.spawn(function* () {
          yield* spend();
          yield* event.wait();
        });
        g.spawn(function* () {
          yield* event.wait();
          other.returned++;
        });
        g.spawn(function* () {
          for (let i = 0; i < 3; i++) yield;
          event.set();
          event.clear();
        });
        return victim;
      },
      verify: () => expect([other.returned, event.stats().waiters]).toEqual([1, 0]),
    };
  });
});

test('a notification of a condition is not lost, and the lock is held when wait ends', () => {
  sweep(() => {
    const lock = new Lock();
    const changed = new Condition(lock);
    const queue: number[] = [];
    const taken: number[] = [];
    let finished = false;
    function* take(spend: () => Operation<void>, limit: number): Generator<Wait, void> {
      for (let count = 0; count < limit; count++) {
        yield* spend();
        yield* lock.with(function* () {
          try {
            while (queue.length === 0 && !finished) yield* changed.wait();
          } finally {
            expect(lock.ownedByCaller).toBe(true);
            const item = queue.shift();
            if (item !== undefined) taken.push(item);
          }
        });
      }
    }
    return {
      begin(g, spend) {
        const victim = g.spawn(() => take(spend, 2));
        g.spawn(() => take(() => pause(), items.length));
        g.spawn(function* () {
          for (const item of items) {
            yield* lock.with(function* () {
              queue.push(item);
              changed.notify();
              yield;
            });
          }
          for (let i = 0; i < 40; i++) yield;
          finished = true;
          changed.notifyAll();
        });
        return victim;
      },
      verify() {
        expect(taken.sort()).toEqual(items);
        expect(lock.locked).toBe(false);
        expect(changed.stats().waiters).toBe(0);
      },
    };
  });
});

test('a task that is cancelled while it waits at a barrier has not arrived', () => {
  sweep(() => {
    const barrier = new Barrier(2);
    return {
      begin(g, spend) {
        const victim = g.spawn(function* () {
          yield* spend();
          yield* barrier.wait();
        });
        const other = g.spawn(() => barrier.wait());
        g.spawn(function* () {
          yield* untilEnded(victim);
          if (other.state === 'waiting') yield* barrier.wait();
        });
        return victim;
      },
      verify: () => expect(barrier.stats()).toMatchObject({ waiting: 0, rounds: 1 }),
    };
  });
});

test.each(['sender', 'receiver'])(
  'a broadcast sends each item to all subscriptions or to none when the %s is cancelled',
  (who) => {
    sweep(() => {
      const broadcast = new Broadcast<number>({ capacity: 1 });
      const subscriptions = [broadcast.subscribe(), broadcast.subscribe()] as const;
      const sent: number[] = [];
      const logs: [number[], number[]] = [[], []];
      return {
        begin(g, spend) {
          const sender = g.spawn(function* () {
            for (const item of items) {
              if (who === 'sender') yield* spend();
              yield* broadcast.send(item);
              sent.push(item);
            }
          });
          const receiver = g.spawn(function* () {
            for (let i = 0; i < 3; i++) {
              if (who === 'receiver') yield* spend();
              const { done, value } = yield* subscriptions[0].next();
              if (!done) logs[0].push(value);
            }
          });
          g.spawn(() => drain(subscriptions[1], logs[1]));
          g.spawn(function* () {
            yield* untilEnded(receiver);
            yield* drain(subscriptions[0], logs[0]);
          });
          closeAfter(g, sender, broadcast);
          return who === 'sender' ? sender : receiver;
        },
        verify: () => expect(logs).toEqual([sent, sent]),
      };
    });
  },
);
