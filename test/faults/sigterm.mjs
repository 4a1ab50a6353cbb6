/** SIGTERM while the server is busy: every response that it has begun is received whole. */
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { Load } from './clients.mjs';
import { withServer } from './server-process.mjs';

/** Responses of one segment, of several, and larger than the send buffer. */
const SIZES = [100, 60_000, 3_000_000];

export const sigterm = {
  name: 'sigterm',
  title: 'completes the response to every request that it has read before SIGTERM',
  short: { clients: 4, rounds: 1 },
  long: { clients: 50, rounds: 10 },

  async run({ clients, rounds, backend }) {
    const sum = { whole: 0, after: 0, late: 0, refused: 0 };
    for (let round = 0; round < rounds; round++) {
      const counts = await runRound(clients, round, backend);
      for (const key of Object.keys(sum)) sum[key] += counts[key];
    }
    const load =
      `${clients * (SIZES.length + 1)} clients, ${sum.whole} responses, ${sum.after} of them ` +
      `after the signal; ${sum.late} requests after the end of a connection, ${sum.refused} ` +
      'connections after the end of the server';
    return { load, faults: rounds, lost: 0 };
  },
};

async function runRound(clients, round, backend) {
  return await withServer({ backend, graceMs: 30_000 }, async (server) => {
    const { port } = server;
    const loads = SIZES.map((size) => new Load(port, { clients, size }));
    // Short connections, so that the signal arrives while some of them begin.
    const brief = new Load(port, { clients, reconnect: true, perConnection: 1 });
    loads.push(brief);
    await server.until('every load is served', () => {
      return loads.every(({ outcomes }) => outcomes.whole > clients);
    });
    // The signal arrives at another point of the exchanges in each round.
    await delay(round % 10);
    const before = loads.reduce((sum, { outcomes }) => sum + outcomes.whole, 0);
    assert.deepEqual(await server.stop(), { code: 0, signal: null }, server.stderr);
    await Promise.all(loads.map((load) => (load === brief ? load.stop() : load.done())));
    return check(server, loads, before);
  });
}

function check(server, loads, before) {
  const { cut, requests, responses } = server.messages.find((message) => message.cut !== undefined);
  const sum = (key) => loads.reduce((total, { outcomes }) => total + outcomes[key], 0);
  const whole = sum('whole');
  // Every request that was read has a response, and every response was received whole.
  assert.deepEqual(
    { cut, responses, whole, torn: sum('torn'), wrong: sum('wrong') },
    { cut: 0, responses: requests, whole: requests, torn: 0, wrong: 0 },
  );
  return { whole, after: whole - before, late: sum('none'), refused: sum('refused') };
}
