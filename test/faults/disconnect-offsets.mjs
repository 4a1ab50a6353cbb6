/** Clients that disconnect after every byte of a request and of a response. */
import assert from 'node:assert/strict';
import { closed, open, withBackgroundClients } from './clients.mjs';
import { withServer } from './server-process.mjs';

const REQUEST = '12345 64\n';
const SIZE = 64;

/** The end of a client: as after the end of its process, with RST, with FIN. */
const DISCONNECTS = [
  (socket) => socket.destroy(),
  (socket) => socket.resetAndDestroy(),
  (socket) => socket.resume().end(),
];

export const disconnectOffsets = {
  name: 'disconnect-offsets',
  title: 'survives clients that disconnect at any byte of an exchange',
  short: { rounds: 1 },
  long: { rounds: 20 },

  async run({ rounds, backend }) {
    return await withServer({ options: { lingerMs: 200 }, backend }, async (server) => {
      const before = await server.measure();
      let faults = 0;
      const responses = await withBackgroundClients(server.port, async () => {
        for (let round = 0; round < rounds; round++) faults += await runRound(server);
      });
      await server.untilOpen(0);
      const after = await server.measure();
      assert.equal(after.stats.failed, 0);
      assert.equal(after.descriptors, before.descriptors);
      const load = `${faults} disconnects, ${responses} other responses`;
      return { load, faults, lost: 0, before, after };
    });
  },
};

async function runRound(server) {
  let faults = 0;
  const length = `12345 ${server.pid} ${SIZE}\n`.length + SIZE;
  for (const disconnect of DISCONNECTS) {
    const clients = [];
    for (let at = 0; at <= REQUEST.length; at++) clients.push(inRequest(server, at, disconnect));
    for (let at = 0; at <= length; at++) clients.push(inResponse(server, at, disconnect));
    await Promise.all(clients);
    faults += clients.length;
  }
  return faults;
}

/** Disconnects after it has sent `at` bytes. */
async function inRequest(server, at, disconnect) {
  const socket = open(server.port);
  if (at === 0) socket.once('connect', () => disconnect(socket));
  else socket.write(REQUEST.slice(0, at), () => disconnect(socket));
  await closed(socket);
}

/** Disconnects after it has read `at` bytes, one by one. The rest is in the receive buffer. */
async function inResponse(server, at, disconnect) {
  let read = 0;
  const callback = () => {
    read++;
    if (read !== at) return true;
    disconnect(socket);
    return false;
  };
  const socket = open(server.port, { onread: { buffer: Buffer.alloc(1), callback } });
  socket.write(REQUEST, () => {
    if (at === 0) disconnect(socket);
  });
  await closed(socket);
  assert.ok(read >= at, `Expected at least ${at} bytes, got ${read}`);
}
