/** Channels, locks, semaphores, broadcasts under cancellation: nothing is lost, nothing twice. */
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
import { Chance, must } from './support.ts';

/** Cancels some of `tasks` while they are at work, and waits until all have ended. */
function* disturb(chance: Chance, tasks: readonly Task<unknown>[]): Operation<void> {
  for (const task of tasks) {
    if (chance.strikes(0.5)) yield* sleep(chance.integer(0, 3));
    if (chance.strikes(0.4)) task.cancel('disturbed');
  }
}

/** Attempts something within a short time, or at once. True: it happened. */
function* attempt(chance: Chance, op: () => Operation<unknown>): Operation<boolean> {
  const happened = yield* moveOnAfter(chance.integer(0, 3), function* (): Operation<true> {
    yield* op();
    return true;
  });
  return happened ?? false;
}

function* work(chance: Chance, rounds: number, op: () => Operation<unknown>): Operation<void> {
  for (let i = 0; i < rounds; i++) {
    yield* attempt(chance, op);
    const pauseMs = chance.integer(-3, 2);
    if (pauseMs >= 0) yield* sleep(pauseMs);
    else if (pauseMs === -1) yield;
  }
}

function spawnAll(tasks: Group, count: number, op: () => Operation<unknown>): Task<unknown>[] {
  return Array.from({ length: count }, () => tasks.spawn(op));
}

// ---- channels and select ----

/** What was given to channels, and what came out. */
class Ledger {
  readonly channels: readonly Channel<number>[];
  readonly sent: Set<number> = new Set();
  readonly received: Set<number> = new Set();
  #last = 0;

  constructor(chance: Chance) {
    const capacities = [0, chance.integer(0, 1), chance.integer(0, 3)];
    this.channels = capacities.map((capacity, i) => new Channel(capacity, `channel ${i}`));
  }

  next(): number {
    return ++this.#last;
  }

  take(item: number): void {
    must(!this.received.has(item), `Item ${item} was received twice`);
    this.received.add(item);
  }
}

function* deal(chance: Chance, ledger: Ledger): Operation<void> {
  const one = chance.pick(ledger.channels);
  const other = chance.pick(ledger.channels);
  const item = ledger.next();
  switch (chance.integer(0, 4)) {
    case 0:
      yield* one.send(item);
      ledger.sent.add(item);
      return;
    case 1:
      return ledger.take(yield* one.receive());
    case 2:
      if (one.trySend(item)) ledger.sent.add(item);
      return;
    case 3: {
      const got = one.tryReceive();
      if (got !== undefined) ledger.take(got);
      return;
    }
    default:
      return yield* choose(chance, ledger, { one, other, item });
  }
}

interface Choice {
  readonly one: Channel<number>;
  readonly other: Channel<number>;
  readonly item: number;
}

function* choose(chance: Chance, ledger: Ledger, { one, other, item }: Choice): Operation<void> {
  const late = chance.integer(0, 2);
  const arms = { out: one.send(item), in: other.receive(), late: sleep(late) };
  const { key, value } = yield* select(arms);
  if (key === 'out') ledger.sent.add(item);
  else if (key === 'in') ledger.take(value);
}

function* channelsAndSelect(world: World): Operation<void> {
  const chance = new Chance(world);
  const ledger = new Ledger(chance);
  yield* group(function* (tasks): Operation<void> {
    const workers = spawnAll(tasks, chance.integer(2, 6), () =>
      work(chance, 8, () => deal(chance, ledger)),
    );
    yield* disturb(chance, workers);
  });
  for (const channel of ledger.channels) {
    const { senders, receivers } = channel.stats();
    must(senders === 0 && receivers === 0, 'Somebody still stands in line');
    for (let item = channel.tryReceive(); item !== undefined; item = channel.tryReceive()) {
      ledger.take(item);
    }
  }
  const lost = [...ledger.sent].filter((item) => !ledger.received.has(item));
  const invented = [...ledger.received].filter((item) => !ledger.sent.has(item));
  must(lost.length === 0, `Sent, and never received: ${lost.join(', ')}`);
  must(invented.length === 0, `Received, although the send did not happen: ${invented.join(', ')}`);
}

// ---- locks, semaphores, conditions, barriers ----

/** Counts who is inside. */
class Room {
  inside = 0;

  *stay(chance: Chance): Operation<void> {
    this.inside++;
    try {
      if (chance.strikes(0.7)) yield* sleep(chance.integer(0, 2));
    } finally {
      this.inside--;
    }
  }
}

function* permits(world: World): Operation<void> {
  const chance = new Chance(world);
  const lock = new Lock('lock');
  const slots = new Semaphore(chance.integer(1, 3), 'slots');
  const locked = new Room();
  const shared = new Room();
  world.always('one at a time holds the lock', () => locked.inside <= 1);
  world.always('no more hold permits than there are', () => shared.inside <= 3);
  const use = function* (): Operation<void> {
    if (chance.strikes(0.4)) yield* slots.with(() => shared.stay(chance));
    else if (chance.strikes(0.6)) yield* lock.with(() => locked.stay(chance));
    else yield* lock.with(() => slots.with(() => shared.stay(chance)));
  };
  yield* group(function* (tasks): Operation<void> {
    const workers = spawnAll(tasks, chance.integer(2, 6), () => work(chance, 6, use));
    yield* disturb(chance, workers);
    if (chance.strikes(0.5)) slots.resize(chance.integer(1, 3));
  });
  must(lock.stats().waiters === 0 && slots.stats().waiters === 0, 'Somebody still waits');
  must(slots.available === slots.permits, 'A permit was lost');
  yield* lock.with(sleep(0));
  for (let i = slots.permits; i > 0; i--) yield* slots.acquire();
  for (let i = slots.permits; i > 0; i--) slots.release();
}

