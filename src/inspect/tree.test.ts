import { describe, expect, test } from 'vitest';
import { playGroup, VirtualHost } from '../../test/support/kernel/virtual-host.ts';
import { run } from '../index.ts';
import type { Hooks } from '../kernel/hooks.ts';
import type { Operation } from '../kernel/operation.ts';
import { Parking } from '../kernel/parking.ts';
import type { Group } from '../kernel/task/group.ts';
import { group } from '../kernel/task/group.ts';
import { park, sleep, sleepForever } from '../kernel/waits.ts';
import type { TaskNode, TaskTree } from './tree.ts';
import { taskTree } from './tree.ts';

/** Runs `body` in a group, and returns the tree when all its tasks wait. */
function treeOf(body: (tasks: Group) => void, options = {}): TaskTree {
  return playGroup(function* (tasks) {
    body(tasks);
    yield* sleep(1000);
    const tree = taskTree(options);
    tasks.cancel();
    return tree;
  });
}

/** "name: wait" of the children of the main task, with the number of tasks if it is not 1. */
function childrenOf({ root }: TaskTree): string[] {
  return (root?.children ?? []).map(lineOf);
}

function lineOf({ count, name, state, waitingOn }: TaskNode): string {
  return `${count === 1 ? '' : `${count} × `}${name}: ${waitingOn || state}`;
}

function* nest(depth: number): Operation<void> {
  if (depth === 0) return yield* sleepForever();
  yield* group(function* (tasks) {
    tasks.spawn(() => nest(depth - 1), { name: `level ${depth}` });
  });
}

/** Tasks inside each other that wait in the bodies of their groups. */
function* chain(depth: number): Operation<void> {
  yield* group(function* (tasks) {
    if (depth > 0) tasks.spawn(() => chain(depth - 1));
    yield* sleepForever();
  });
}

