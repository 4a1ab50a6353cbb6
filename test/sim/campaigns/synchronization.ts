/** Channels, locks, semaphores, broadcasts under cancellation: nothing is lost or duplicated. */
import type { Group, Operation, Subscription, Task } from 'coronet';
import {
  Barrier,
  Broadcast,
  Channel,
  Condition,
  group,
  Lock,
  moveOnAfter,
  Semaphore,
  select,
  sleep,
} from 'coronet';
import type { World } from 'coronet/sim';
import type { Campaign } from './support.ts';
import { check, Random } from './support.ts';

/** Cancels some of `tasks` while they run. */
function* disturb(random: Random, tasks: readonly Task<unknown>[]): Operation<void> {
  for (const task of tasks) {
    if (random.happens(0.5)) yield* sleep(random.integer(0, 3));
    if (random.happens(0.4)) task.cancel('disturbed');
  }
}

/** Runs `op` with a short time limit. Returns whether it completed. */
function* attempt(random: Random, op: () => Operation<unknown>): Operation<boolean> {
  const completed = yield* moveOnAfter(random.integer(0, 3), function* (): Operation<true> {
    yield* op();
    return true;
  });
  return completed ?? false;
}

function* work(random: Random, rounds: number, op: () => Operation<unknown>): Operation<void> {
  for (let i = 0; i < rounds; i++) {
    yield* attempt(random, op);
    const pauseMs = random.integer(-3, 2);
    if (pauseMs >= 0) yield* sleep(pauseMs);
    else if (pauseMs === -1) yield;
  }
}

function spawnAll(tasks: Group, count: number, op: () => Operation<unknown>): Task<unknown>[] {
  return Array.from({ length: count }, () => tasks.spawn(op));
}

// ---- channels and select ----

/** The channels, and a record of the items that were sent and received. */
class ItemLog {
  readonly channels: readonly Channel<number>[];
  readonly sent: Set<number> = new Set();
  readonly received: Set<number> = new Set();
  #last = 0;

  constructor(random: Random) {
    const capacities = [0, random.integer(0, 1), random.integer(0, 3)];
    this.channels = capacities.map((capacity, i) => new Channel(capacity, `channel ${i}`));
  }

  next(): number {
    return ++this.#last;
  }

  take(item: number): void {
    check(!this.received.has(item), `Item ${item} was received twice`);
    this.received.add(item);
  }
}

function* useChannels(random: Random, log: ItemLog): Operation<void> {
  const one = random.pick(log.channels);
  const other = random.pick(log.channels);
  const item = log.next();
  switch (random.integer(0, 4)) {
    case 0:
      yield* one.send(item);
      log.sent.add(item);
      return;
    case 1:
      return log.take(yield* one.receive());
    case 2:
      if (one.trySend(item)) log.sent.add(item);
      return;
    case 3: {
      const received = one.tryReceive();
      if (received !== undefined) log.take(received);
      return;
    }
    default:
      return yield* sendOrReceive(random, log, { one, other, item });
  }
}

interface SendOrReceive {
  readonly one: Channel<number>;
  readonly other: Channel<number>;
  readonly item: number;
}

function* sendOrReceive(
  random: Random,
  log: ItemLog,
  { one, other, item }: SendOrReceive,
): Operation<void> {
  const timeout = sleep(random.integer(0, 2));
  const { key, value } = yield* select({ out: one.send(item), in: other.receive(), timeout });
  if (key === 'out') log.sent.add(item);
  else if (key === 'in') log.take(value);
}

function* channelsAndSelect(world: World): Operation<void> {
  const random = new Random(world);
  const log = new ItemLog(random);
  yield* group(function* (tasks): Operation<void> {
    const workers = spawnAll(tasks, random.integer(2, 6), () =>
      work(random, 8, () => useChannels(random, log)),
    );
    yield* disturb(random, workers);
  });
  for (const channel of log.channels) {
    const { senders, receivers } = channel.stats();
    check(senders === 0 && receivers === 0, 'A channel still has waiters');
    for (let item = channel.tryReceive(); item !== undefined; item = channel.tryReceive()) {
      log.take(item);
    }
  }
  const lost = [...log.sent].filter((item) => !log.received.has(item));
  const unsent = [...log.received].filter((item) => !log.sent.has(item));
  check(lost.length === 0, `Sent, but not received: ${lost.join(', ')}`);
  check(unsent.length === 0, `Received, but the send did not complete: ${unsent.join(', ')}`);
}

// ---- locks, semaphores, conditions, barriers ----

/** Counts the tasks inside. */
class CriticalSection {
  inside = 0;

  *run(random: Random): Operation<void> {
    this.inside++;
    try {
      if (random.happens(0.7)) yield* sleep(random.integer(0, 2));
    } finally {
      this.inside--;
    }
  }
}

function* permits(world: World): Operation<void> {
  const random = new Random(world);
  const lock = new Lock('lock');
  const slots = new Semaphore(random.integer(1, 3), 'slots');
  const locked = new CriticalSection();
  const shared = new CriticalSection();
  world.always('one task at a time holds the lock', () => locked.inside <= 1);
  world.always('the permits limit the number of holders', () => shared.inside <= 3);
  const use = function* (): Operation<void> {
    if (random.happens(0.4)) yield* slots.with(() => shared.run(random));
    else if (random.happens(0.6)) yield* lock.with(() => locked.run(random));
    else yield* lock.with(() => slots.with(() => shared.run(random)));
  };
  yield* group(function* (tasks): Operation<void> {
    const workers = spawnAll(tasks, random.integer(2, 6), () => work(random, 6, use));
    yield* disturb(random, workers);
    if (random.happens(0.5)) slots.resize(random.integer(1, 3));
  });
  check(lock.stats().waiters === 0 && slots.stats().waiters === 0, 'A task still waits');
  check(slots.available === slots.permits, 'A permit was lost');
  yield* lock.with(sleep(0));
  for (let i = slots.permits; i > 0; i--) yield* slots.acquire();
  for (let i = slots.permits; i > 0; i--) slots.release();
}

