import { expect, test } from 'vitest';
import type { Operation } from '../index.ts';
import { group, run, sleep, tcpServer } from '../index.ts';
import type { InspectSnapshot } from './snapshot.ts';
import { inspectSnapshot } from './snapshot.ts';

test('a snapshot has the process, the network and the tasks, all of it as JSON', async () => {
  const snapshot = await run(() =>
    group(function* (tasks) {
      tasks.spawn(() => tcpServer({ host: '127.0.0.1', port: 0 }, function* () {}));
      yield* sleep(1);
      const taken = inspectSnapshot({ lagMs: 7 });
      tasks.cancel();
      return taken;
    }),
  );
  expect(snapshot).toMatchObject({
    version: 1,
    pid: process.pid,
    node: process.version,
    loop: { lagMs: 7 },
    network: { listeners: 1 },
  });
  expect(snapshot.coronet).toMatch(/^\d+\.\d+\.\d+/);
  expect(snapshot.memory.rss).toBeGreaterThan(0);
  expect(snapshot.tree.root?.children.map(({ name }) => name)).not.toEqual([]);
  expect(JSON.parse(JSON.stringify(snapshot))).toEqual(snapshot);
});

test('a snapshot outside of programs has no tasks', () => {
  expect(inspectSnapshot()).toMatchObject({ pid: 0, tree: { root: null }, servers: [] });
});

test('the title of the process has no control characters in a snapshot', async () => {
  const { title } = process;
  process.title = 'x\x1b[2J';
  try {
    const snapshot = await run(function* (): Operation<InspectSnapshot> {
      yield* sleep(0);
      return inspectSnapshot();
    });
    expect(snapshot.title).toBe('x\\x1b[2J');
  } finally {
    process.title = title;
  }
});