describe('the task tree', () => {
  test('shows what each task waits for and since when', () => {
    const tree = treeOf((tasks) => {
      tasks.spawn(() => sleepForever(), { name: 'idle' });
      tasks.spawn(
        function* () {
          yield* sleep(400);
          yield* park(new Parking('the reply'));
        },
        { name: 'client' },
      );
    });
    expect(tree.root).toMatchObject({ id: 1, name: 'main', state: 'running', waitingMs: 0 });
    expect(tree.root?.children).toMatchObject([
      { id: 2, name: 'idle', state: 'waiting', waitingOn: 'sleep forever', waitingMs: 1000 },
      { id: 3, name: 'client', state: 'waiting', waitingOn: 'the reply', waitingMs: 600 },
    ]);
    expect(tree).toMatchObject({ atMs: 1000, shown: 3, omitted: 0, stats: { tasks: 3 } });
  });

  test('shows siblings with similar names in the same wait as one node', () => {
    const tree = treeOf((tasks) => {
      for (let i = 0; i < 100; i++) {
        tasks.spawn(
          function* () {
            yield* sleep(900 - i);
            yield* sleepForever();
          },
          { name: `connection 10.0.0.${i}:${5000 + i}` },
        );
      }
      tasks.spawn(() => park(new Parking('a reply')), { name: 'connection 10.0.0.1:1' });
    });
    expect(childrenOf(tree)).toEqual([
      '100 × connection *: sleep forever',
      'connection 10.0.0.1:1: a reply',
    ]);
    const [connections] = tree.root?.children ?? [];
    expect(connections).toMatchObject({ id: 101, waitingMs: 199 });
    expect(tree.shown).toBe(102);
  });

  test('states the kind of a task whose name has one', () => {
    const tree = treeOf((tasks) => {
      for (const port of [1, 2]) {
        const name = { kind: 'connection', toString: () => `10.0.0.1:${port}` };
        tasks.spawn(() => sleepForever(), { name });
      }
    });
    expect(childrenOf(tree)).toEqual(['2 × connection *: sleep forever']);
  });

  test('keeps seven siblings with children apart and merges eight, with their children', () => {
    const parents = (count: number) => (tasks: Group) => {
      for (let i = 0; i < count; i++) tasks.spawn(() => nest(1), { name: `worker ${i}` });
    };
    expect(childrenOf(treeOf(parents(7)))).toHaveLength(7);
    const merged = treeOf(parents(8)).root?.children ?? [];
    expect(merged.map(lineOf)).toEqual(["8 × worker *: * task of group of 'worker *'"]);
    expect(merged[0]?.children.map(lineOf)).toEqual(['8 × level *: sleep forever']);
  });

  test('shows the children of an expanded task one by one', () => {
    const body = (tasks: Group) => {
      for (let i = 0; i < 20; i++) tasks.spawn(() => sleepForever(), { name: `job ${i}` });
    };
    expect(childrenOf(treeOf(body))).toEqual(['20 × job *: sleep forever']);
    expect(childrenOf(treeOf(body, { expand: [1] }))).toHaveLength(20);
  });

  test('has at most maxNodes nodes, for the largest groups, and counts the others', () => {
    const tree = treeOf(
      (tasks) => {
        for (let i = 0; i < 100; i++) {
          const name = `kind ${'abcdefghij'[i % 10]}${'klmnopqrst'[Math.floor(i / 10)]}`;
          tasks.spawn(() => sleepForever(), { name });
          if (i === 70) for (let j = 0; j < 5; j++) tasks.spawn(() => sleepForever(), { name });
        }
      },
      { maxNodes: 11 },
    );
    expect(tree.root?.children).toHaveLength(10);
    expect(childrenOf(tree)).toContain('6 × kind ar: sleep forever');
    expect(tree.root?.hidden).toBe(90);
    expect(tree).toMatchObject({ shown: 16, omitted: 90, stats: { tasks: 106 } });
  });

  test('shows the outer levels of 50,000 nested tasks', () => {
    const { scheduler } = new VirtualHost();
    scheduler.start(() => chain(50_000));
    while (scheduler.turn() === 0);
    const tree = taskTree({ scheduler, maxNodes: 10_000 });
    expect(tree.shown).toBe(200);
    expect(tree.omitted).toBe(50_001 - 200);
    expect(() => JSON.stringify(tree)).not.toThrow();
  });

  test('asks each of 100,000 waits for its description once and has a bounded size', () => {
    let described = 0;
    class Counted extends Parking {
      override describe(): string {
        described++;
        return 'a reply';
      }
    }
    const tree = treeOf((tasks) => {
      for (let i = 0; i < 100_000; i++) {
        tasks.spawn(() => park(new Counted()), { name: { toString: () => `request ${i}` } });
      }
    });
    expect(childrenOf(tree)).toEqual(['100000 × request *: a reply']);
    expect(described).toBeLessThanOrEqual(100_001);
    expect(JSON.stringify(tree).length).toBeLessThan(2000);
  });

  test('survives names and waits that throw, control characters and names of a megabyte', () => {
    class Thrower extends Parking {
      override describe(): string {
        throw new Error('no description');
      }
    }
    const hostile = {
      toString(): string {
        throw new Error('no name');
      },
    };
    const tree = treeOf((tasks) => {
      tasks.spawn(() => park(new Thrower()), { name: hostile });
      tasks.spawn(() => sleepForever(), { name: '\x1b[2Jclear\n\u202e\u061c' });
      tasks.spawn(() => sleepForever(), { name: 'x'.repeat(1_000_000) });
    });
    const names = tree.root?.children.map(({ name }) => name) ?? [];
    expect(names[0]).toBe('a value that cannot be shown');
    expect(names[1]).toBe('\\x1b[2Jclear\\x0a\\u202e\\u061c');
    expect(names[2]).toHaveLength(160);
    expect(tree.root?.children[0]?.waitingOn).toBe('a value that cannot be shown');
  });

  test('has no root when the program has ended, and outside of programs', () => {
    const host = new VirtualHost();
    host.play(() => sleep(1));
    expect(taskTree({ scheduler: host.scheduler })).toMatchObject({ root: null, shown: 0 });
    expect(taskTree()).toMatchObject({ root: null, atMs: 0, stats: { tasks: 0 } });
  });

  test('can be made in every hook and changes nothing', () => {
    const trees: TaskTree[] = [];
    const seen = new Set<string>();
    const host: { scheduler?: VirtualHost['scheduler'] } = {};
    const observe = (name: keyof Hooks) => () => {
      seen.add(name);
      if (host.scheduler !== undefined) trees.push(taskTree({ scheduler: host.scheduler }));
    };
    const names = ['taskSpawned', 'stepBegins', 'stepEnds', 'taskWaits', 'taskWakes'] as const;
    const more = ['taskCancelled', 'taskFinished', 'batchBegins'] as const;
    const hooks = Object.fromEntries([...names, ...more].map((name) => [name, observe(name)]));
    const virtual = new VirtualHost({ hooks });
    host.scheduler = virtual.scheduler;
    virtual.playGroup(function* (tasks) {
      tasks.spawn(() => sleepForever(), { daemon: true });
      yield* sleep(5);
    });
    expect([...seen].sort()).toEqual([...names, ...more].sort());
    expect(trees.length).toBeGreaterThan(10);
    expect(virtual.warnings).toEqual([]);
  });

  test('shows the source lines of tasks in debug mode', async () => {
    const body = function* (tasks: Group): Operation<TaskTree> {
      tasks.spawn(function* () {
        yield* sleepForever();
      });
      yield* sleep(1);
      const tree = taskTree();
      tasks.cancel();
      return tree;
    };
    const { root } = await run(() => group(body), { debug: true });
    expect(root?.children[0]?.spawnedAt).toContain('tree.test.ts');
    expect(root?.children[0]?.suspendedAt).toContain('tree.test.ts');
  });

  test('shows the newest running program outside of tasks', async () => {
    const stop = new AbortController();
    const options = { name: 'first', signal: stop.signal };
    const first = run(() => sleepForever(), options).catch(() => 'stopped');
    const second = run(() => sleep(0), { name: 'second' });
    expect(taskTree().root).toMatchObject({ name: 'second', state: 'ready' });
    await second;
    expect(taskTree().root).toMatchObject({ name: 'first', state: 'waiting' });
    stop.abort();
    expect(await first).toBe('stopped');
    expect(taskTree().root).toBeNull();
  });

  test('rejects wrong options', () => {
    expect(() => taskTree({ maxNodes: 0 })).toThrow('maxNodes');
    expect(() => taskTree({ expand: 7 } as object)).toThrow('an array of task ids');
    expect(() => taskTree({ maxNode: 5 } as object)).toThrow('did you mean `maxNodes`');
  });
});
