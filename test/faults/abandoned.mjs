/** Connections that are abandoned in the middle of an exchange, some without FIN or RST. */
import assert from 'node:assert/strict';
import { BACKGROUND_CLIENTS, openMany, withBackgroundClients } from './clients.mjs';
import { expectNoGrowth, withServer } from './server-process.mjs';

const LIMITS = { firstByteTimeoutMs: 2000, idleTimeoutMs: 2000, lingerMs: 1000 };

const ABANDON = [
  // The peer is silent, as after a power failure: no FIN, no RST.
  () => {},
  (socket) => void socket.write('1 10'),
  (socket) => void socket.pause().write('1 1000000\n'),
  // The process of the peer ends.
  (socket) => void socket.destroy(),
  (socket) => socket.write('1 10', () => socket.destroy()),
  (socket) => socket.pause().write('1 1000000\n', () => socket.destroy()),
  (socket) => socket.write('1 10', () => socket.resetAndDestroy()),
  // The peer shuts down its sending direction within a request and does not close.
  (socket) => void socket.end('1 10'),
];

export const abandoned = {
  name: 'abandoned',
  title: 'releases connections that are abandoned in the middle of an exchange',
  short: { connections: 200 },
  long: { connections: 5000 },

  async run({ connections, backend }) {
    return await withServer({ options: LIMITS, backend }, async (server) => {
      const before = await server.measure();
      let sockets = [];
      const responses = await withBackgroundClients(server.port, async () => {
        sockets = await openMany(server.port, connections, { allowHalfOpen: true });
        for (const [i, socket] of sockets.entries()) ABANDON[i % ABANDON.length](socket);
        await server.until('the timeouts have ended the connections', async () => {
          const { open, closed } = await server.stats();
          const areAllEnded = open <= BACKGROUND_CLIENTS;
          return areAllEnded && closed.firstByteTimeoutMs > 0 && closed.idleTimeoutMs > 0;
        });
      });
      await server.untilOpen(0);
      const after = await server.measure();
      for (const socket of sockets) socket.destroy();
      assert.equal(after.stats.failed, 0);
      expectNoGrowth(before, after);
      const load = `${connections} in ${ABANDON.length} ways, ${responses} other responses`;
      return { load, faults: connections, lost: 0, before, after };
    });
  },
};
