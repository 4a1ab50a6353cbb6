/** Many connections, one exchange each: what is left of them is nothing. */
import assert from 'node:assert/strict';
import { Client } from './clients.mjs';
import { checkFlat, withTarget } from './server-process.mjs';

const CLIENTS = 50;
/** Of so many connections one ends by a reset. */
const RESET_EVERY = 4;
/** So much is played before the figures are taken that the others are compared with. */
const WARM_UP = 0.1;

export const shortConnections = {
  name: 'short-connections',
  short: { connections: 3000 },
  long: { connections: 100_000 },

  async play({ connections, backend }) {
    return await withTarget({ backend }, async (target) => {
      const warm = Math.round(connections * WARM_UP);
      const began = performance.now();
      await exchange(target.port, warm);
      await target.untilOpen(0);
      const before = await target.figures();
      await exchange(target.port, connections - warm);
      await target.untilOpen(0);
      const after = await target.figures();
      checkFlat(before, after, { heldMb: 3, rssMb: 48 });
      assert.equal(after.stats.failed, 0);
      assert.equal(after.stats.accepted, connections);
      const rate = Math.round(connections / ((performance.now() - began) / 1000));
      const load = `${connections} connections, ${rate}/s`;
      return { load, faults: Math.floor(connections / RESET_EVERY), lost: 0, before, after };
    });
  },
};

async function exchange(port, count) {
  let left = count;
  const one = async () => {
    while (left > 0) {
      const isReset = left-- % RESET_EVERY === 0;
      const client = new Client(port);
      assert.equal(await client.ask(50), 'whole');
      if (isReset) client.socket.resetAndDestroy();
      else client.socket.end();
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, one));
}
