/** The server is asked to end while it is busy: what it has begun to answer comes whole. */
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { Load } from './clients.mjs';
import { withTarget } from './server-process.mjs';

/** Answers of one piece, of several, and longer than what the system holds for a connection. */
const SIZES = [100, 60_000, 3_000_000];

export const sigterm = {
  name: 'sigterm',
  short: { clients: 4, rounds: 1 },
  long: { clients: 50, rounds: 10 },

  async play({ clients, rounds, backend }) {
    const sum = { whole: 0, after: 0, late: 0, refused: 0 };
    for (let round = 0; round < rounds; round++) {
      const some = await playRound(clients, round, backend);
      for (const key of Object.keys(sum)) sum[key] += some[key];
    }
    const load =
      `${clients * (SIZES.length + 1)} clients, ${sum.whole} answers, ${sum.after} of them after ` +
      `the signal; ${sum.late} questions came after the end of a connection, ${sum.refused} ` +
      'connections after that of the server';
    return { load, faults: rounds, lost: 0 };
  },
};

async function playRound(clients, round, backend) {
  return await withTarget({ server: {}, backend, graceMs: 30_000 }, async (target) => {
    const { port } = target;
    const loads = SIZES.map((size) => new Load(port, { clients, size }));
    // Connections that come and go, so that the signal meets some at their beginning.
    const passing = new Load(port, { clients, again: true, perConnection: 1 });
    loads.push(passing);
    await target.until('all are served', () => loads.every(({ tally }) => tally.whole > clients));
    // Not at the same place of their exchanges each time.
    await delay(round % 10);
    const before = loads.reduce((sum, { tally }) => sum + tally.whole, 0);
    assert.deepEqual(await target.stop(), { code: 0, signal: null }, target.stderr);
    await Promise.all(loads.map((load) => (load === passing ? load.stop() : load.over())));
    return check(target, loads, before);
  });
}

function check(target, loads, before) {
  const { cut, asked, answered } = target.told.find((told) => told.cut !== undefined);
  const sum = (key) => loads.reduce((total, { tally }) => total + tally[key], 0);
  const whole = sum('whole');
  // Every question that was read has an answer, every answer has come, and none in part.
  assert.deepEqual(
    { cut, answered, whole, torn: sum('torn'), wrong: sum('wrong') },
    { cut: 0, answered: asked, whole: asked, torn: 0, wrong: 0 },
  );
  return { whole, after: whole - before, late: sum('none'), refused: sum('refused') };
}
