import { expect, test } from 'vitest';
import { play, playGroup, VirtualHost } from '../../test/support/kernel/virtual-host.ts';
import type { Hooks } from './hooks.ts';
import type { Operation } from './operation.ts';
import { shield } from './scope/shield.ts';
import { moveOnAfter } from './scope/with-scope.ts';
import { group } from './task/group.ts';
import type { Task } from './task/task.ts';
import { sleep, sleepForever } from './waits.ts';

/** Hooks that write one line for each call. */
function recorder(log: string[]): Hooks {
  const write = (what: string) => (task: Task<unknown>) => {
    log.push(`${what} ${task.name}`);
  };
  return {
    taskSpawned: write('spawned'),
    stepBegins: write('begins'),
    stepEnds: write('ends'),
    taskWaits: (task, wait) => log.push(`waits ${task.name} ${wait?.[0] ?? 'pause'}`),
    taskCancelled: write('cancelled'),
    taskFinished: (task) => log.push(`finished ${task.name} ${task.state}`),
    batchBegins: (ready) => log.push(`batch ${ready}`),
  };
}

test('hooks observe a task from its spawn to its end', () => {
  const log: string[] = [];
  play(() => sleep(5), { hooks: recorder(log) });
  expect(log).toEqual([
    'spawned main',
    'batch 1',
    'begins main',
    'ends main',
    'waits main sleep',
    'batch 1',
    'begins main',
    'ends main',
    'finished main done',
  ]);
});

test('each stepBegins has a stepEnds, in tasks that fail or are cancelled too', () => {
  const log: string[] = [];
  const hooks = recorder(log);
  play(
    function* () {
      try {
        yield* group(function* (g) {
          g.spawn(() => sleepForever());
          g.spawn(function* (): Operation<void> {
            yield* sleep(1);
            throw new Error('boom');
          });
        });
      } catch {
        yield;
      }
    },
    { hooks },
  );
  const count = (word: string) => log.filter((line) => line.startsWith(word)).length;
  expect(count('ends')).toBe(count('begins'));
  expect(count('finished')).toBe(count('spawned'));
});

test('taskCancelled is called when a cancellation is thrown into the task', () => {
  const log: string[] = [];
  playGroup(
    function* (g) {
      const task = g.spawn(() => sleepForever(), { name: 'victim' });
      yield;
      task.cancel();
    },
    { hooks: recorder(log) },
  );
  expect(log).toContain('cancelled victim');
  expect(log).toContain('finished victim cancelled');
  expect(log).not.toContain('cancelled main');
});

test('taskWakes is called at the time at which the wait of a task ends', () => {
  const log: string[] = [];
  const host = new VirtualHost({
    hooks: { taskWakes: (task) => log.push(`${task.name} ${host.time}`) },
  });
  host.playGroup(function* (g) {
    g.spawn(() => sleep(7), { name: 'sleeper' });
  });
  expect(log).toContain('sleeper 7');
  expect(log).toContain('main 7');
});

test('onUnhandled receives the errors that no task can receive', () => {
  const seen: unknown[] = [];
  const host = new VirtualHost({ hooks: { onUnhandled: (error) => seen.push(error) } });
  host.play(() => moveOnAfter(1, shield(sleepForever(), { withinMs: 1 })));
  expect(seen).toEqual([expect.objectContaining({ code: 'ERR_SHIELD_EXPIRED' })]);
  expect(host.warnings).toEqual([]);
});

test('an error that onUnhandled throws is reported to the host', () => {
  const broken = new Error('hook');
  const host = new VirtualHost({
    hooks: {
      onUnhandled: () => {
        throw broken;
      },
    },
  });
  host.play(() => moveOnAfter(1, shield(sleepForever(), { withinMs: 1 })));
  expect(host.warnings).toContain(broken);
});

const names = [
  'taskSpawned',
  'stepBegins',
  'stepEnds',
  'taskWaits',
  'taskWakes',
  'taskCancelled',
  'taskFinished',
  'batchBegins',
] as const;

for (const name of names) {
  test(`an error that ${name} throws is reported to the host and does not affect the run`, () => {
    const broken = new Error(name);
    const fail = (): never => {
      throw broken;
    };
    const host = new VirtualHost({ hooks: { [name]: fail } });
    const value = host.playGroup(function* (g) {
      const task = g.spawn(() => sleepForever());
      yield* sleep(1);
      task.cancel();
      return 'value';
    });
    expect(value).toBe('value');
    expect(host.warnings).toContain(broken);
  });
}
