/** The server crashes while a client stores items, on a network that loses and resets. */
import { test } from 'node:test';
import { sleep, tcpServer } from 'coronet';
import { simulateTest } from 'coronet/sim';
import type { Disk } from '../src/store.ts';
import { serveStore, store } from '../src/store.ts';

simulateTest(
  'every item is stored once, although the server crashes',
  function* (world) {
    const disk: Disk = { items: [] };
    let isDone = false;
    const server = world.host('server', () => {
      return tcpServer(25000, (socket) => serveStore(disk, socket));
    });
    world.host('client', function* () {
      for (const item of ['apple', 'pear', 'plum']) yield* store('server:25000', item);
      isDone = true;
    });
    world.always('no item is stored twice', () => new Set(disk.items).size === disk.items.length);
    world.eventually('all items are confirmed', () => isDone, { withinMs: 60_000 });
    yield* sleep(world.random() * 100);
    world.crash(server);
    yield* sleep(world.random() * 1000);
    world.restart(server);
  },
  {
    test,
    runs: 200,
    link: { latencyMs: [1, 20], loss: 0.02 },
    faults: { resets: 0.02, shortReads: 0.2 },
  },
);
