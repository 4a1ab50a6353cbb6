import { expect, test } from 'vitest';
import { thrownBy, whenCancelled } from '../../../test/support/kernel/operations.ts';
import {
  codeOf,
  failureOf,
  playGroup,
  playScope,
} from '../../../test/support/kernel/virtual-host.ts';
import { now } from '../current.ts';
import type { GroupStateError } from '../errors.ts';
import type { Operation } from '../operation.ts';
import { isCancelled } from '../scope/cancelled.ts';
import { shield } from '../scope/shield.ts';
import { scope } from '../scope/with-scope.ts';
import { checkpoint, sleep, sleepForever } from '../waits.ts';
import type { Group } from './group.ts';
import { group } from './group.ts';
import type { Task } from './task.ts';

test('a group that is cancelled before its body returns throws ERR_GROUP_CANCELLED', () => {
  const error = failureOf(() =>
    group(function* (g) {
      g.cancel('enough');
      yield* sleep(1);
    }),
  ) as GroupStateError;
  expect(error.code).toBe('ERR_GROUP_CANCELLED');
  expect(error.cause).toBe('enough');
});

test('a cancelled group returns the value of a body that returned', () => {
  const value = playGroup(function* (g) {
    g.spawn(() => sleepForever());
    g.cancel();
    return 'value';
  });
  expect(value).toBe('value');
});

test('a group that a child cancels after the body returned returns the value of the body', () => {
  const value = playGroup(function* (g) {
    g.spawn(function* () {
      yield* sleep(5);
      g.cancel();
    });
    g.spawn(() => sleepForever());
    return 'value';
  });
  expect(value).toBe('value');
});

test('a cancelled group returns the value of a body that caught the cancellation', () => {
  const value = playGroup(function* (g) {
    g.cancel();
    try {
      yield* sleep(1);
    } catch (error) {
      return isCancelled(error);
    }
    return 'not cancelled';
  });
  expect(value).toBe(true);
});

test('a cancelled group is left after all members have unwound', () => {
  const log: string[] = [];
  const code = codeOf(function* () {
    yield* group(function* (g) {
      g.spawn(function* () {
        try {
          yield* sleepForever();
        } finally {
          yield* shield(sleep(25));
          log.push(`unwound ${now()}`);
        }
      });
      yield;
      g.cancel();
      yield* sleep(1);
    });
  });
  expect([code, log]).toEqual(['ERR_GROUP_CANCELLED', ['unwound 25']]);
});

test('a cancelled member is not a failure, and its siblings continue', () => {
  const log = playGroup(function* (g) {
    const victim = g.spawn(() => sleepForever());
    const other = g.spawn(() => sleep(10));
    yield;
    victim.cancel('go');
    yield* other.join();
    return [victim.state, other.state, now()];
  });
  expect(log).toEqual(['cancelled', 'done', 10]);
});

test('a task that is cancelled before its first step still gets its first step', () => {
  const log: string[] = [];
  playGroup(function* (g) {
    const task = g.spawn(function* () {
      log.push('started');
      try {
        yield* sleep(10);
        log.push('slept');
      } finally {
        log.push('closed');
      }
    });
    task.cancel();
  });
  expect(log).toEqual(['started', 'closed']);
});

test('a task that is cancelled before its start returns its value if it uses no operation', () => {
  const value = playGroup(function* (g) {
    const task = g.spawn(function* () {
      return 'value';
    });
    task.cancel();
    return yield* task.join();
  });
  expect(value).toBe('value');
});

test('a checkpoint in a task that was cancelled before its start throws', () => {
  const state = playGroup(function* (g) {
    const task = g.spawn(() => checkpoint());
    task.cancel();
    yield* sleep(1);
    return task.state;
  });
  expect(state).toBe('cancelled');
});

