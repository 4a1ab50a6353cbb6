import { expect, test } from 'vitest';
import { playGroup, playScope } from '../../test/support/kernel/virtual-host.ts';
import { currentTask } from './current.ts';
import type { Operation } from './operation.ts';
import { scope } from './scope/with-scope.ts';
import { group } from './task/group.ts';
import { checkpoint, pause, sleep } from './waits.ts';

/** After how many operations of `op` another task has run for the first time. */
function operationsUntilOthersRun(op: () => Operation<unknown>, most = 1000): number {
  return playGroup(function* (g) {
    let ran = false;
    g.spawn(function* () {
      ran = true;
    });
    for (let i = 1; i <= most; i++) {
      yield* op();
      if (ran) return i;
    }
    return Infinity;
  });
}

test('128 operations succeed in one step, and the 129th first lets other tasks run', () => {
  expect(operationsUntilOthersRun(() => checkpoint())).toBe(129);
});

test('join of a finished task counts as one of the 128 operations', () => {
  const count = playGroup(function* (g) {
    const task = g.spawn(function* () {});
    yield* sleep(1);
    let ran = false;
    g.spawn(function* () {
      ran = true;
    });
    let joined = 0;
    while (!ran) {
      yield* task.join();
      joined++;
    }
    return joined;
  });
  expect(count).toBe(129);
});

test('a wait restores the budget of 128 operations', () => {
  const log: string[] = [];
  playGroup(function* (g) {
    for (let i = 0; i < 100; i++) yield* checkpoint();
    yield* pause();
    g.spawn(function* () {
      log.push('other');
    });
    for (let i = 0; i < 128; i++) yield* checkpoint();
    log.push('128 done');
    yield* checkpoint();
    log.push('129 done');
  });
  expect(log).toEqual(['128 done', 'other', '129 done']);
});

test('an operation that is cancelled while it lets other tasks run has no effect', () => {
  let tried = 0;
  const value = playScope(function* (s) {
    yield* group(function* (g) {
      g.spawn(function* () {
        s.cancel();
      });
      for (let i = 0; i < 200; i++) {
        yield* checkpoint();
        tried++;
      }
    });
    return 'never';
  });
  expect([value, tried]).toEqual([undefined, 128]);
});

test('each task has its own budget', () => {
  const log: string[] = [];
  function* busy(name: string): Operation<void> {
    for (let i = 0; i < 129; i++) yield* checkpoint();
    log.push(name);
  }
  playGroup(function* (g) {
    g.spawn(() => busy('a'));
    g.spawn(() => busy('b'));
    g.spawn(function* () {
      log.push('c');
    });
  });
  expect(log).toEqual(['c', 'a', 'b']);
});

test('leaving a cancelled scope restores the budget', () => {
  const log: string[] = [];
  playGroup(function* (g) {
    yield* scope(function* (s) {
      s.cancel();
    });
    g.spawn(function* () {
      log.push('other');
    });
    yield* checkpoint();
    log.push('tried');
  });
  expect(log).toEqual(['tried', 'other']);
});

test('an operation in a cancelled scope throws in a step of its own', () => {
  const log: string[] = [];
  playGroup(function* (g) {
    g.spawn(function* () {
      log.push('other');
    });
    const task = g.spawn(function* () {
      currentTask().cancel();
      try {
        yield* checkpoint();
      } finally {
        log.push('cancelled');
      }
    });
    g.spawn(function* () {
      log.push('another');
    });
    yield* sleep(1);
    expect(task.state).toBe('cancelled');
  });
  expect(log).toEqual(['other', 'another', 'cancelled']);
});
