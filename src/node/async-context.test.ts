/** AsyncLocalStorage that is set around `run` and `spawn`, as tasks see it. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { expect, test } from 'vitest';
import type { Operation } from '../kernel/operation.ts';
import { Parking } from '../kernel/parking.ts';
import { group } from '../kernel/task/group.ts';
import { park, sleep } from '../kernel/waits.ts';
import { run } from './run.ts';

const storage = new AsyncLocalStorage<string>();

test('a value that is set around run is visible after every wait', async () => {
  const seen = await storage.run('caller', () =>
    run(function* () {
      const before = storage.getStore();
      yield* sleep(1);
      return [before, storage.getStore()];
    }),
  );
  expect(seen).toEqual(['caller', 'caller']);
});

test('a task does not run in the context of the code that wakes it', async () => {
  const parking = new Parking();
  setTimeout(() => storage.run('stranger', () => parking.wake()), 1);
  const seen = await storage.run('caller', () =>
    run(function* () {
      const timer = setTimeout(() => {}, 100);
      yield* park(parking);
      clearTimeout(timer);
      return storage.getStore();
    }),
  );
  expect(seen).toBe('caller');
});

test('a value that is set around spawn is visible only in the task and its children', async () => {
  const seen: (string | undefined)[] = [];
  function* look(): Operation<void> {
    yield* sleep(1);
    seen.push(storage.getStore());
  }
  function* lookAndSpawn(): Operation<void> {
    yield* look();
    yield* group(function* (tasks) {
      tasks.spawn(look);
    });
  }
  await run(() =>
    group(function* (tasks) {
      storage.run('set', () => tasks.spawn(lookAndSpawn));
      yield* sleep(10);
      tasks.spawn(look);
    }),
  );
  expect(seen).toEqual(['set', 'set', undefined]);
});

test('a storage that is first used late in a run with many tasks is detected soon', async () => {
  const late = new AsyncLocalStorage<number>();
  const seen: (number | undefined)[] = [];
  function* look(): Operation<void> {
    yield;
    seen.push(late.getStore());
  }
  await run(() =>
    group(function* (tasks) {
      for (let i = 0; i < 1000; i++) tasks.spawn(function* () {});
      for (let i = 0; i < 40; i++) late.run(i, () => tasks.spawn(look));
    }),
  );
  expect(seen.slice(-20)).toEqual(Array.from({ length: 20 }, (_, i) => i + 20));
});
