import { expect, test } from 'vitest';
import { codeThrownBy, thrownBy } from '../../../test/support/kernel/operations.ts';
import { play, playGroup, VirtualHost } from '../../../test/support/kernel/virtual-host.ts';
import { currentTask, now } from '../current.ts';
import type { TaskCancelledError } from '../errors.ts';
import type { Operation } from '../operation.ts';
import { isCancelled } from '../scope/cancelled.ts';
import { moveOnAfter } from '../scope/with-scope.ts';
import { sleep, sleepForever } from '../waits.ts';
import { group } from './group.ts';
import type { Task } from './task.ts';

test('join waits for the end of the task and returns its result', () => {
  const seen = playGroup(function* (g) {
    const task = g.spawn(function* () {
      yield* sleep(10);
      return 'value';
    });
    return [yield* task.join(), now()];
  });
  expect(seen).toEqual(['value', 10]);
});

test('join of an ended task returns the result at once, any number of times', () => {
  const seen = playGroup(function* (g) {
    const task = g.spawn(function* () {
      return 'value';
    });
    yield* sleep(5);
    return [yield* task.join(), yield* task.join(), now()];
  });
  expect(seen).toEqual(['value', 'value', 5]);
});

test('the end of a task wakes all joining tasks in FIFO order', () => {
  const log: number[] = [];
  playGroup(function* (g) {
    const task = g.spawn(() => sleep(10));
    for (let i = 0; i < 4; i++) {
      g.spawn(function* () {
        yield* task.join();
        log.push(i);
      });
    }
  });
  expect(log).toEqual([0, 1, 2, 3]);
});

test('join throws the error object of the task', () => {
  const boom = new Error('boom');
  const seen: unknown[] = [];
  play(function* () {
    try {
      yield* group(function* (g) {
        const task = g.spawn(function* (): Operation<void> {
          yield* sleep(1);
          throw boom;
        });
        yield* sleep(0);
        try {
          yield* task.join();
        } catch (error) {
          seen.push(error);
        }
      });
    } catch (error) {
      seen.push((error as AggregateError).errors[0]);
    }
  });
  expect(seen.at(-1)).toBe(boom);
});

test('join throws the error of a task in another group', () => {
  const boom = new Error('boom');
  let seen: unknown;
  playGroup(function* (outer) {
    let failing: Task<unknown> | undefined;
    outer.spawn(function* () {
      yield* sleep(1);
      try {
        yield* (failing as Task<unknown>).join();
      } catch (error) {
        seen = error;
      }
    });
    try {
      yield* group(function* (inner) {
        failing = inner.spawn(function* (): Operation<void> {
          yield* sleep(5);
          throw boom;
        });
      });
    } catch {
      yield* sleep(1);
    }
  });
  expect(seen).toBe(boom);
});

test('join of a cancelled task throws ERR_TASK_CANCELLED', () => {
  playGroup(function* (g) {
    const task = g.spawn(() => sleepForever(), { name: 'victim' });
    yield;
    task.cancel('why');
    const error = yield* thrownBy(task.join());
    expect(isCancelled(error)).toBe(false);
    expect((error as TaskCancelledError).code).toBe('ERR_TASK_CANCELLED');
    expect((error as Error).message).toMatch(/victim/);
  });
});

test('cancelling a join does not cancel the joined task', () => {
  const seen = playGroup(function* (g) {
    const task = g.spawn(function* () {
      yield* sleep(50);
      return 'value';
    });
    const first = yield* moveOnAfter(10, task.join());
    return [first, task.state, yield* task.join()];
  });
  expect(seen).toEqual([undefined, 'waiting', 'value']);
});

test('a task that joins itself gets ERR_JOIN_CYCLE', () => {
  expect(play(() => codeThrownBy(currentTask().join()))).toBe('ERR_JOIN_CYCLE');
});

test('a task that joins an ancestor gets ERR_JOIN_CYCLE', () => {
  const codes = play(function* () {
    const main = currentTask();
    return yield* group(function* (g) {
      const child: Task<unknown[]> = g.spawn(() =>
        group(function* (inner) {
          const seen: unknown[] = [];
          yield* inner
            .spawn(function* () {
              seen.push(yield* codeThrownBy(main.join()), yield* codeThrownBy(child.join()));
            })
            .join();
          return seen;
        }),
      );
      return yield* child.join();
    });
  });
  expect(codes).toEqual(['ERR_JOIN_CYCLE', 'ERR_JOIN_CYCLE']);
});

test('waitingOn of a joining task names the joined task', () => {
  playGroup(function* (g) {
    const writer = g.spawn(() => sleep(5), { name: 'writer' });
    const joiner = g.spawn(() => writer.join());
    yield;
    yield;
    expect(joiner.waitingOn).toBe(`join of task ${writer.id} 'writer'`);
  });
});

test('the body of a group can join its children', () => {
  const sum = playGroup(function* (g) {
    const tasks = [1, 2, 3].map((n) =>
      g.spawn(function* () {
        yield* sleep(10 - n);
        return n;
      }),
    );
    let total = 0;
    for (const task of tasks) total += yield* task.join();
    return total;
  });
  expect(sum).toBe(6);
});

test('a task does not keep joins that were cancelled', () => {
  const host = new VirtualHost();
  host.playGroup(function* (g) {
    const task = g.spawn(() => sleep(1000));
    for (let i = 0; i < 100; i++) yield* moveOnAfter(1, task.join());
    const record = task as unknown as { joiners: { size: number } };
    expect(record.joiners.size).toBe(0);
  });
});
