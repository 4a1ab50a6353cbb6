/** More clients than the server has descriptors (`ulimit -n`), repeatedly. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { Client, open } from './clients.mjs';
import { withServer } from './server-process.mjs';

const DESCRIPTORS = 64;

export const descriptorExhaustion = {
  name: 'descriptor-exhaustion',
  title: 'recovers when it runs out of descriptors, and does not spin meanwhile',
  short: { connections: 100, rounds: 1 },
  long: { connections: 300, rounds: 3 },

  skipReason() {
    const { error } = spawnSync('prlimit', ['--version']);
    return error === undefined ? undefined : 'prlimit (util-linux) is not installed';
  },

  async run({ connections, rounds, backend }) {
    // The limit of the server is higher than that of the system, so that accept fails (EMFILE).
    const config = { options: { maxConnections: 100_000, lingerMs: 200 }, backend };
    return await withServer(config, async (server) => {
      limitDescriptors(server.pid);
      const before = await server.measure();
      const peaks = [];
      for (let round = 0; round < rounds; round++) {
        peaks.push(await exhaust(server, connections));
        await server.untilOpen(0);
        await expectService(server);
      }
      await server.untilOpen(0);
      const after = await server.measure();
      const warnings = server.stderr.split('\n').filter((line) => line !== '').length;
      assert.ok(warnings <= 2 * rounds + 2, `${warnings} warnings:\n${server.stderr}`);
      assert.equal(after.stats.failed, 0);
      assert.equal(after.descriptors, before.descriptors);
      const [open, cpu] = ['open', 'cpu'].map((key) => Math.max(...peaks.map((at) => at[key])));
      const load =
        `${connections} clients, ${DESCRIPTORS} descriptors, ${open} open, ` +
        `${after.stats.refused.shed} shed, ${Math.round(cpu * 100)} % CPU, ${warnings} warnings`;
      return { load, faults: connections * rounds, lost: 0, before, after };
    });
  },
};

/**
 * Sets the limit after the program is loaded: Node opens the files of an import at the same time
 * and would run out of descriptors.
 */
function limitDescriptors(pid) {
  execFileSync('prlimit', ['--pid', `${pid}`, `--nofile=${DESCRIPTORS}:${DESCRIPTORS}`]);
}

/** Opens more connections than the server can accept, and closes them after three seconds. */
async function exhaust(server, connections) {
  const sockets = Array.from({ length: connections }, () => open(server.port));
  await server.until('no descriptor is free', () => server.descriptors() >= DESCRIPTORS - 2);
  // Longer than the time after which queued connections are shed.
  const cpuBefore = server.cpuMs();
  const began = performance.now();
  await delay(3000);
  const cpu = (server.cpuMs() - cpuBefore) / (performance.now() - began);
  assert.ok(cpu < 0.5, `The server spins: it uses ${Math.round(cpu * 100)} % of a CPU`);
  const { open: most } = await server.stats();
  for (const socket of sockets) socket.destroy();
  return { open: most, cpu };
}

async function expectService(server) {
  const client = new Client(server.port);
  assert.equal(await client.request(1000), 'whole');
  client.socket.destroy();
}
