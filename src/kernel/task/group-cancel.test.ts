import { expect, test } from 'vitest';
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

test('a body that cancel cut short makes the group throw ERR_GROUP_CANCELLED', () => {
  const error = failureOf(() =>
    group(function* (g) {
      g.cancel('enough');
      yield* sleep(1);
    }),
  ) as GroupStateError;
  expect(error.code).toBe('ERR_GROUP_CANCELLED');
  expect(error.cause).toBe('enough');
});

test('a body that returned gives its value though the group was cancelled meanwhile', () => {
  const value = playGroup(function* (g) {
    g.spawn(() => sleepForever());
    g.cancel();
    return 'value';
  });
  expect(value).toBe('value');
});

test('a body that returned gives its value though a child cancelled the group later', () => {
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

test('a body that swallows the cancellation and returns gives its value', () => {
  const value = playGroup(function* (g) {
    g.cancel();
    try {
      yield* sleep(1);
    } catch (error) {
      return isCancelled(error);
    }
    return 'not refused';
  });
  expect(value).toBe(true);
});

test('the cancelled group is left only after all members have unwound', () => {
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

test('a member that task.cancel ended is no failure, and its siblings go on', () => {
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

test('every task is started, even one that was cancelled before its first step', () => {
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

test('a task cancelled before its first step that needs no operation gives its value', () => {
  const value = playGroup(function* (g) {
    const task = g.spawn(function* () {
      return 'value';
    });
    task.cancel();
    return yield* task.join();
  });
  expect(value).toBe('value');
});

test('what could succeed at once is refused in a task cancelled before its start', () => {
  const state = playGroup(function* (g) {
    const task = g.spawn(() => checkpoint());
    task.cancel();
    yield* sleep(1);
    return task.state;
  });
  expect(state).toBe('cancelled');
});

test('a task spawned into a cancelled group starts cancelled, and reaches its finally', () => {
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

test('a child can cancel its group, itself included', () => {
  const log: string[] = [];
  const code = codeOf(() =>
    group(function* (g) {
      g.spawn(function* () {
        g.cancel();
        log.push('goes on');
        yield* sleep(1);
        log.push('never');
      });
      yield* sleepForever();
    }),
  );
  expect([code, log]).toEqual(['ERR_GROUP_CANCELLED', ['goes on']]);
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

test('the cancellation of an enclosing scope goes through the group as Cancelled', () => {
  const log: string[] = [];
  const value = playScope(function* (s) {
    yield* group(function* (g) {
      g.spawn(function* () {
        try {
          yield* sleepForever();
        } finally {
          log.push('child');
        }
      });
      yield;
      s.cancel();
      yield* sleep(1);
    });
    log.push('never');
  });
  expect([value, log]).toEqual([undefined, ['child']]);
});

test('when the group and a scope around it are cancelled, the outer one decides', () => {
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

test('a daemon that is cancelled at the end is no failure and gives no error', () => {
  const value = playGroup(function* (g) {
    g.spawn(() => sleepForever(), { daemon: true });
    yield;
    return 'value';
  });
  expect(value).toBe('value');
});

test('the deadline of a group cancels it, with a TimeoutError as the reason', () => {
  const error = failureOf(() =>
    group(function* (g) {
      g.scope.deadline = now() + 10;
      yield* sleepForever();
    }),
  ) as GroupStateError;
  expect(error.code).toBe('ERR_GROUP_CANCELLED');
  expect(error.cause).toMatchObject({ code: 'ERR_TIMEOUT' });
});

test('a member that throws a Cancelled of a scope that is not around it has failed', () => {
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

test('cancelling a member twice, or one that has ended, changes nothing', () => {
  playGroup(function* (g) {
    const task = g.spawn(() => sleepForever());
    yield;
    task.cancel('first');
    task.cancel('second');
    yield* sleep(1);
    task.cancel('third');
    try {
      yield* task.join();
    } catch (error) {
      expect(error).toMatchObject({ code: 'ERR_TASK_CANCELLED' });
      return;
    }
    throw new Error('joined');
  });
});

test('a task can be cancelled from outside of every task', () => {
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