/** A queue made of a lock and two conditions: the textbook's, under cancellation. */
function* boundedBuffer(world: World): Operation<void> {
  const chance = new Chance(world);
  const lock = new Lock('buffer');
  const notEmpty = new Condition(lock, 'not empty');
  const notFull = new Condition(lock, 'not full');
  const buffer: number[] = [];
  let put = 0;
  let taken = 0;
  world.always('the buffer keeps its bound', () => buffer.length <= 2);
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
      must((buffer.shift() as number) === ++taken, 'The order has changed');
      notFull.notify();
    });
  };
  yield* group(function* (tasks): Operation<void> {
    const producers = spawnAll(tasks, 3, () => work(chance, 6, produce));
    const consumers = spawnAll(tasks, 3, () => work(chance, 6, consume));
    yield* disturb(chance, [...producers, ...consumers]);
  });
  must(put === taken + buffer.length, `${put} were put in, ${taken} came out`);
  // A notification that a cancelled task has swallowed would leave this one waiting.
  while (taken < put) yield* consume();
  yield* produce();
}

function* barriers(world: World): Operation<void> {
  const chance = new Chance(world);
  const size = chance.integer(2, 4);
  const barrier = new Barrier(size, 'barrier');
  let passed = 0;
  yield* group(function* (tasks): Operation<void> {
    const comers = spawnAll(tasks, chance.integer(1, 9), function* () {
      yield* sleep(chance.integer(0, 3));
      if (yield* attempt(chance, () => barrier.wait())) passed++;
    });
    yield* disturb(chance, comers);
  });
  must(passed % size === 0, `${passed} have passed a barrier for ${size}`);
}

// ---- broadcast ----

/** A subscriber, the first item that it may see, and what it saw. */
interface Seat {
  readonly subscription: Subscription<number>;
  readonly from: number;
  readonly seen: number[];
}

function* watch(chance: Chance, { subscription, seen }: Seat): Operation<void> {
  yield* work(chance, 10, function* () {
    const { done, value } = yield* subscription.next();
    if (!done) seen.push(value);
  });
}

function* broadcasts(world: World): Operation<void> {
  const chance = new Chance(world);
  const capacity = chance.integer(1, 3);
  const news = new Broadcast<number>({ capacity, slow: 'wait' }, 'news');
  const seats: Seat[] = [];
  let last = 0;
  const tell = function* (): Operation<void> {
    // Numbered in the order of sending: a single sender.
    yield* news.send(last + 1);
    last++;
  };
  yield* group(function* (tasks): Operation<void> {
    const watchers: Task<unknown>[] = [];
    const teller = tasks.spawn(() => work(chance, 12, tell));
    for (let i = chance.integer(1, 4); i > 0; i--) {
      if (chance.strikes(0.5)) yield* sleep(chance.integer(0, 2));
      const seat: Seat = { subscription: news.subscribe(), from: news.stats().sent + 1, seen: [] };
      seats.push(seat);
      watchers.push(tasks.spawn(() => watch(chance, seat)));
    }
    yield* disturb(chance, chance.strikes(0.3) ? [...watchers, teller] : watchers);
    // Seats whose watcher was cancelled would hold the teller up.
    for (const { subscription } of seats) if (chance.strikes(0.2)) subscription.close();
  });
  const open = seats.filter(({ subscription }) => !subscription.stats().closed);
  news.close();
  for (const seat of seats) yield* emptyOut(seat);
  for (const seat of open) {
    const missed = news.stats().sent - seat.from + 1 - seat.seen.length;
    must(missed === 0, `${missed} items were not seen`);
  }
  must(last === news.stats().sent, `${last} sends returned, ${news.stats().sent} happened`);
}

function* emptyOut({ subscription, from, seen }: Seat): Operation<void> {
  for (;;) {
    const { done, value } = yield* subscription.next();
    if (done) break;
    seen.push(value);
  }
  for (const [i, item] of seen.entries()) {
    must(item === from + i, `Seen ${seen.join(' ')}, expected numbers from ${from}`);
  }
}

export const channels: Campaign = {
  name: 'channels',
  shows: 'channels and select: what was sent is received once, under cancellation',
  scenario: channelsAndSelect,
  options: {},
};

export const locks: Campaign = {
  name: 'locks',
  shows: 'locks and semaphores: no permit is lost or held by too many, under cancellation',
  scenario: permits,
  options: {},
};

export const conditions: Campaign = {
  name: 'conditions',
  shows: 'a bounded buffer of conditions keeps order and bound, under cancellation',
  scenario: boundedBuffer,
  options: {},
};

export const barrierRounds: Campaign = {
  name: 'barriers',
  shows: 'a barrier lets pass full rounds only, under cancellation',
  scenario: barriers,
  options: {},
};

export const broadcast: Campaign = {
  name: 'broadcast',
  shows: 'every subscription gets every item once and in order, under cancellation',
  scenario: broadcasts,
  options: {},
};
