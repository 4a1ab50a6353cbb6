import { once } from 'node:events';
import { existsSync } from 'node:fs';
import type { Socket as NodeSocket } from 'node:net';
import { connect as connectNode } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Operation, Server, ServerStats, Socket } from '../../src/index.ts';
import { tcpServer } from '../../src/index.ts';
import { endProcesses, Process, startNode } from './processes.ts';
import { expectNothingLeft, LOOPBACK } from './support.ts';
import type { TestWorld } from './worlds.ts';
import { worlds } from './worlds.ts';

const DESCRIPTORS = 60;
const program = fileURLToPath(new URL('programs/few-descriptors.mjs', import.meta.url));

for (const world of worlds.filter(({ real }) => real)) {
  describe(`a server and other processes on ${world.name}`, () => {
    expectNothingLeft(world);
    endProcesses();

    it('survives the death of its clients at any moment', async () => {
      const points = [0, 1, 9_999, 10_000, 50_000, 200_000, 700_000, 1_500_000, 3_000_000];
      const flooded = await floodedServer(world);
      for (const point of points) {
        const client = startNode(import.meta.url, 'programs/flood.mjs', flooded.port, '15');
        flooded.killAfter(point, client);
        expect(await client.exit).toEqual({ code: null, signal: 'SIGKILL' });
      }
      expect(await flooded.failures()).toEqual([]);
      await flooded.stop();
    });
  });

  describe(`a server without descriptors on ${world.name}`, () => {
    const clients: NodeSocket[] = [];
    endProcesses();
    beforeAll(() => {
      const built = existsSync(new URL('../../dist/index.js', import.meta.url));
      if (!built) throw new Error('dist/ is missing: npm run build');
    });
    afterEach(() => {
      for (const client of clients.splice(0)) client.destroy();
    });

    it('pauses, neither spins nor ends, and goes on when there are some again', async () => {
      const server = await ServerProcess.start(world);
      for (let i = 0; i < 2 * DESCRIPTORS; i++) clients.push(server.connect());
      const answered = await settledAnswers(clients);
      expect(answered.length).toBeGreaterThan(10);
      expect(answered.length).toBeLessThan(DESCRIPTORS);
      expect(await server.cpuMsWithin(400)).toBeLessThan(200);

      for (const client of answered) client.destroy();
      if (!server.sheds) await untilAnswered(clients.filter((client) => !answered.includes(client)), 20);
      const late = server.connect();
      clients.push(late);
      await once(late, 'data');

      const { acceptPauses, failed } = await server.stats();
      expect([acceptPauses > 0, failed]).toEqual([!server.sheds, 0]);
      expect(server.process.stderr.match(/pauses accepting/g)?.length ?? 0).toBe(server.sheds ? 0 : 1);
      for (const client of clients) client.destroy();
      server.process.child.disconnect();
      expect(await server.process.exit).toEqual({ code: 0, signal: null });
    });
  });
}
