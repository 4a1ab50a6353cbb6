import { expect, test } from 'vitest';
import { failureOf, playGroup, VirtualHost } from '../../test/support/kernel/virtual-host.ts';
import { now } from './current.ts';
import { DeadlockError, GroupError } from './errors.ts';
import type { Operation } from './operation.ts';
import { Parking } from './parking.ts';
import { isCancelled } from './scope/cancelled.ts';
import { shield } from './scope/shield.ts';
import type { Group } from './task/group.ts';
import { group } from './task/group.ts';
import type { Task } from './task/task.ts';
import { park, sleep, sleepForever } from './waits.ts';

/** A ring of tasks, each of which joins the next one. */
function* ring(g: Group, names: readonly string[]): Operation<void> {
  const tasks: Task<unknown>[] = [];
  for (const [i, name] of names.entries()) {
    tasks.push(
      g.spawn(
        function* () {
          yield* (tasks[(i + 1) % names.length] as Task<unknown>).join();
        },
        { name },
      ),
    );
  }
}

function deadlockOf(op: () => Operation<unknown>): DeadlockError {
  const error = failureOf(op);
  expect(error).toBeInstanceOf(DeadlockError);
  return error as DeadlockError;
}

test('two tasks that join each other are a deadlock at once, even with armed timers', () => {
  const host = new VirtualHost();
  expect(() =>
    host.playGroup(function* (g) {
      yield* ring(g, ['hen', 'egg']);
      yield* sleep(1000);
    }),
  ).toThrow(expect.objectContaining({ code: 'ERR_DEADLOCK' }));
  expect(host.time).toBe(0);
});

test('the report of a deadlock names the tasks of the cycle', () => {
  const error = deadlockOf(() =>
    group(function* (g) {
      yield* ring(g, ['a', 'b', 'c']);
      yield* sleepForever();
    }),
  );
  expect(error.message).toMatch(/'a'/);
  expect(error.message).toMatch(/'b'/);
  expect(error.message).toMatch(/'c'/);
});

test('the report does not count a task that waits for a cycle as part of the cycle', () => {
  const error = deadlockOf(() =>
    group(function* (g) {
      let late: Task<unknown> | undefined;
      g.spawn(
        function* () {
          yield* (late as Task<unknown>).join();
        },
        { name: 'outsider' },
      );
      const a: Task<unknown> = g.spawn(function* () {
        yield* b.join();
      });
      const b: Task<unknown> = g.spawn(function* () {
        yield* sleep(5);
        yield* a.join();
      });
      late = a;
      yield* sleep(1000);
    }),
  );
  expect(error.message.split('\n')[0]).not.toMatch(/outsider/);
});

test('a parking with a holder can be part of a cycle', () => {
  class Held extends Parking {
    readonly #task: Task<unknown>;

    constructor(task: Task<unknown>) {
      super();
      this.#task = task;
    }

    override holder(): ReturnType<Parking['holder']> {
      return this.#task as unknown as ReturnType<Parking['holder']>;
    }
  }
  const error = deadlockOf(() =>
    group(function* (g) {
      const owner: Task<unknown> = g.spawn(function* () {
        yield* sleep(1);
        yield* waiter.join();
      });
      const waiter: Task<unknown> = g.spawn(() => park(new Held(owner)));
      yield* sleepForever();
    }),
  );
  expect(error.code).toBe('ERR_DEADLOCK');
});

test('joins without a cycle are not a deadlock', () => {
  const end = playGroup(function* (g) {
    const a = g.spawn(() => sleep(10));
    const b = g.spawn(() => a.join());
    const c = g.spawn(() => b.join());
    g.spawn(() => a.join());
    yield* c.join();
    return now();
  });
  expect(end).toBe(10);
});

test('the report of a deadlock has a line for each unfinished task', () => {
  const error = deadlockOf(() =>
    group(function* (g) {
      g.spawn(() => park(new Parking()), { name: 'stuck' });
      g.spawn(() => sleep(5), { name: 'fine' });
    }),
  );
  expect(error.tasks).toHaveLength(2);
  expect(error.tasks[0]).toMatch(/'main'/);
  expect(error.tasks[1]).toMatch(/'stuck'.*a wake-up/);
  expect(error.message).toContain(error.tasks[1]);
});

test('a deadlock cancels the main task with the report as the reason', () => {
  const reasons: unknown[] = [];
  const error = deadlockOf(() =>
    group(function* (g) {
      g.spawn(function* () {
        try {
          yield* park(new Parking());
        } catch (thrown) {
          reasons.push(isCancelled(thrown) && thrown.reason);
          throw thrown;
        } finally {
          yield* shield(sleep(5));
          reasons.push('cleaned up');
        }
      });
    }),
  );
  expect(reasons[0]).toBe(error);
  expect(reasons[1]).toBe('cleaned up');
});

test('a deadlock of two hundred thousand tasks is reported', () => {
  const error = deadlockOf(() =>
    group(function* (g) {
      for (let i = 0; i < 200_000; i++) g.spawn(() => park(new Parking()));
    }),
  );
  expect(error.tasks.length).toBeGreaterThan(0);
});

test('errors thrown during the unwinding do not replace the DeadlockError', () => {
  const host = new VirtualHost();
  let main: unknown;
  expect(() =>
    host.play(function* () {
      try {
        yield* group(function* (g) {
          g.spawn(function* () {
            try {
              yield* park(new Parking());
            } finally {
              // biome-ignore lint/correctness/noUnsafeFinally: errors while unwinding are tested
              throw new Error('unwinding');
            }
          });
        });
      } catch (error) {
        main = error;
        throw error;
      }
    }),
  ).toThrow(DeadlockError);
  expect(main).toBeInstanceOf(GroupError);
});
