/** Connections that are opened and abandoned half-way, at several places, some without a word. */
import assert from 'node:assert/strict';
import { beside, openMany, STEADY } from './clients.mjs';
import { checkFlat, withTarget } from './server-process.mjs';

const LIMITS = { firstByteTimeoutMs: 2000, idleTimeoutMs: 2000, lingerMs: 1000 };

/** What each connection does before nobody is there any more. */
const WAYS = [
  // The machine behind it was switched off: no end, no reset, nothing any more.
  () => {},
  (socket) => void socket.write('1 10'),
  (socket) => void socket.pause().write('1 1000000\n'),
  // Its process has ended.
  (socket) => void socket.destroy(),
  (socket) => socket.write('1 10', () => socket.destroy()),
  (socket) => socket.pause().write('1 1000000\n', () => socket.destroy()),
  (socket) => socket.write('1 10', () => socket.resetAndDestroy()),
  // It has finished, within a request, and does not close.
  (socket) => void socket.end('1 10'),
];

export const abandoned = {
  name: 'abandoned',
  short: { connections: 200 },
  long: { connections: 5000 },

  async play({ connections, backend }) {
    return await withTarget({ server: LIMITS, backend }, async (target) => {
      const before = await target.figures();
      let sockets = [];
      const answers = await beside(target.port, async () => {
        sockets = await openMany(target.port, connections, { allowHalfOpen: true });
        for (const [i, socket] of sockets.entries()) WAYS[i % WAYS.length](socket);
        await target.until('the limits have ended them', async () => {
          const { open, closed } = await target.stats();
          // Those of `beside` are served on.
          return open <= STEADY && closed.firstByteTimeoutMs > 0 && closed.idleTimeoutMs > 0;
        });
      });
      await target.untilOpen(0);
      const after = await target.figures();
      for (const socket of sockets) socket.destroy();
      assert.equal(after.stats.failed, 0);
      checkFlat(before, after);
      const load = `${connections} in ${WAYS.length} ways, ${answers} answers to others`;
      return { load, faults: connections, lost: 0, before, after };
    });
  },
};
