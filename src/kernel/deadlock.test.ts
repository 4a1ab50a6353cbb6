import { describe, expect, test } from 'vitest';
import { thrownBy } from '../../test/support/kernel/operations.ts';
import { failureOf, play, playGroup, VirtualHost } from '../../test/support/kernel/virtual-host.ts';
import { now } from './current.ts';
import { DeadlockError, GroupError } from './errors.ts';
import type { Operation } from './operation.ts';
import type { ParkingQueue } from './parking.ts';
import { Parking } from './parking.ts';
import { isCancelled } from './scope/cancelled.ts';
import { shield } from './scope/shield.ts';
import { moveOnAfter, scope, timeout } from './scope/with-scope.ts';
import type { Group } from './task/group.ts';
import { group } from './task/group.ts';
import type { Task } from './task/task.ts';
import { park, sleep, sleepForever } from './waits.ts';

/** A ring of tasks, each of which joins the next one after `ms` milliseconds times its index. */
function ring(g: Group, names: readonly string[], wait = (op: Operation<unknown>) => op): void {
  const tasks: Task<unknown>[] = names.map((name, i) =>
    g.spawn(() => wait(joinOf(() => tasks[(i + 1) % names.length])), { name }),
  );
}

function* joinOf(target: () => Task<unknown> | undefined): Operation<unknown> {
  return yield* (target() as Task<unknown>).join();
}

/** The only failure of the group with this body. */
function deadlockOf(body: (g: Group) => Operation<unknown>): DeadlockError {
  const error = failureOf(() => group(body));
  expect(error).toBeInstanceOf(GroupError);
  const { errors } = error as GroupError;
  expect(errors).toEqual([expect.any(DeadlockError)]);
  return errors[0] as DeadlockError;
}

describe('a join that closes a cycle', () => {
  test('throws a DeadlockError into the task that closes it, even with armed timers', () => {
    const host = new VirtualHost();
    const { time, error } = host.playGroup(function* (g) {
      const first: Task<unknown> = g.spawn(() => joinOf(() => second), { daemon: true });
      const second: Task<unknown> = g.spawn(function* () {
        return yield* thrownBy(first.join());
      });
      yield* sleep(0);
      g.spawn(() => sleep(1000));
      return { error: yield* second.join(), time: now() };
    });
    expect(error).toMatchObject({ code: 'ERR_DEADLOCK' });
    expect(time).toBe(0);
  });

  test('leaves the other tasks alone', () => {
    const log: string[] = [];
    playGroup(function* (g) {
      g.spawn(function* () {
        yield* sleep(50);
        log.push('unrelated');
      });
      yield* thrownBy(
        group(function* (inner) {
          ring(inner, ['a', 'b']);
        }),
      );
      log.push('failed');
    });
    expect(log).toEqual(['failed', 'unrelated']);
  });

  test('has a report that names the tasks of the cycle in order, and their waits', () => {
    const error = deadlockOf(function* (g) {
      ring(g, ['a', 'b', 'c']);
      yield* sleepForever();
    });
    expect(error.message.split('\n')).toEqual([
      "These tasks wait for each other: 'c' → 'a' → 'b' → 'c'.",
      "  task 4 'c' waits for join of task 2 'a'",
      "  task 2 'a' waits for join of task 3 'b'",
      "  task 3 'b' waits for join of task 4 'c'",
    ]);
    expect(error.tasks).toHaveLength(3);
  });

  test('has a report without the tasks that only wait for the cycle', () => {
    const error = deadlockOf(function* (g) {
      g.spawn(() => joinOf(() => late), { name: 'outsider' });
      const late: Task<unknown> = g.spawn(() => joinOf(() => other));
      const other: Task<unknown> = g.spawn(function* () {
        yield* sleep(5);
        yield* late.join();
      });
      yield* sleep(1000);
    });
    expect(error.message).not.toMatch(/outsider/);
  });

  test('is found in a chain of a hundred thousand tasks, and its report is bounded', () => {
    const error = deadlockOf(function* (g) {
      let previous: Task<unknown> = g.spawn(function* () {
        yield* sleep(1);
        yield* last.join();
      });
      for (let i = 0; i < 100_000; i++) {
        const target = previous;
        previous = g.spawn(() => target.join());
      }
      const last = previous;
      yield* sleepForever();
    });
    expect(error.message).toMatch(/99981 more tasks/);
    expect(error.tasks).toHaveLength(20);
  });

  test('withdraws the wait, so the joined task has no joiner left', () => {
    const joiners = playGroup(function* (g) {
      const first: Task<unknown> = g.spawn(() => joinOf(() => second), { daemon: true });
      const second: Task<unknown> = g.spawn(function* () {
        yield* thrownBy(first.join());
        return (first as unknown as { joiners: ParkingQueue }).joiners.size;
      });
      return yield* second.join();
    });
    expect(joiners).toBe(0);
  });
});

/** Waits for a task without joining it, as a resource that the task owns would. */
class Held extends Parking {
  readonly #owner: Task<unknown>;

  constructor(owner: Task<unknown>) {
    super('a resource');
    this.#owner = owner;
  }

  override holder(): ReturnType<Parking['holder']> {
    return this.#owner as unknown as ReturnType<Parking['holder']>;
  }
}

