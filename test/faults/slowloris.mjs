/** Clients that send one byte per second, or none, to occupy connections. */
import assert from 'node:assert/strict';
import { closed, openMany, withBackgroundClients } from './clients.mjs';
import { withServer } from './server-process.mjs';

const LIMITS = {
  firstByteTimeoutMs: 2000,
  minReceiveRate: { bytesPerSecond: 20, graceMs: 2000 },
};

export const slowloris = {
  name: 'slowloris',
  title: 'ends clients that send a byte per second or none, and serves the others',
  short: { connections: 60 },
  long: { connections: 1000 },

  async run({ connections, backend }) {
    return await withServer({ options: LIMITS, backend }, async (server) => {
      const before = await server.measure();
      let most = 0;
      const responses = await withBackgroundClients(server.port, async () => {
        const sockets = await openMany(server.port, connections);
        const slow = sockets.filter((_, index) => !isSilent(index));
        const drip = () => {
          for (const socket of slow) if (!socket.destroyed) socket.write('1');
        };
        const timer = setInterval(drip, 1000);
        drip();
        await server.until('every connection is accepted', async () => {
          most = Math.max(most, (await server.stats()).open);
          return most >= connections;
        });
        await Promise.all(sockets.map((socket) => closed(socket.resume())));
        clearInterval(timer);
      });
      await server.untilOpen(0);
      const after = await server.measure();
      expectReasons(after.stats, connections);
      assert.equal(after.descriptors, before.descriptors);
      const load = `${most} open at once, ${responses} other responses`;
      return { load, faults: connections, lost: 0, before, after };
    });
  },
};

/** Every fourth client sends nothing. */
function isSilent(index) {
  return index % 4 === 0;
}

function expectReasons({ closed: reasons, failed }, connections) {
  const silent = Math.ceil(connections / 4);
  assert.deepEqual(
    { silent: reasons.firstByteTimeoutMs, slow: reasons.minReceiveRate, failed },
    { silent, slow: connections - silent, failed: 0 },
  );
}