/** The classic bounded buffer of a lock and two conditions, under cancellation. */
function* boundedBuffer(world: World): Operation<void> {
  const random = new Random(world);
  const lock = new Lock('buffer');
  const notEmpty = new Condition(lock, 'not empty');
  const notFull = new Condition(lock, 'not full');
  const buffer: number[] = [];
  let put = 0;
  let taken = 0;
  world.always('the buffer has at most two items', () => buffer.length <= 2);
  const produce = function* (): Operation<void> {
    yield* lock.with(function* () {
      while (buffer.length === 2) yield* notFull.wait();
      buffer.push(++put);
      notEmpty.notify();
    });
  };
  const consume = function* (): Operation<void> {
    yield* lock.with(function* () {
      while (buffer.length === 0) yield* notEmpty.wait();
      check((buffer.shift() as number) === ++taken, 'Items were reordered');
      notFull.notify();
    });
  };
  yield* group(function* (tasks): Operation<void> {
    const producers = spawnAll(tasks, 3, () => work(random, 6, produce));
    const consumers = spawnAll(tasks, 3, () => work(random, 6, consume));
    yield* disturb(random, [...producers, ...consumers]);
  });
  check(put === taken + buffer.length, `${put} items were put, ${taken} taken`);
  // If a cancelled task had consumed a notification, this would wait indefinitely.
  while (taken < put) yield* consume();
  yield* produce();
}

function* barriers(world: World): Operation<void> {
  const random = new Random(world);
  const size = random.integer(2, 4);
  const barrier = new Barrier(size, 'barrier');
  let passed = 0;
  yield* group(function* (tasks): Operation<void> {
    const waiters = spawnAll(tasks, random.integer(1, 9), function* () {
      yield* sleep(random.integer(0, 3));
      if (yield* attempt(random, () => barrier.wait())) passed++;
    });
    yield* disturb(random, waiters);
  });
  check(passed % size === 0, `${passed} tasks have passed a barrier for ${size}`);
}

// ---- broadcast ----

/** A subscriber, the first item that it may receive, and the items that it received. */
interface Subscriber {
  readonly subscription: Subscription<number>;
  readonly from: number;
  readonly received: number[];
}

function* receive(random: Random, { subscription, received }: Subscriber): Operation<void> {
  yield* work(random, 10, function* () {
    const { done, value } = yield* subscription.next();
    if (!done) received.push(value);
  });
}

function* broadcasts(world: World): Operation<void> {
  const random = new Random(world);
  const capacity = random.integer(1, 3);
  const channel = new Broadcast<number>({ capacity, slow: 'wait' }, 'news');
  const subscribers: Subscriber[] = [];
  let last = 0;
  const publish = function* (): Operation<void> {
    // There is one sender, so the numbers are in the order of sending.
    yield* channel.send(last + 1);
    last++;
  };
  yield* group(function* (tasks): Operation<void> {
    const receivers: Task<unknown>[] = [];
    const publisher = tasks.spawn(() => work(random, 12, publish));
    for (let i = random.integer(1, 4); i > 0; i--) {
      if (random.happens(0.5)) yield* sleep(random.integer(0, 2));
      const subscription = channel.subscribe();
      const subscriber = { subscription, from: channel.stats().sent + 1, received: [] };
      subscribers.push(subscriber);
      receivers.push(tasks.spawn(() => receive(random, subscriber)));
    }
    yield* disturb(random, random.happens(0.3) ? [...receivers, publisher] : receivers);
    // Subscriptions without a receiver would block the publisher.
    for (const { subscription } of subscribers) if (random.happens(0.2)) subscription.close();
  });
  const open = subscribers.filter(({ subscription }) => !subscription.stats().closed);
  channel.close();
  for (const subscriber of subscribers) yield* receiveRest(subscriber);
  for (const subscriber of open) {
    const missed = channel.stats().sent - subscriber.from + 1 - subscriber.received.length;
    check(missed === 0, `${missed} items were not received`);
  }
  check(last === channel.stats().sent, `${last} of ${channel.stats().sent} sends returned`);
}

function* receiveRest({ subscription, from, received }: Subscriber): Operation<void> {
  for (;;) {
    const { done, value } = yield* subscription.next();
    if (done) break;
    received.push(value);
  }
  for (const [i, item] of received.entries()) {
    check(item === from + i, `Received ${received.join(' ')}, expected numbers from ${from}`);
  }
}

export const channels: Campaign = {
  name: 'channels',
  shows: 'channels and select: each sent item is received once, under cancellation',
  scenario: channelsAndSelect,
  options: {},
};

export const locks: Campaign = {
  name: 'locks',
  shows: 'locks and semaphores: permits are not lost and not exceeded, under cancellation',
  scenario: permits,
  options: {},
};

export const conditions: Campaign = {
  name: 'conditions',
  shows: 'a bounded buffer of conditions keeps its order and limit, under cancellation',
  scenario: boundedBuffer,
  options: {},
};

export const barrierRounds: Campaign = {
  name: 'barriers',
  shows: 'a barrier passes only full rounds, under cancellation',
  scenario: barriers,
  options: {},
};

export const broadcast: Campaign = {
  name: 'broadcast',
  shows: 'every subscription receives every item once and in order, under cancellation',
  scenario: broadcasts,
  options: {},
};