test('a task that is spawned into a cancelled group starts cancelled and runs its finally', () => {
  const log: string[] = [];
  codeOf(() =>
    group(function* (g) {
      g.cancel('closing');
      g.spawn(function* () {
        try {
          log.push('started');
          yield* sleep(1);
        } catch (error) {
          log.push(`${isCancelled(error) && error.reason}`);
          throw error;
        } finally {
          log.push('closed');
        }
      });
      yield* sleep(1);
    }),
  );
  expect(log).toEqual(['started', 'closing', 'closed']);
});

test('a child that cancels its group continues to its next operation', () => {
  const log: string[] = [];
  const code = codeOf(() =>
    group(function* (g) {
      g.spawn(function* () {
        g.cancel();
        log.push('continues');
        yield* sleep(1);
        log.push('never');
      });
      yield* sleepForever();
    }),
  );
  expect([code, log]).toEqual(['ERR_GROUP_CANCELLED', ['continues']]);
});

test('a child can cancel its parent task', () => {
  const seen: unknown[] = [];
  playGroup(function* (outer) {
    const parent: Task<void> = outer.spawn(() =>
      group(function* (inner) {
        inner.spawn(function* () {
          parent.cancel('from below');
          try {
            yield* sleep(1);
          } catch (error) {
            seen.push(isCancelled(error) && error.reason);
            throw error;
          }
        });
        yield* sleepForever();
      }),
    );
    yield* sleep(1);
    seen.push(parent.state);
  });
  expect(seen).toEqual(['from below', 'cancelled']);
});

test('a group throws the Cancelled of an enclosing scope', () => {
  const log: string[] = [];
  const value = playScope(function* (s) {
    yield* group(function* (g) {
      g.spawn(() => whenCancelled(() => log.push('child')));
      yield;
      s.cancel();
      yield* sleep(1);
    });
    log.push('never');
  });
  expect([value, log]).toEqual([undefined, ['child']]);
});

test('a cancelled group in a cancelled scope throws the Cancelled of the scope', () => {
  const value = playScope(function* (s) {
    yield* group(function* (g) {
      g.cancel();
      s.cancel();
      yield* sleep(1);
    });
    return 'never';
  });
  expect(value).toBeUndefined();
});

test('a daemon that is cancelled at the end of its group is not a failure', () => {
  const value = playGroup(function* (g) {
    g.spawn(() => sleepForever(), { daemon: true });
    yield;
    return 'value';
  });
  expect(value).toBe('value');
});

test('the deadline of a group cancels it with a TimeoutError as the reason', () => {
  const error = failureOf(() =>
    group(function* (g) {
      g.scope.deadline = now() + 10;
      yield* sleepForever();
    }),
  ) as GroupStateError;
  expect(error.code).toBe('ERR_GROUP_CANCELLED');
  expect(error.cause).toMatchObject({ code: 'ERR_TIMEOUT' });
});

test('a member that throws the Cancelled of an unrelated scope has failed', () => {
  let foreign: unknown;
  const error = failureOf(function* () {
    yield* scope(function* (s) {
      s.cancel();
      try {
        yield* sleep(1);
      } catch (thrown) {
        foreign = thrown;
        throw thrown;
      }
    });
    yield* group(function* (g) {
      g.spawn(function* (): Operation<void> {
        throw foreign;
      });
    });
  }) as AggregateError;
  expect(error.errors).toEqual([foreign]);
  expect(isCancelled(foreign)).toBe(true);
});

test('cancel() of a cancelled or ended member has no effect', () => {
  playGroup(function* (g) {
    const task = g.spawn(() => sleepForever());
    yield;
    task.cancel('first');
    task.cancel('second');
    yield* sleep(1);
    task.cancel('third');
    const error = yield* thrownBy(task.join());
    expect(error).toMatchObject({ code: 'ERR_TASK_CANCELLED', cause: { reason: 'first' } });
  });
});

test('a group can be cancelled from a callback', () => {
  let outside: Group | undefined;
  const code = codeOf(() =>
    group(function* (g) {
      outside = g;
      g.spawn(
        () => {
          outside?.cancel('from a callback');
          return sleep(0);
        },
        { name: 'caller' },
      );
      yield* sleepForever();
    }),
  );
  expect(code).toBe('ERR_GROUP_CANCELLED');
});
