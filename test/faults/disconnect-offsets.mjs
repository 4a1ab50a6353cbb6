/** Clients that end at every byte of an exchange: of the question, and of the answer. */
import assert from 'node:assert/strict';
import { beside, closed, open } from './clients.mjs';
import { withTarget } from './server-process.mjs';

const QUESTION = '12345 64\n';
const SIZE = 64;

/** How a client ends: as the system ends those of a killed process, by a reset, in order. */
const ENDS = {
  killed: (socket) => socket.destroy(),
  reset: (socket) => socket.resetAndDestroy(),
  finished: (socket) => socket.resume().end(),
};

export const offsets = {
  name: 'offsets',
  short: { rounds: 1 },
  long: { rounds: 20 },

  async play({ rounds, backend }) {
    return await withTarget({ server: { lingerMs: 200 }, backend }, async (target) => {
      const before = await target.figures();
      let faults = 0;
      const answers = await beside(target.port, async () => {
        for (let round = 0; round < rounds; round++) faults += await playRound(target);
      });
      await target.untilOpen(0);
      const after = await target.figures();
      assert.equal(after.stats.failed, 0);
      assert.equal(after.descriptors, before.descriptors);
      const load = `${faults} offsets × ends, ${answers} answers to others`;
      return { load, faults, lost: 0, before, after };
    });
  },
};

async function playRound(target) {
  let faults = 0;
  const whole = `12345 ${target.pid} ${SIZE}\n`.length + SIZE;
  for (const end of Object.values(ENDS)) {
    const ends = [];
    for (let at = 0; at <= QUESTION.length; at++) ends.push(endWithinQuestion(target, at, end));
    for (let at = 0; at <= whole; at++) ends.push(endWithinAnswer(target, at, end));
    await Promise.all(ends);
    faults += ends.length;
  }
  return faults;
}

async function endWithinQuestion(target, at, end) {
  const socket = open(target.port);
  if (at === 0) socket.once('connect', () => end(socket));
  else socket.write(QUESTION.slice(0, at), () => end(socket));
  await closed(socket);
}

/** Ends when `at` bytes were read, one by one: the rest is still with the system. */
async function endWithinAnswer(target, at, end) {
  let read = 0;
  const callback = () => {
    read++;
    if (read !== at) return true;
    end(socket);
    return false;
  };
  const socket = open(target.port, { onread: { buffer: Buffer.alloc(1), callback } });
  socket.write(QUESTION, () => {
    if (at === 0) end(socket);
  });
  await closed(socket);
  assert.ok(read >= at, `${read} bytes came, and ${at} were waited for`);
}
