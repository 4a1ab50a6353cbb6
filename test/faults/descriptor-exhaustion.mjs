/** More clients than the server has descriptors for (`ulimit -n`), again and again. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { Client, open } from './clients.mjs';
import { withTarget } from './server-process.mjs';

const DESCRIPTORS = 64;

export const descriptors = {
  name: 'descriptors',
  short: { connections: 100, rounds: 1 },
  long: { connections: 300, rounds: 3 },

  /** Why it cannot be played here. */
  unable() {
    const { error } = spawnSync('prlimit', ['--version']);
    return error === undefined ? undefined : 'prlimit (util-linux) is not installed';
  },

  async play({ connections, rounds, backend }) {
    // A limit that is never reached, so that the system's is: EMFILE. JSON has no Infinity.
    const config = { server: { maxConnections: 2 ** 31 - 1, lingerMs: 200 }, backend };
    const play = async (target) => {
      limit(target.pid);
      const before = await target.figures();
      let most = 0;
      let cpu = 0;
      for (let round = 0; round < rounds; round++) {
        const figures = await exhaust(target, connections);
        most = Math.max(most, figures.most);
        cpu = Math.max(cpu, figures.cpu);
        await target.untilOpen(0);
        await checkRecovered(target);
      }
      await target.untilOpen(0);
      const after = await target.figures();
      const warnings = target.stderr.split('\n').filter((line) => line !== '').length;
      assert.ok(warnings <= 2 * rounds + 2, `${warnings} warnings:\n${target.stderr}`);
      assert.equal(after.stats.failed, 0);
      assert.equal(after.descriptors, before.descriptors);
      const { shed } = after.stats.refused;
      const load =
        `${connections} clients, ${DESCRIPTORS} descriptors, ${most} open, ${shed} shed, ` +
        `${Math.round(cpu * 100)} % CPU meanwhile, ${warnings} warnings`;
      return { load, faults: connections * rounds, lost: 0, before, after };
    };
    return await withTarget(config, play);
  },
};

/**
 * As `ulimit -n` would, once the program is loaded: Node reads the files of an import side by side,
 * with a descriptor each, and would not come so far.
 */
function limit(pid) {
  execFileSync('prlimit', ['--pid', `${pid}`, `--nofile=${DESCRIPTORS}:${DESCRIPTORS}`]);
}

/** More clients come than can be served; they stay for a while, and then they go. */
async function exhaust(target, connections) {
  const sockets = Array.from({ length: connections }, () => open(target.port));
  await target.until('no descriptor is left', () => target.descriptors() >= DESCRIPTORS - 2);
  // Past the time after which those who wait are shed.
  const cpuBefore = target.cpuMs();
  const began = performance.now();
  await delay(3000);
  const cpu = (target.cpuMs() - cpuBefore) / (performance.now() - began);
  assert.ok(cpu < 0.5, `it spins: ${Math.round(cpu * 100)} % of a processor`);
  const most = (await target.stats()).open;
  for (const socket of sockets) socket.destroy();
  return { most, cpu };
}

async function checkRecovered(target) {
  const client = new Client(target.port);
  assert.equal(await client.ask(1000), 'whole');
  client.socket.destroy();
}
