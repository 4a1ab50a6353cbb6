// The micro-benchmarks in Coronet, from dist/ or from another build's dist/index.js (argv[4]).
//
// Each entry takes its parameters and returns a function. It takes a number of operations and
// returns their duration in ns; for a case that runs once it takes nothing and returns the
// measurements (see clock.mjs).

import { pathToFileURL } from 'node:url';
import { Lap, Once, same } from '../clock.mjs';
import { BATCH, fan, HOUR_MS } from '../sizes.mjs';

const [, , , , given] = process.argv;
const entry = given ? pathToFileURL(given) : new URL('../../../dist/index.js', import.meta.url);
const coronet = await import(entry.href);
const { all, Channel, group, run, scope, sleep, sleepForever, timeout } = coronet;

const empty = function* () {};

/** Yields `count` times from `depth` nested `yield*`; the first one lets all others start. */
function* switching(depth, count, lap) {
  if (depth > 1) return yield* switching(depth - 1, count, lap);
  yield;
  lap.begin();
  for (let i = 0; i < count; i++) yield;
  lap.end();
}

function switches({ tasks, depth }) {
  return async (n) => {
    const lap = new Lap();
    await run(() =>
      group(function* (members) {
        for (let i = 0; i < tasks; i++) members.spawn(switching(depth, n / tasks, lap));
      }),
    );
    return lap.ns;
  };
}

/** `body(n)` as the only task, timed from its first step to its last. */
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
    yield* group(function* (members) {
      for (let i = 0; i < BATCH; i++) members.spawn(empty);
    });
  }
}

function* spawnAndJoin(n) {
  yield* group(function* (members) {
    for (let i = 0; i < n; i++) yield* members.spawn(empty).join();
  });
}

function* allOfBatch(n) {
  const members = Array.from({ length: BATCH }, () => empty);
  for (let left = n; left > 0; left -= BATCH) yield* all(members.map((member) => member()));
}

function* sendAll(channel, n) {
  for (let i = 0; i < n; i++) yield* channel.send(i);
}

function* receiveAll(channel, n) {
  for (let i = 0; i < n; i++) same(yield* channel.receive(), i);
}

function channels({ capacity }) {
  return timed(function* (n) {
    const channel = new Channel(capacity ?? Infinity);
    yield* group(function* (members) {
      members.spawn(sendAll(channel, n));
      members.spawn(receiveAll(channel, n));
    });
  });
}

function* timeouts(n) {
  for (let i = 0; i < n; i++) yield* timeout(HOUR_MS, empty);
}

function* scopes(n) {
  for (let i = 0; i < n; i++) yield* scope(empty);
}

function cancels() {
  return async (n) => {
    const lap = new Lap();
    let unwound = 0;
    function* waiting() {
      try {
        yield* sleepForever();
      } finally {
        unwound++;
      }
    }
    function* batch(members) {
      const tasks = Array.from({ length: BATCH }, () => members.spawn(waiting));
      yield;
      lap.resume();
      for (const task of tasks) task.cancel();
    }
    await run(function* () {
      for (let left = n; left > 0; left -= BATCH) {
        yield* group(batch);
        lap.pause();
      }
    });
    same(unwound, n);
    return lap.ns;
  };
}

function sleepers({ tasks }) {
  return async () => {
    let unwound = 0;
    function* sleeper() {
      try {
        yield* sleep(HOUR_MS);
      } finally {
        unwound++;
      }
    }
    const once = new Once(tasks);
    await run(() =>
      group(function* (members) {
        for (let i = 0; i < tasks; i++) members.spawn(sleeper);
        yield;
        once.started();
        members.cancel();
      }),
    );
    once.cancelled(unwound);
    return once.figures;
  };
}

function trees({ tasks }) {
  return async () => {
    let started = 0;
    let unwound = 0;
    function* node(size) {
      started++;
      try {
        yield* group(function* (members) {
          for (const part of fan(size - 1)) members.spawn(node(part));
          yield* sleepForever();
        });
      } finally {
        unwound++;
      }
    }
    const once = new Once(tasks);
    await run(() =>
      group(function* (members) {
        const root = members.spawn(node(tasks));
        while (started < tasks) yield;
        once.started();
        root.cancel();
      }),
    );
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
