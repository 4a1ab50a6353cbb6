import { describe, expect, test } from 'vitest';
import { failureOf, play, playGroup, VirtualHost } from '../../test/support/kernel/virtual-host.ts';
import { currentTask, now } from '../kernel/current.ts';
import type { Operation } from '../kernel/operation.ts';
import { isCancelled } from '../kernel/scope/cancelled.ts';
import { shield } from '../kernel/scope/shield.ts';
import { deadline, moveOnAfter, scope, timeout } from '../kernel/scope/with-scope.ts';
import { group } from '../kernel/task/group.ts';
import { TaskLocal } from '../kernel/task/task-local.ts';
import { checkpoint, pause } from '../kernel/waits.ts';
import { all } from './combinators/all.ts';
import { allSettled } from './combinators/all-settled.ts';
import { any } from './combinators/any.ts';
import { map } from './combinators/map.ts';
import { race } from './combinators/race.ts';
import { retry } from './combinators/retry.ts';
import { Lock } from './lock.ts';
import { Semaphore } from './semaphore.ts';

type Wrapper = (op: () => Operation<unknown>) => Operation<unknown>;

const local = new TaskLocal(0);
const lock = new Lock();
const semaphore = new Semaphore(1);

/** Operations that drive another one in the calling task. */
const wrappers: Record<string, Wrapper> = {
  scope: (op) => scope(op),
  group: (op) => group(op),
  timeout: (op) => timeout(1000, op),
  deadline: (op) => deadline(now() + 1000, op),
  moveOnAfter: (op) => moveOnAfter(1000, op),
  'TaskLocal.with': (op) => local.with(1, op),
  'Lock.with': (op) => lock.with(op),
  'Semaphore.with': (op) => semaphore.with(op),
  retry: (op) => retry(op),
};

/** Operations that run others in tasks of their own. */
const combinators: Record<string, Wrapper> = {
  all: (op) => all([op]),
  allSettled: (op) => allSettled([op]),
  any: (op) => any([op]),
  race: (op) => race([op]),
  map: (op) => map([1], op),
};

/** Combinators without members. */
const empty: Record<string, Wrapper> = {
  'all([])': () => all([]),
  'allSettled([])': () => allSettled([]),
  'map([])': (op) => map([], op),
};

const loops = Object.entries({ ...wrappers, shield, ...combinators, ...empty });

function* nothing(): Operation<void> {}

/** Runs `op` in a loop in a task. Returns how often it ran before another task ran. */
function roundsUntilOthersRun(op: () => Operation<unknown>): number {
  return playGroup(function* (g) {
    let ran = false;
    g.spawn(function* () {
      ran = true;
    });
    for (let i = 0; i < 1000; i++) {
      if (ran) return i;
      yield* op();
    }
    return Infinity;
  });
}

describe.each(loops)('%s around an operation that completes at once', (_, wrap) => {
  test('lets other tasks run after 128 operations at most', () => {
    expect(roundsUntilOthersRun(() => wrap(nothing))).toBeLessThanOrEqual(129);
    expect(roundsUntilOthersRun(() => wrap(checkpoint))).toBeLessThanOrEqual(129);
  });

  test('ends in a loop when the task of the loop is cancelled', () => {
    const state = playGroup(
      function* (g) {
        const task = g.spawn(function* () {
          for (;;) yield* wrap(nothing);
        });
        yield* pause();
        task.cancel();
        while (['ready', 'waiting'].includes(task.state)) yield* pause();
        return task.state;
      },
      { maxTurns: 10_000 },
    );
    expect(state).toBe('cancelled');
  });

  test('is interrupted in a loop by a time limit around the loop', () => {
    const host = new VirtualHost({ maxTurns: 10_000 });
    const op = timeout(5, function* () {
      for (;;) {
        yield* wrap(nothing);
        host.time++;
      }
    });
    expect(() => host.play(op)).toThrow(expect.objectContaining({ code: 'ERR_TIMEOUT' }));
  });
});

describe.each(Object.entries(wrappers))('%s in a cancelled scope', (_, wrap) => {
  test('throws Cancelled and does not start its operation', () => {
    const log: string[] = [];
    const seen = play(() =>
      scope(function* (s) {
        s.cancel();
        try {
          yield* wrap(function* () {
            log.push('started');
          });
        } catch (error) {
          log.push(isCancelled(error) ? 'cancelled' : 'failed');
        }
        return log;
      }),
    );
    expect(seen).toEqual(['cancelled']);
  });
});

test('timeout, moveOnAfter and TaskLocal.with discard an operation that is not started', () => {
  const discarded: string[] = [];
  function operation(name: string): Operation<void> {
    return Object.assign(nothing(), { return: () => discarded.push(name) }) as never;
  }
  const drive = (make: () => Operation<unknown>) =>
    play(() =>
      scope(function* (s) {
        s.cancel();
        yield* make();
      }),
    );
  drive(() => timeout(10, operation('timeout')));
  drive(() => moveOnAfter(10, operation('moveOnAfter')));
  drive(() => local.with(1, operation('TaskLocal.with')));
  expect(discarded).toEqual(['timeout', 'moveOnAfter', 'TaskLocal.with']);
});

test('a shield in a cancelled scope runs its operation, also after a spent budget', () => {
  const log: string[] = [];
  play(() =>
    scope(function* (s) {
      for (let i = 0; i < 128; i++) yield* checkpoint();
      s.cancel();
      for (const word of ['a', 'b']) {
        yield* shield(function* () {
          yield* checkpoint();
          log.push(word);
        });
      }
    }),
  );
  expect(log).toEqual(['a', 'b']);
});

test('a task that enters a thousand shields in a cancelled scope gets Cancelled then', () => {
  let entered = 0;
  const error = failureOf(() =>
    group(function* (g) {
      g.cancel();
      for (;;) yield* shield(() => Object.assign(nothing(), { entered: entered++ }));
    }),
  );
  expect(error).toMatchObject({ code: 'ERR_GROUP_CANCELLED' });
  expect(entered).toBe(1000);
});

test('timeout(0, op) attempts its operation once although the budget is spent', () => {
  const value = play(() =>
    group(function* () {
      for (let i = 0; i < 128; i++) yield* checkpoint();
      return yield* timeout(0, function* () {
        return currentTask().name;
      });
    }),
  );
  expect(value).toBe('main');
});
