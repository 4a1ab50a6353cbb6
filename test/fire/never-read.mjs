/** Clients that ask for bytes without end and read none of them. */
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { beside, openMany } from './clients.mjs';
import { checkFlat, withTarget } from './target.mjs';

export const neverRead = {
  name: 'never-read',
  short: { connections: 20, holdMs: 300, stallMs: 1000 },
  long: { connections: 500, holdMs: 5000, stallMs: 10_000 },

  async play({ connections, holdMs, stallMs, backend }) {
    const server = { sendStallTimeoutMs: stallMs, lingerMs: 500 };
    return await withTarget({ server, backend }, async (target) => {
      const before = await target.figures();
      let stalled = before;
      const answers = await beside(target.port, async () => {
        const sockets = await openMany(target.port, connections);
        for (const socket of sockets) socket.pause().write('feed\n');
        stalled = await sentAll(target);
        await delay(holdMs);
        const later = await target.figures();
        assert.ok(later.stats.open >= connections, 'they are still there');
        checkFlat(stalled, later, { heldMb: 2, rssMb: 16 });
        await target.until('the limit has ended them', async () => {
          return (await target.stats()).closed.sendStallTimeoutMs === connections;
        });
        for (const socket of sockets) socket.destroy();
      });
      await target.untilOpen(0);
      const after = await target.figures();
      checkFlat(before, after);
      assert.equal(after.stats.failed, 0);
      const held = (stalled.rss - before.rss) / connections / 1024;
      const each = `${held.toFixed(0)} KiB each`;
      const load = `${connections} stalled (${each}), ${answers} answers to others`;
      return { load, faults: connections, lost: 0, before, after };
    });
  },
};

/** Waits until the system takes no more bytes: the figures then. */
async function sentAll(target) {
  let last = await target.figures();
  const isStill = async () => {
    const { bytesSent } = last.stats;
    await delay(200);
    last = await target.figures();
    // Those who are served beside go on, with a little.
    return bytesSent > 1e6 && last.stats.bytesSent - bytesSent < 100_000;
  };
  await target.until('nothing is taken any more', isStill);
  return last;
}
