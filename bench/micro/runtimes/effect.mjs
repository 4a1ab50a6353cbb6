// The micro-benchmarks in Effect 4: Effect.gen and Effect.fnUntraced (which its documentation
// recommends for hot paths), forkChild, Queue, its default scheduler.

import { Effect, Fiber, Queue } from 'effect';
import { Lap, Once, same } from '../clock.mjs';
import { BATCH, fan, HOUR_MS } from '../sizes.mjs';

const empty = Effect.gen(function* () {});

const switching = Effect.fnUntraced(function* (depth, count, lap) {
  if (depth > 1) return yield* switching(depth - 1, count, lap);
  yield* Effect.yieldNow;
  lap.begin();
  for (let i = 0; i < count; i++) yield* Effect.yieldNow;
  lap.end();
});

function switches({ tasks, depth }) {
  return async (n) => {
    const lap = new Lap();
    const task = switching(depth, n / tasks, lap);
    const all = Array.from({ length: tasks }, () => task);
    await Effect.runPromise(Effect.all(all, { concurrency: 'unbounded', discard: true }));
    return lap.ns;
  };
}

function timed(body) {
  return async (n) => {
    const lap = new Lap();
    const program = Effect.gen(function* () {
      lap.begin();
      yield* body(n);
      lap.end();
    });
    await Effect.runPromise(program);
    return lap.ns;
  };
}

const spawnAndFinish = Effect.fnUntraced(function* (n) {
  for (let left = n; left > 0; left -= BATCH) {
    const fibers = [];
    for (let i = 0; i < BATCH; i++) fibers.push(yield* Effect.forkChild(empty));
    yield* Fiber.joinAll(fibers);
  }
});

const spawnAndJoin = Effect.fnUntraced(function* (n) {
  for (let i = 0; i < n; i++) {
    const fiber = yield* Effect.forkChild(empty);
    yield* Fiber.join(fiber);
  }
});

// The documentation recommends this over forking; it starts each fiber at once.
const allOfBatch = Effect.fnUntraced(function* (n) {
  const members = Array.from({ length: BATCH }, () => empty);
  for (let left = n; left > 0; left -= BATCH) {
    yield* Effect.all(members, { concurrency: 'unbounded', discard: true });
  }
});

function channels({ capacity }) {
  return timed(
    Effect.fnUntraced(function* (n) {
      const queue = yield* capacity === undefined ? Queue.unbounded() : Queue.bounded(capacity);
      const sending = Effect.gen(function* () {
        for (let i = 0; i < n; i++) yield* Queue.offer(queue, i);
      });
      const receiving = Effect.gen(function* () {
        for (let i = 0; i < n; i++) same(yield* Queue.take(queue), i);
      });
      yield* Effect.all([sending, receiving], { concurrency: 'unbounded', discard: true });
    }),
  );
}

const timeouts = Effect.fnUntraced(function* (n) {
  for (let i = 0; i < n; i++) yield* Effect.timeout(empty, HOUR_MS);
});

const scopes = Effect.fnUntraced(function* (n) {
  for (let i = 0; i < n; i++) yield* Effect.scoped(empty);
});

function cancels() {
  return async (n) => {
    const lap = new Lap();
    let started = 0;
    let unwound = 0;
    const waiting = Effect.gen(function* () {
      started++;
      yield* Effect.never;
    }).pipe(Effect.ensuring(Effect.sync(() => unwound++)));
    const batch = Effect.gen(function* () {
      const fibers = [];
      const expected = started + BATCH;
      for (let i = 0; i < BATCH; i++) fibers.push(yield* Effect.forkChild(waiting));
      while (started < expected) yield* Effect.yieldNow;
      lap.resume();
      yield* Fiber.interruptAll(fibers);
      lap.pause();
    });
    const program = Effect.gen(function* () {
      for (let left = n; left > 0; left -= BATCH) yield* batch;
    });
    await Effect.runPromise(program);
    same(unwound, n);
    return lap.ns;
  };
}

function sleepers({ tasks }) {
  return async () => {
    let started = 0;
    let unwound = 0;
    const sleeper = Effect.gen(function* () {
      started++;
      yield* Effect.sleep(HOUR_MS);
    }).pipe(Effect.ensuring(Effect.sync(() => unwound++)));
    const once = new Once(tasks);
    const program = Effect.gen(function* () {
      const fibers = [];
      for (let i = 0; i < tasks; i++) fibers.push(yield* Effect.forkChild(sleeper));
      while (started < tasks) yield* Effect.yieldNow;
      once.started();
      yield* Fiber.interruptAll(fibers);
    });
    await Effect.runPromise(program);
    once.cancelled(unwound);
    return once.figures;
  };
}

function trees({ tasks }) {
  return async () => {
    let started = 0;
    let unwound = 0;
    const body = Effect.fnUntraced(function* (size) {
      started++;
      for (const part of fan(size - 1)) yield* Effect.forkChild(node(part));
      yield* Effect.never;
    });
    const node = (size) =>
      Effect.ensuring(
        body(size),
        Effect.sync(() => unwound++),
      );
    const once = new Once(tasks);
    const program = Effect.gen(function* () {
      const root = yield* Effect.forkChild(node(tasks));
      while (started < tasks) yield* Effect.yieldNow;
      once.started();
      yield* Fiber.interrupt(root);
    });
    await Effect.runPromise(program);
    once.cancelled(unwound);
    return once.figures;
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
