import { expect, test } from 'vitest';
import { play, playGroup } from '../../../test/support/kernel/virtual-host.ts';
import { currentScope, currentTask, now } from '../current.ts';
import type { Operation } from '../operation.ts';
import { Readiness } from '../readiness.ts';
import { readable, sleep, sleepForever, writable } from '../waits.ts';
import { group } from './group.ts';
import type { Task } from './task.ts';

test('task ids count from 1 in the order of spawning', () => {
  const ids = playGroup(function* (g) {
    return [currentTask(), g.spawn(() => sleep(0)), g.spawn(() => sleep(0))].map(({ id }) => id);
  });
  expect(ids).toEqual([1, 2, 3]);
});

test('a task has the given name or one with its id, and the first task is main', () => {
  const names = playGroup(function* (g) {
    const tasks = [currentTask(), g.spawn(() => sleep(0), { name: 'writer' })];
    const nameless = g.spawn(() => sleep(0));
    expect(nameless.name).toContain(String(nameless.id));
    return tasks.map(({ name }) => name);
  });
  expect(names).toEqual(['main', 'writer']);
});

test('the parent of a task is the owner of its group', () => {
  play(function* () {
    const main = currentTask();
    expect(main.parent).toBeNull();
    yield* group(function* (g) {
      const child: Task<void> = g.spawn(function* () {
        expect(currentTask()).toBe(child);
        expect(child.parent).toBe(main);
        g.spawn(function* () {
          expect(currentTask().parent).toBe(main);
        });
      });
    });
  });
});

test('the state of a task is ready, running, waiting, ready and done in turn', () => {
  const states: string[] = [];
  playGroup(function* (g) {
    const resource = new Readiness();
    const task: Task<void> = g.spawn(function* () {
      states.push(task.state);
      yield* readable(resource);
    });
    states.push(task.state);
    yield;
    states.push(task.state);
    resource.notifyRecv();
    states.push(task.state);
    yield;
    states.push(task.state);
  });
  expect(states).toEqual(['ready', 'running', 'waiting', 'ready', 'done']);
});

test('a task ends as failed after an error and as cancelled after a cancellation', () => {
  const states: string[] = [];
  play(function* () {
    try {
      yield* group(function* (g) {
        const cancelled = g.spawn(() => sleepForever());
        const failed = g.spawn(function* (): Operation<void> {
          throw new Error('boom');
        });
        cancelled.cancel();
        try {
          yield* sleep(1);
        } finally {
          states.push(cancelled.state, failed.state);
        }
      });
    } catch {
      states.push('left');
    }
  });
  expect(states).toEqual(['cancelled', 'failed', 'left']);
});

test('waitingOn describes the wait of a waiting task and is empty otherwise', () => {
  class Named extends Readiness {
    override describe(): string {
      return '127.0.0.1:51512';
    }
  }
  const resource = new Named();
  playGroup(function* (g) {
    const tasks = [
      g.spawn(() => readable(resource)),
      g.spawn(() => writable(resource)),
      g.spawn(() => sleep(40)),
      g.spawn(() => sleepForever()),
      g.spawn(
        group(function* (inner) {
          inner.spawn(() => sleep(9));
        }),
      ),
    ];
    expect(tasks.map(({ waitingOn }) => waitingOn)).toEqual(['', '', '', '', '']);
    yield* sleep(1);
    const texts = tasks.map(({ waitingOn }) => waitingOn);
    expect(texts.slice(0, 3)).toEqual([
      'recv 127.0.0.1:51512',
      'send 127.0.0.1:51512',
      'sleep 40 ms',
    ]);
    expect(texts[3]).toMatch(/forever/);
    expect(texts[4]).toMatch(/1 task/);
    expect(currentTask().waitingOn).toBe('');
    g.spawn(function* () {
      for (const task of tasks) task.cancel();
    });
  });
});

test('children() returns the unfinished tasks of all groups that the task has open', () => {
  const names = play(function* () {
    const main = currentTask();
    return yield* group(function* (outer) {
      outer.spawn(() => sleep(10), { name: 'a' });
      outer.spawn(() => sleep(1), { name: 'b' });
      return yield* group(function* (inner) {
        inner.spawn(() => sleep(10), { name: 'c' });
        const before = main.children().map(({ name }) => name);
        yield* sleep(5);
        return [before, main.children().map(({ name }) => name)];
      });
    });
  });
  expect(names).toEqual([
    ['a', 'b', 'c'],
    ['a', 'c'],
  ]);
});

test('children() works with two hundred thousand tasks', () => {
  const count = playGroup(function* (g) {
    for (let i = 0; i < 200_000; i++) g.spawn(function* () {});
    return currentTask().children().length;
  });
  expect(count).toBe(200_000);
});

test('task.cancel() returns before the task has ended', () => {
  playGroup(function* (g) {
    const task = g.spawn(() => sleepForever());
    yield;
    expect(task.cancel()).toBeUndefined();
    expect(task.state).not.toBe('cancelled');
    yield;
    expect(task.state).toBe('cancelled');
  });
});

test('currentTask(), currentScope() and now() outside tasks throw ERR_NO_TASK', () => {
  for (const use of [currentTask, currentScope, now]) {
    expect(use).toThrow(expect.objectContaining({ code: 'ERR_NO_TASK' }));
  }
});

test('currentTask() in a hook between steps throws ERR_NO_TASK', () => {
  const seen: unknown[] = [];
  const look = (): void => {
    try {
      seen.push(currentTask().name);
    } catch (error) {
      seen.push((error as { code: string }).code);
    }
  };
  play(
    function* () {
      look();
      yield;
    },
    { hooks: { batchBegins: look, taskFinished: look } },
  );
  expect(seen).toEqual(['ERR_NO_TASK', 'main', 'ERR_NO_TASK', 'ERR_NO_TASK']);
});

test('a nested scheduler restores the current task of the outer one', () => {
  play(function* () {
    const outer = currentTask();
    expect(
      play(function* () {
        return currentTask() === outer;
      }),
    ).toBe(false);
    expect(currentTask()).toBe(outer);
    yield* sleep(1);
  });
});
