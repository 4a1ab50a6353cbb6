/** Clients that ask for bytes without end and read none of them. */
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { beside, openMany } from './clients.mjs';
import { checkFlat, withTarget } from './server-process.mjs';

export const neverRead = {
  name: 'never-read',
  short: { connections: 20, waves: 1, holdMs: 300, stallMs: 1500 },
  long: { connections: 500, waves: 3, holdMs: 3000, stallMs: 6000 },

  async play({ connections, waves, holdMs, stallMs, backend }) {
    const server = { sendStallTimeoutMs: stallMs, lingerMs: 500 };
    return await withTarget({ server, backend }, async (target) => {
      const before = await target.figures();
      let answers = 0;
      let most = 0;
      let first = before;
      let after = before;
      for (let wave = 1; wave <= waves; wave++) {
        answers += await beside(target.port, async () => {
          const stalled = await stall(target, connections, holdMs);
          most = Math.max(most, stalled.rss);
          await target.until('the limit has ended them', async () => {
            return (await target.stats()).closed.sendStallTimeoutMs === wave * connections;
          });
        });
        await target.untilOpen(0);
        after = await target.figures();
        if (wave === 1) first = after;
      }
      // What the process keeps for the next wave (malloc) is enough for that.
      checkFlat(before, after, { rssMb: Infinity });
      checkFlat(first, after);
      assert.equal(after.stats.failed, 0);
      const each = `${((most - before.rss) / connections / 1024).toFixed(0)} KiB each`;
      const load = `${waves} × ${connections} stalled (${each}), ${answers} answers to others`;
      return { load, faults: waves * connections, lost: 0, before, after };
    });
  },
};

/** Connections that are sent to until nothing is taken; memory stands still then: the figures. */
async function stall(target, connections, holdMs) {
  const sockets = await openMany(target.port, connections);
  for (const socket of sockets) socket.pause().write('feed\n');
  const stalled = await sentAll(target);
  await delay(holdMs);
  checkFlat(stalled, await target.figures(), { heldMb: 2, rssMb: 16, descriptors: false });
  return stalled;
}

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
