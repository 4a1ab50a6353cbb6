import { expect, test } from 'vitest';
import { warningsOf } from '../../test/support/warnings.ts';
import type { RunOptions } from '../node/run.ts';
import { run } from '../node/run.ts';
import { debug } from './debug.ts';
import type { Operation, OperationSource } from './operation.ts';
import { group } from './task/group.ts';
import type { TaskImpl } from './task/task.ts';
import { sleep, sleepForever } from './waits.ts';

/** Runs `op` in debug mode. Returns its error and the process warnings. */
async function inDebug(
  op: OperationSource<unknown>,
  options: RunOptions = {},
): Promise<{ readonly error: unknown; readonly warnings: readonly Error[] }> {
  let error: unknown;
  const warnings = await warningsOf(() =>
    run(op, { debug: true, ...options }).catch((thrown) => {
      error = thrown;
    }),
  );
  return { error, warnings };
}

function codes(warnings: readonly Error[]): unknown[] {
  return warnings.map((warning) => (warning as { code?: unknown }).code);
}

test('debug mode reports the task of a step that holds the thread', async () => {
  const { warnings } = await inDebug(
    function* () {
      yield* sleep(0);
      const until = performance.now() + 60;
      while (performance.now() < until);
      yield* sleep(0);
    },
    { name: 'parser' },
  );
  expect(codes(warnings)).toContain('ERR_LONG_STEP');
  expect(String(warnings)).toMatch(/'parser' held the thread for \d+ ms/);
});

test('in debug mode an error contains its tasks and their source lines', async () => {
  function* failing(): Operation<void> {
    yield* sleep(0);
    throw new Error('broken');
  }
  const { error } = await inDebug(
    () =>
      group(function* (tasks) {
        tasks.spawn(failing, { name: 'worker' });
      }),
    { name: 'program' },
  );
  const [inner] = (error as AggregateError).errors as (Error & { tasks: string[] })[];
  expect(inner?.tasks).toEqual(['worker', 'program']);
  expect(inner?.stack).toMatch(/in task 'worker', spawned at .*debug\.test\.ts/);
  expect(inner?.stack).toMatch(/last suspended at failing .*debug\.test\.ts/);
});

test('without debug mode an error contains the task names but no source lines', async () => {
  const failure = await run(
    function* (): Operation<void> {
      throw new Error('broken');
    },
    { name: 'program', debug: false },
  ).catch((error: Error & { tasks: string[] }) => error);
  expect(failure?.tasks).toEqual(['program']);
  expect(failure?.stack).not.toContain('in task');
});

test('in debug mode a task has the lines at which it was spawned and suspended', async () => {
  function* waiter(): Operation<void> {
    yield* sleepForever();
  }
  const seen: (string | undefined)[] = [];
  await inDebug(() =>
    group(function* (tasks) {
      const task = tasks.spawn(waiter) as TaskImpl<void>;
      yield* sleep(0);
      seen.push(task.spawnedAt, task.suspendedAt);
      tasks.cancel();
    }),
  );
  expect(seen[0]).toMatch(/debug\.test\.ts/);
  expect(seen[1]).toMatch(/^waiter .*debug\.test\.ts/);
});

test('debug mode ends with the last run that enabled it', async () => {
  const before = debug.tracker;
  await Promise.all([inDebug(() => sleep(1)), inDebug(() => sleep(5))]);
  expect(debug.tracker).toBe(before);
});
