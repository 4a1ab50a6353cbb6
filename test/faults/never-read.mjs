/** Clients that request an endless response and read none of it. */
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { openMany, withBackgroundClients } from './clients.mjs';
import { expectNoGrowth, withServer } from './server-process.mjs';

export const neverRead = {
  name: 'never-read',
  title: 'buffers nothing for clients that never read, and ends them',
  short: { connections: 20, waves: 1, holdMs: 300, stallMs: 1500 },
  long: { connections: 500, waves: 3, holdMs: 3000, stallMs: 6000 },

  async run({ connections, waves, holdMs, stallMs, backend }) {
    const options = { sendStallTimeoutMs: stallMs, lingerMs: 500 };
    return await withServer({ options, backend }, async (server) => {
      const before = await server.measure();
      let responses = 0;
      let rss = 0;
      let first = before;
      let after = before;
      for (let wave = 1; wave <= waves; wave++) {
        responses += await withBackgroundClients(server.port, async () => {
          const stalled = await stall(server, connections, holdMs);
          rss = Math.max(rss, stalled.rss);
          await server.until('the timeout has ended the connections', async () => {
            return (await server.stats()).closed.sendStallTimeoutMs === wave * connections;
          });
        });
        await server.untilOpen(0);
        after = await server.measure();
        if (wave === 1) first = after;
      }
      // malloc keeps memory for the next wave, which must be enough for that wave.
      expectNoGrowth(before, after, { rssMb: Infinity });
      expectNoGrowth(first, after);
      assert.equal(after.stats.failed, 0);
      const each = `${((rss - before.rss) / connections / 1024).toFixed(0)} KiB each`;
      const load = `${waves} × ${connections} stalled (${each}), ${responses} other responses`;
      return { load, faults: waves * connections, lost: 0, before, after };
    });
  },
};

/** Stalls `connections` connections and checks that memory does not grow while they are stalled. */
async function stall(server, connections, holdMs) {
  const sockets = await openMany(server.port, connections);
  for (const socket of sockets) socket.pause().write('feed\n');
  const stalled = await untilFull(server);
  await delay(holdMs);
  const after = await server.measure();
  expectNoGrowth(stalled, after, { heldMb: 2, rssMb: 16, descriptors: false });
  return stalled;
}

/** Waits until the system accepts no more bytes. Returns the measurement at that time. */
async function untilFull(server) {
  let last = await server.measure();
  await server.until('the send buffers are full', async () => {
    const { bytesSent } = last.stats;
    await delay(200);
    last = await server.measure();
    // The background clients still receive a little.
    return bytesSent > 1e6 && last.stats.bytesSent - bytesSent < 100_000;
  });
  return last;
}
