/** One of several worker processes is killed (SIGKILL) while it is busy, again and again. */
import assert from 'node:assert/strict';
import { Load } from './clients.mjs';
import { withTarget } from './server-process.mjs';

const SIZE = 50_000;

export const workerKill = {
  name: 'worker-kill',
  short: { clients: 10, rounds: 1, workers: 2 },
  long: { clients: 50, rounds: 6, workers: 3 },

  async play({ clients, rounds, workers, backend }) {
    return await withTarget({ workers, backend }, async (target) => {
      const staying = new Load(target.port, { clients, size: SIZE, again: true });
      const passing = new Load(target.port, { clients, again: true, perConnection: 1 });
      const loads = [staying, passing];
      const killed = new Set([0]);
      for (let round = 0; round < rounds; round++) {
        killed.add(await killOne(target, passing, round));
      }
      for (const load of loads) await load.stop();
      const sum = (key) => loads.reduce((total, { tally }) => total + tally[key], 0);
      // Nobody was refused, and nobody has lost anything but those whom the killed one served.
      for (const { failedAt } of loads) {
        for (const pid of failedAt.keys()) assert.ok(killed.has(pid), `${pid} was not killed`);
      }
      assert.deepEqual({ refused: sum('refused'), wrong: sum('wrong') }, { refused: 0, wrong: 0 });
      assert.ok(sum('none') + sum('torn') <= rounds * clients * loads.length);
      assert.deepEqual(await target.stop(), { code: 0, signal: null });
      const load =
        `${workers} workers, ${2 * clients} clients, ${sum('whole')} answers, 0 refused; ` +
        `${sum('none') + sum('torn')} ended with the worker that had them`;
      return { load, faults: rounds, lost: 0 };
    });
  },
};

/** Kills a worker that is answering, and waits until its successor answers. */
async function killOne(target, load, round) {
  const ready = () => target.told.filter(({ kind }) => kind === 'ready');
  const alive = () => ready().filter(({ pid }) => isAlive(pid));
  await target.until('workers are ready', () => alive().length > round % 2);
  const { pid } = alive()[round % 2];
  await target.until('it answers', () => load.answeredBy.has(pid));
  const before = ready().length;
  process.kill(pid, 'SIGKILL');
  await target.until('a new one is ready', () => ready().length > before);
  const successor = ready().at(-1).pid;
  await target.until('the new one answers', () => load.answeredBy.has(successor));
  return pid;
}

function isAlive(pid) {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
