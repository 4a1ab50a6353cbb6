/** A drain ends although silent connections come and come. */
import { expect, test } from 'vitest';
import type { Operation, Server } from '../../src/index.ts';
import { connect, group, sleep, sleepForever, tcpServer } from '../../src/index.ts';
import { simulate } from '../../src/sim.ts';

/** More than twice what a gate lets stand side by side: somebody always waits below. */
const SILENT = 700;

/** Connects, says nothing, and comes again when it has been turned away. */
function* pester(): Operation<never> {
  for (;;) {
    try {
      using socket = yield* connect('server:80');
      yield* socket.recv();
    } catch {
      yield* sleep(1);
    }
  }
}

test('a drain without a grace ends although silent connections come and come', async () => {
  let ended = false;
  const report = await simulate(
    function* (world) {
      let server: Server | undefined;
      const onListening = (listening: Server): void => {
        server = listening;
      };
      world.host('server', function* (): Operation<void> {
        const proxyProtocol = { trusted: [world.self.address] };
        const onError = (): void => {};
        yield* tcpServer(80, () => sleepForever(), { proxyProtocol, onListening, onError });
        ended = true;
      });
      yield* sleep(1);
      yield* group(function* (tasks): Operation<void> {
        for (let i = 0; i < SILENT; i++) tasks.spawn(pester, { daemon: true });
        yield* sleep(100);
        server?.stop();
        while (!ended) yield* sleep(10);
      });
    },
    { maxVirtualMs: 600_000 },
  );
  expect([ended, report.runs]).toEqual([true, 1]);
}, 120_000);
