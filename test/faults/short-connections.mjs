/** Many connections with one exchange each. */
import assert from 'node:assert/strict';
import { Client } from './clients.mjs';
import { expectNoGrowth, withServer } from './server-process.mjs';

const CLIENTS = 50;
/** Every fourth connection ends by a reset. */
const RESET_EVERY = 4;
/** The part of the connections that runs before the first measurement. */
const WARM_UP = 0.1;

export const shortConnections = {
  name: 'short-connections',
  title: 'holds no more memory after thousands of connections than after hundreds',
  short: { connections: 3000 },
  long: { connections: 100_000 },

  async run({ connections, backend }) {
    return await withServer({ backend }, async (server) => {
      const warm = Math.round(connections * WARM_UP);
      const began = performance.now();
      await exchange(server.port, warm);
      await server.untilOpen(0);
      const before = await server.measure();
      await exchange(server.port, connections - warm);
      await server.untilOpen(0);
      const after = await server.measure();
      expectNoGrowth(before, after, { heldMb: 3, rssMb: 48 });
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
  const runClient = async () => {
    while (left > 0) {
      const isReset = left-- % RESET_EVERY === 0;
      const client = new Client(port);
      assert.equal(await client.request(50), 'whole');
      if (isReset) client.socket.resetAndDestroy();
      else client.socket.end();
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, runClient));
}
