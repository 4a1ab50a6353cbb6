/** A world in which every second accept and connect fails because no descriptor is left. */
import { expect, test } from 'vitest';
import { health } from '../../src/health.ts';
import type { Operation } from '../../src/index.ts';
import { connect, retry } from '../../src/index.ts';
import { simulate } from '../../src/sim.ts';
import { receiveText } from '../support/sockets.ts';

function* probe(): Operation<string> {
  using socket = yield* connect('server:9090');
  yield* socket.sendAll('GET /livez HTTP/1.0\r\n\r\n');
  return yield* receiveText(socket);
}

test('a health server answers probes and continues while descriptors are exhausted', async () => {
  const report = await simulate(
    function* (world) {
      world.host('server', () => health('0.0.0.0:9090'));
      for (let i = 0; i < 20; i++) {
        // Connecting takes a descriptor as well.
        const when = (error: unknown) => (error as { code?: unknown }).code === 'EMFILE';
        expect(yield* retry(probe, { times: 50, when })).toMatch(/^HTTP\/1.1 200 OK\r\n/);
      }
    },
    { runs: 10, faults: { emfile: 0.5 } },
  );
  expect(report.runs).toBe(10);
});
