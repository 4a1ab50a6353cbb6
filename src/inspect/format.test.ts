import { describe, expect, test } from 'vitest';
import { playGroup } from '../../test/support/kernel/virtual-host.ts';
import type { Operation } from '../index.ts';
import { Channel, group, Lock, sleep, sleepForever } from '../index.ts';
import { durationText, formatTaskTree } from './format.ts';
import { taskTree } from './tree.ts';

function* nest(depth: number): Operation<void> {
  if (depth === 0) return yield* sleepForever();
  yield* group(function* (tasks) {
    tasks.spawn(() => nest(depth - 1), { name: `level ${depth}` });
  });
}

describe('the text of a task tree', () => {
  test('has a line for each node, with the wait and its time, and the resources', () => {
    const text = playGroup(function* (tasks) {
      const db = new Lock('db');
      const jobs = new Channel(8, 'jobs');
      tasks.spawn(() => nest(1), { name: 'parent' });
      for (let i = 0; i < 1200; i++) tasks.spawn(() => jobs.receive(), { name: `worker ${i}` });
      for (let i = 0; i < 2; i++) tasks.spawn(() => db.with(() => sleepForever()));
      yield* sleep(1500);
      const result = formatTaskTree();
      tasks.cancel();
      return result;
    });
    expect(text.split('\n')).toEqual([
      '1,205 tasks, 0 ready, 0 timers, 2 external waits, longest turn 0 ms',
      'main (task 1): running',
      "├─ parent (task 2): 1 task of group of 'parent', 1.5 s",
      '│  └─ level 1 (task 1205): sleep forever, 1.5 s',
      "├─ 1,200 × worker *: receive from channel 'jobs', up to 1.5 s",
      '├─ task 1203 (task 1203): sleep forever, 1.5 s',
      "└─ task 1204 (task 1204): lock 'db' held by task 1203 'task 1203', 1.5 s",
      "lock 'db': held by task 1203 'task 1203', 1 waiter",
      "channel 'jobs': 0 of 8 items, 0 senders, 1,200 receivers",
    ]);
  });

  test('has bounded lines, also at a depth of 200, and states what is not shown', () => {
    const text = playGroup(function* (tasks) {
      tasks.spawn(() => nest(300), { name: 'n'.repeat(500) });
      for (let left = 400; left > 0; left--) yield;
      const result = formatTaskTree(undefined, { width: 100 });
      tasks.cancel();
      return result;
    });
    const lines = text.split('\n');
    expect(lines).toHaveLength(202);
    expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(100);
    expect(lines[0]).toMatch(/, 102 not shown$/);
    expect(lines[201]).toMatch(/1 not shown$/);
  });

  test('has the colours of a terminal on request', () => {
    playGroup(function* (tasks) {
      tasks.spawn(() => sleepForever(), { name: 'idle' });
      yield* sleep(1);
      const colored = formatTaskTree(taskTree(), { color: true });
      expect(colored).toContain('└─ idle (task 2): \x1b[33msleep forever\x1b[0m, 1 ms');
      tasks.cancel();
    });
  });

  test('states that no program runs', () => {
    expect(formatTaskTree()).toBe('No program runs.');
  });

  test('rejects wrong options', () => {
    expect(() => formatTaskTree(undefined, { width: 10 })).toThrow('width');
  });

  test.each([
    [0, '0 ms'],
    [1.234, '1.2 ms'],
    [999, '999 ms'],
    [1500, '1.5 s'],
    [180_000, '3 min'],
    [9_000_000, '2 h'],
    [200_000_000, '2 d'],
  ])('shows %d ms as %s', (ms, text) => {
    expect(durationText(ms)).toBe(text);
  });
});
