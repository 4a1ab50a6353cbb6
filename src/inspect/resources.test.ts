import { describe, expect, test } from 'vitest';
import { backends } from '../../test/support/backends.ts';
import { playGroup } from '../../test/support/kernel/virtual-host.ts';
import { resultOf } from '../../test/support/simulation.ts';
import type { Operation } from '../index.ts';
import {
  Channel,
  connect,
  group,
  Lock,
  listen,
  Semaphore,
  select,
  sleep,
  sleepForever,
} from '../index.ts';
import type { ResourceViews } from './resources.ts';
import { taskTree } from './tree.ts';

describe('the resources of a task tree', () => {
  test('are the locks that are held or waited for, with their holders and waiters', () => {
    playGroup(function* (tasks) {
      const db = new Lock('db');
      const slots = new Semaphore(2, 'slots');
      const quiet = new Lock('quiet');
      const writer = (): Operation<void> => db.with(() => sleepForever());
      for (let i = 0; i < 3; i++) tasks.spawn(writer, { name: `writer ${i}` });
      tasks.spawn(() => slots.with(() => sleepForever()), { name: 'user' });
      tasks.spawn(() => quiet.with(() => sleepForever()), { name: 'owner' });
      yield* sleep(1);
      expect(taskTree().resources.locks).toEqual([
        { name: "lock 'db'", holders: ["task 2 'writer 0'"], waiters: 2 },
        { name: "semaphore 'slots'", holders: ["task 5 'user'"], waiters: 0 },
        { name: "lock 'quiet'", holders: ["task 6 'owner'"], waiters: 0 },
      ]);
      tasks.cancel();
    });
  });

  test('are the channels for which tasks wait, with their fill, also as cases of a select', () => {
    playGroup(function* (tasks) {
      const jobs = new Channel<number>(1, 'jobs');
      const results = new Channel<number>(Infinity, 'results');
      for (let i = 0; i < 3; i++) tasks.spawn(() => jobs.send(i));
      tasks.spawn(() => select({ result: results.receive(), late: sleep(1000) }));
      yield* sleep(1);
      expect(taskTree().resources.channels).toEqual([
        { name: "channel 'jobs'", size: 1, capacity: 1, senders: 2, receivers: 0 },
        { name: "channel 'results'", size: 0, capacity: null, senders: 0, receivers: 1 },
      ]);
      tasks.cancel();
    });
  });

  test('are bounded, those with the most waiters first, and count what is left out', () => {
    playGroup(function* (tasks) {
      for (let i = 0; i < 100; i++) {
        const lock = new Lock(`${i}`);
        for (let j = 0; j <= i % 50; j++) tasks.spawn(() => lock.with(() => sleepForever()));
      }
      yield* sleep(1);
      const { locks, omitted } = taskTree().resources;
      expect(locks).toHaveLength(20);
      expect(locks[0]).toMatchObject({ name: "lock '49'", waiters: 49 });
      expect(omitted).toBe(80);
      tasks.cancel();
    });
  });

  test.each(backends)('are the sockets and listeners on $name', async (backend) => {
    const resources = await backend.run(() =>
      group(function* (tasks): Operation<ResourceViews> {
        const listener = yield* listen({ host: '127.0.0.1', port: 0 });
        const client = yield* connect(listener.address);
        const accepted = yield* listener.accept();
        tasks.spawn(() => accepted.recv(), { name: 'reader' });
        yield* sleep(1);
        const { resources: found } = taskTree();
        tasks.cancel();
        for (const each of [client, accepted, listener]) each.close();
        return found;
      }),
    );
    expect(resources.listeners).toMatchObject([{ queued: 0 }]);
    expect(resources.listeners[0]?.address).toMatch(/:\d+$/);
    expect(resources.sockets).toMatchObject({
      connections: 2,
      listeners: 1,
      receiving: 1,
      sending: 0,
      longest: [{ direction: 'recv', task: "task 2 'reader'" }],
    });
  });

  test('belong to one host of a simulation, in virtual time', async () => {
    const tree = await resultOf(function* (world) {
      world.host('server', function* () {
        const listener = yield* listen(80);
        yield* listener.accept();
        yield* sleepForever();
      });
      yield* sleep(10);
      const socket = yield* connect('server:80');
      return yield* group(function* (tasks) {
        tasks.spawn(() => socket.recv(), { name: 'reader' });
        yield* sleep(60_000);
        const found = taskTree();
        tasks.cancel();
        socket.close();
        return found;
      });
    });
    expect(tree.resources).toMatchObject({ listeners: [], sockets: { connections: 1 } });
    expect(tree.resources.sockets.longest).toMatchObject([{ waitingMs: 60_000 }]);
  });
});
