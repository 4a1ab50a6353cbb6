import { describe, expect, test } from 'vitest';
import { failWhenCancelled, thrownBy } from '../../../test/support/kernel/operations.ts';
import { codeOf, failureOf, play, playGroup } from '../../../test/support/kernel/virtual-host.ts';
import { now } from '../current.ts';
import type { Operation } from '../operation.ts';
import { isCancelled } from '../scope/cancelled.ts';
import { shield } from '../scope/shield.ts';
import { moveOnAfter, scope, timeout } from '../scope/with-scope.ts';
import { sleep, sleepForever } from '../waits.ts';
import type { Group } from './group.ts';
import { group } from './group.ts';

/** A group whose body returns at once, with these children. */
function returning(...children: readonly (() => Operation<unknown>)[]): Operation<string> {
  return group(function* (g) {
    for (const child of children) g.spawn(child);
    return 'value';
  });
}

describe('a group that an enclosing scope cuts after its body has returned', () => {
  test('throws the TimeoutError of a timeout around it', () => {
    const error = failureOf(() =>
      timeout(
        20,
        returning(() => sleep(50)),
      ),
    );
    expect(error).toMatchObject({ code: 'ERR_TIMEOUT', limitMs: 20 });
  });

  test('is reported by moveOnAfter as undefined', () => {
    expect(
      play(() =>
        moveOnAfter(
          20,
          returning(() => sleep(50)),
        ),
      ),
    ).toBe(undefined);
  });

  test('is reported by a cancelled scope as undefined, and later steps do not run', () => {
    const log: string[] = [];
    const value = play(() =>
      scope(function* (s) {
        s.deadline = now() + 20;
        yield* returning(() => sleep(50));
        log.push('complete');
        return 'value';
      }),
    );
    expect([value, log]).toEqual([undefined, []]);
  });

  test('throws, and does not return, if a child of a nested group was cut', () => {
    const error = failureOf(() =>
      timeout(
        20,
        returning(() => returning(() => sleep(50))),
      ),
    );
    expect(error).toMatchObject({ code: 'ERR_TIMEOUT' });
  });

  test('throws if one child was cut and the others finished', () => {
    const error = failureOf(() =>
      timeout(
        20,
        returning(
          () => sleep(5),
          () => sleep(50),
          () => shield(sleep(50)),
        ),
      ),
    );
    expect(error).toMatchObject({ code: 'ERR_TIMEOUT' });
  });

  test('throws if a shield around a child expired before the child had finished', () => {
    const op = () =>
      moveOnAfter(
        20,
        returning(() => shield(sleep(500), { withinMs: 10 })),
      );
    expect(play(op, { hooks: { onUnhandled: () => {} } })).toBe(undefined);
  });

  test('throws the cancellation of the outermost of two limits that have passed', () => {
    const error = failureOf(() =>
      timeout(30, () =>
        timeout(
          20,
          returning(function* () {
            try {
              yield* sleepForever();
            } finally {
              yield* shield(sleep(20));
            }
          }),
        ),
      ),
    );
    expect(error).toMatchObject({ code: 'ERR_TIMEOUT', limitMs: 30 });
  });

  test('makes the task cancelled that contains it', () => {
    const state = playGroup(function* (g) {
      const task = g.spawn(() => returning(sleepForever));
      yield* sleep(1);
      task.cancel();
      const error = yield* thrownBy(task.join());
      return [task.state, (error as { code?: unknown }).code];
    });
    expect(state).toEqual(['cancelled', 'ERR_TASK_CANCELLED']);
  });

  test('throws a GroupError if a child failed while it unwound', () => {
    const error = failureOf(() =>
      timeout(
        20,
        returning(() => failWhenCancelled(new Error('x'))),
      ),
    );
    expect(error).toMatchObject({ code: 'ERR_GROUP', errors: [{ message: 'x' }] });
  });
});

describe('a group in a cancelled scope returns the value of its body', () => {
  test('if all children finished although they were cancelled', () => {
    function* caught(): Operation<string> {
      const error = yield* thrownBy(sleepForever());
      return isCancelled(error) ? 'finished' : 'not cancelled';
    }
    expect(
      play(() =>
        timeout(
          20,
          returning(caught, () => shield(sleep(50))),
        ),
      ),
    ).toBe('value');
  });

  test('if only daemons were cut', () => {
    const op = group(function* (g) {
      g.spawn(sleepForever, { daemon: true });
      g.spawn(() => shield(sleep(50)));
      return 'value';
    });
    expect(play(() => timeout(20, op))).toBe('value');
  });

  test('if the cancellation came after all members had finished', () => {
    const value = play(() =>
      scope(function* (s) {
        return yield* group(function* (g) {
          g.spawn(function* () {
            s.cancel();
          });
          return 'value';
        });
      }),
    );
    expect(value).toBe('value');
  });

  test('if task.cancel() had ended the cancelled child, and not the enclosing scope', () => {
    const op = group(function* (g) {
      const task = g.spawn(sleepForever);
      g.spawn(() => shield(sleep(50)));
      yield* sleep(5);
      task.cancel();
      return 'value';
    });
    expect(play(() => timeout(20, op))).toBe('value');
  });

  test('if the group had cancelled itself before', () => {
    const op = group(function* (g) {
      g.spawn(sleepForever);
      g.spawn(() => shield(sleep(50)));
      yield* sleep(5);
      g.cancel();
      return 'value';
    });
    expect(play(() => timeout(20, op))).toBe('value');
  });

  test('if a shield around the group kept the cancellation from its children', () => {
    const op = shield(returning(() => sleep(50)));
    expect(play(() => timeout(20, op))).toBe('value');
  });
});

test('a group whose own deadline cuts its children returns the value of its body', () => {
  const value = playGroup(function* (g) {
    g.scope.deadline = now() + 20;
    g.spawn(sleepForever);
    return 'value';
  });
  expect(value).toBe('value');
});

test('a group whose member cancels the group around it throws that cancellation', () => {
  function* member(outer: Group): Operation<void> {
    outer.cancel();
    yield* sleep(1);
  }
  const code = codeOf(() =>
    group(function* (outer) {
      yield* returning(() => member(outer));
      return 'not cut';
    }),
  );
  expect(code).toBe('ERR_GROUP_CANCELLED');
});