test('a parking with a holder can be part of a cycle', () => {
  const error = deadlockOf(function* (g) {
    const owner: Task<unknown> = g.spawn(function* () {
      yield* sleep(1);
      yield* waiter.join();
    });
    const waiter: Task<unknown> = g.spawn(() => park(new Held(owner)));
    yield* sleepForever();
  });
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

describe('a cycle in which a wait has a finite time limit', () => {
  test('is not a deadlock: the limit ends the wait', () => {
    const limits: ((op: Operation<unknown>) => Operation<unknown>)[] = [
      (op) => moveOnAfter(20, op),
      (op) =>
        scope(function* (s) {
          s.deadline = now() + 20;
          yield* op;
        }),
      (op) =>
        scope(function* (s) {
          s.stop({ graceMs: 20 });
          yield* op;
        }),
    ];
    for (const limit of limits) {
      const end = playGroup(function* (g) {
        const first: Task<unknown> = g.spawn(() => limit(joinOf(() => second)));
        const second: Task<unknown> = g.spawn(() => first.join());
        yield* second.join();
        return now();
      });
      expect(end).toBe(20);
    }
  });

  test('is not a deadlock if the limit is around the group of the tasks', () => {
    const op = () =>
      timeout(20, () =>
        group(function* (g) {
          ring(g, ['a', 'b']);
        }),
      );
    expect(failureOf(op)).toMatchObject({ code: 'ERR_TIMEOUT' });
  });

  test('is a deadlock if a shield keeps the limit from the wait', () => {
    const error = failureOf(() =>
      timeout(20, () =>
        shield(() =>
          group(function* (g) {
            ring(g, ['a', 'b']);
          }),
        ),
      ),
    );
    expect(error).toMatchObject({ code: 'ERR_GROUP', errors: [{ code: 'ERR_DEADLOCK' }] });
  });

  test('is not a deadlock if the time of a shield around a wait is running', () => {
    const log: unknown[] = [];
    const op = () =>
      group(function* (g) {
        const first: Task<unknown> = g.spawn(function* () {
          try {
            yield* sleepForever();
          } finally {
            log.push(
              isCancelled(
                yield* thrownBy(
                  shield(
                    joinOf(() => second),
                    { withinMs: 30 },
                  ),
                ),
              ),
            );
          }
        });
        const second: Task<unknown> = g.spawn(function* () {
          log.push(((yield* thrownBy(first.join())) as { code?: string }).code);
        });
        yield* sleep(5);
        first.cancel();
      });
    play(op, { hooks: { onUnhandled: () => {} } });
    expect(log).toEqual([true, 'ERR_TASK_CANCELLED']);
  });

  test('is a deadlock if the limit is Infinity', () => {
    const error = deadlockOf(function* (g) {
      ring(g, ['a', 'b'], (op) => timeout(Infinity, op));
      yield* sleepForever();
    });
    expect(error.code).toBe('ERR_DEADLOCK');
  });
});

describe('the wait of a group for its children', () => {
  test('fails the group with a DeadlockError if it closes a cycle', () => {
    const log: string[] = [];
    const error = deadlockOf(function* (g) {
      g.spawn(sleepForever, { name: 'unrelated' });
      const owner: Task<unknown> = g.spawn(
        function* () {
          const inner = group(function* (children) {
            children.spawn(function* () {
              try {
                yield* park(new Held(owner));
              } finally {
                log.push('child has unwound');
              }
            });
            yield* sleep(5);
          });
          const thrown = yield* thrownBy(inner);
          log.push(thrown instanceof GroupError ? 'the group has thrown' : 'no error');
          throw (thrown as GroupError).errors[0];
        },
        { name: 'owner' },
      );
    });
    expect(log).toEqual(['child has unwound', 'the group has thrown']);
    expect(error.message).toMatch(/'owner' → 'task 4' → 'owner'/);
  });

  test('can be closed to a cycle by a child, while timers keep the run alive', () => {
    const { thrown, at } = playGroup(function* (g) {
      g.spawn(() => sleep(1000));
      const owner: Task<unknown> = g.spawn(() =>
        group(function* (children) {
          children.spawn(() => sleep(500));
          return children.spawn(function* () {
            yield* sleep(5);
            return { thrown: yield* thrownBy(park(new Held(owner))), at: now() };
          });
        }),
      );
      const child = (yield* owner.join()) as Task<{ thrown: unknown; at: number }>;
      return yield* child.join();
    });
    expect(thrown).toBeInstanceOf(DeadlockError);
    expect(at).toBe(5);
  });
});

test('the report of a deadlock has a line for each unfinished task', () => {
  const error = failureOf(() =>
    group(function* (g) {
      g.spawn(() => park(new Parking()), { name: 'stuck' });
      g.spawn(() => sleep(5), { name: 'fine' });
    }),
  ) as DeadlockError;
  expect(error.tasks).toHaveLength(2);
  expect(error.tasks[0]).toMatch(/'main'/);
  expect(error.tasks[1]).toMatch(/'stuck'.*a wake-up/);
  expect(error.message).toContain(error.tasks[1]);
});
test('a deadlock cancels the main task with the report as the reason', () => {
  const reasons: unknown[] = [];
  const error = failureOf(() =>
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
  const error = failureOf(() =>
    group(function* (g) {
      for (let i = 0; i < 200_000; i++) g.spawn(() => park(new Parking()));
    }),
  ) as DeadlockError;
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
