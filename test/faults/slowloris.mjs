/** Clients that send a byte a second, or none at all, to hold what the server has to give. */
import assert from 'node:assert/strict';
import { beside, closed, openMany } from './clients.mjs';
import { withTarget } from './server-process.mjs';

const FIRST_BYTE_MS = 2000;
const LIMITS = {
  firstByteTimeoutMs: FIRST_BYTE_MS,
  minReceiveRate: { bytesPerSecond: 20, graceMs: 2000 },
};

export const slowloris = {
  name: 'slowloris',
  short: { connections: 60 },
  long: { connections: 1000 },

  async play({ connections, backend }) {
    return await withTarget({ server: LIMITS, backend }, async (target) => {
      const before = await target.figures();
      let most = 0;
      const answers = await beside(target.port, async () => {
        const slow = await openMany(target.port, connections);
        const isSilent = (i) => i % 4 === 0;
        const drip = setInterval(() => {
          for (const [i, socket] of slow.entries()) {
            if (!isSilent(i) && !socket.destroyed) socket.write('1');
          }
        }, 1000);
        for (const [i, socket] of slow.entries()) if (!isSilent(i)) socket.write('1');
        await target.until('all are served', async () => {
          most = Math.max(most, (await target.stats()).open);
          return most >= connections;
        });
        await Promise.all(slow.map((socket) => closed(socket.resume())));
        clearInterval(drip);
      });
      await target.untilOpen(0);
      const after = await target.figures();
      const { closed: by, failed } = after.stats;
      const silent = Math.ceil(connections / 4);
      assert.deepEqual(
        { silent: by.firstByteTimeoutMs, slow: by.minReceiveRate, failed },
        { silent, slow: connections - silent, failed: 0 },
      );
      assert.equal(after.descriptors, before.descriptors);
      return {
        load: `${most} open at once, ${answers} answers to others`,
        faults: connections,
        lost: 0,
        before,
        after,
      };
    });
  },
};
