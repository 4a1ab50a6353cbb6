/** SIGKILL for one of several busy worker processes, repeatedly. */
import assert from 'node:assert/strict';
import { Load } from './clients.mjs';
import { withServer } from './server-process.mjs';

const SIZE = 50_000;

export const workerKill = {
  name: 'worker-kill',
  title: 'loses no response of other workers and refuses no connection when a worker is killed',
  short: { clients: 10, rounds: 1, workers: 2 },
  long: { clients: 50, rounds: 6, workers: 3 },

  async run({ clients, rounds, workers, backend }) {
    return await withServer({ workers, backend }, async (server) => {
      const long = new Load(server.port, { clients, size: SIZE, reconnect: true });
      const brief = new Load(server.port, { clients, reconnect: true, perConnection: 1 });
      const loads = [long, brief];
      const killed = new Set([0]);
      for (let round = 0; round < rounds; round++) {
        killed.add(await killWorker(server, brief, round));
      }
      for (const load of loads) await load.stop();
      const sum = (key) => loads.reduce((total, { outcomes }) => total + outcomes[key], 0);
      // Only clients of a killed worker have lost a response.
      for (const { failedAt } of loads) {
        for (const pid of failedAt.keys()) assert.ok(killed.has(pid), `${pid} was not killed`);
      }
      assert.deepEqual({ refused: sum('refused'), wrong: sum('wrong') }, { refused: 0, wrong: 0 });
      assert.ok(sum('none') + sum('torn') <= rounds * clients * loads.length);
      assert.deepEqual(await server.stop(), { code: 0, signal: null });
      const load =
        `${workers} workers, ${2 * clients} clients, ${sum('whole')} responses, 0 refused; ` +
        `${sum('none') + sum('torn')} ended with their worker`;
      return { load, faults: rounds, lost: 0 };
    });
  },
};

/** Kills a worker that is serving and waits until its replacement serves. */
async function killWorker(server, load, round) {
  const ready = () => server.messages.filter(({ kind }) => kind === 'ready');
  const alive = () => ready().filter(({ pid }) => isAlive(pid));
  await server.until('workers are ready', () => alive().length > round % 2);
  const { pid } = alive()[round % 2];
  await server.until('the worker serves', () => load.answeredBy.has(pid));
  const before = ready().length;
  process.kill(pid, 'SIGKILL');
  await server.until('the replacement is ready', () => ready().length > before);
  const replacement = ready().at(-1).pid;
  await server.until('the replacement serves', () => load.answeredBy.has(replacement));
  return pid;
}

function isAlive(pid) {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
