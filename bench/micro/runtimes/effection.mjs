// The micro-benchmarks in effection 4: spawn, channels, race, scoped, suspend. It has no operation
// that only yields. The benchmark uses an operation that is resolved at once, which passes through
// the scheduler without a timer of the host.

import {
  all,
  createChannel,
  lift,
  race,
  run,
  scoped,
  sleep,
  spawn,
  suspend,
  withResolvers,
} from 'effection';
import { Lap, Once, same } from '../clock.mjs';
import { BATCH, fan, HOUR_MS } from '../sizes.mjs';

const empty = function* () {};
const tick = lift(() => {});

function* switching(depth, count, lap) {
  if (depth > 1) return yield* switching(depth - 1, count, lap);
  yield* tick();
  lap.begin();
  for (let i = 0; i < count; i++) yield* tick();
  lap.end();
}

function* joinAll(tasks) {
  for (const task of tasks) yield* task;
}

function switches({ tasks, depth }) {
  return async (n) => {
    const lap = new Lap();
    await run(function* () {
      const members = [];
      for (let i = 0; i < tasks; i++) {
        members.push(yield* spawn(() => switching(depth, n / tasks, lap)));
      }
      yield* joinAll(members);
    });
    return lap.ns;
  };
}

function timed(body) {
  return async (n) => {
    const lap = new Lap();
    await run(function* () {
      lap.begin();
      yield* body(n);
      lap.end();
    });
    return lap.ns;
  };
}

function* spawnAndFinish(n) {
  for (let left = n; left > 0; left -= BATCH) {
    const tasks = [];
    for (let i = 0; i < BATCH; i++) tasks.push(yield* spawn(empty));
    yield* joinAll(tasks);
  }
}

function* spawnAndJoin(n) {
  for (let i = 0; i < n; i++) {
    const task = yield* spawn(empty);
    yield* task;
  }
}

function* allOfBatch(n) {
  const members = Array.from({ length: BATCH }, () => empty);
  for (let left = n; left > 0; left -= BATCH) yield* all(members.map((member) => member()));
}

/** Its channels are unbounded, so it has only that case. */
function channels() {
  return timed(function* (n) {
    const channel = createChannel();
    const subscribed = withResolvers();
    const receiving = yield* spawn(function* () {
      const items = yield* channel;
      subscribed.resolve();
      for (let i = 0; i < n; i++) same((yield* items.next()).value, i);
    });
    yield* subscribed.operation;
    const sending = yield* spawn(function* () {
      for (let i = 0; i < n; i++) yield* channel.send(i);
    });
    yield* joinAll([sending, receiving]);
  });
}

function* limit(ms) {
  yield* sleep(ms);
  throw new Error('timeout');
}

/** A timeout as in the documentation: a race against a sleep. */
function* timeouts(n) {
  for (let i = 0; i < n; i++) yield* race([empty(), limit(HOUR_MS)]);
}

function* scopes(n) {
  for (let i = 0; i < n; i++) yield* scoped(empty);
}

/**
 * Counts tasks that start and unwind. Waiting for all to start must not poll: a parent that is
 * ready runs before its children.
 */
class Census {
  #left;
  #all = withResolvers();
  unwound = 0;

  constructor(tasks) {
    this.#left = tasks;
  }

  /** Runs `waiting` as a counted task. */
  *task(waiting) {
    if (--this.#left === 0) this.#all.resolve();
    try {
      yield* waiting;
    } finally {
      this.unwound++;
    }
  }

  allStarted() {
    return this.#all.operation;
  }
}

function cancels() {
  return async (n) => {
    const lap = new Lap();
    function* batch() {
      const census = new Census(BATCH);
      const tasks = [];
      for (let i = 0; i < BATCH; i++) tasks.push(yield* spawn(() => census.task(suspend())));
      yield* census.allStarted();
      lap.resume();
      for (const task of tasks) yield* task.halt();
      lap.pause();
      same(census.unwound, BATCH);
    }
    await run(function* () {
      for (let left = n; left > 0; left -= BATCH) yield* batch();
    });
    return lap.ns;
  };
}

/** Runs `root` and halts it when all its tasks wait. */
async function startAndHalt(tasks, census, root) {
  const once = new Once(tasks);
  await run(function* () {
    const task = yield* spawn(root);
    yield* census.allStarted();
    once.started();
    yield* task.halt();
  });
  once.cancelled(census.unwound);
  return once.figures;
}

function sleepers({ tasks }) {
  return () => {
    const census = new Census(tasks);
    const sleeper = () => census.task(sleep(HOUR_MS));
    return startAndHalt(tasks, census, function* () {
      for (let i = 0; i < tasks; i++) yield* spawn(sleeper);
      yield* suspend();
    });
  };
}

function trees({ tasks }) {
  return () => {
    const census = new Census(tasks);
    const node = (size) => census.task(branch(size));
    function* branch(size) {
      for (const part of fan(size - 1)) yield* spawn(() => node(part));
      yield* suspend();
    }
    return startAndHalt(tasks, census, () => node(tasks));
  };
}

export const cases = {
  switch: switches,
  'spawn-finish': () => timed(spawnAndFinish),
  'spawn-join': () => timed(spawnAndJoin),
  all: () => timed(allOfBatch),
  channel: channels,
  timeout: () => timed(timeouts),
  scope: () => timed(scopes),
  sleepers,
  cancel: cancels,
  tree: trees,
};
