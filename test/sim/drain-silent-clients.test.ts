/** A drain ends although silent clients keep connecting. */
import { expect, test } from 'vitest';
import type { Operation, Server } from '../../src/index.ts';
import { connect, group, sleep, sleepForever, tcpServer } from '../../src/index.ts';
import { simulate } from '../../src/sim.ts';

/** More than twice the limit of pending handshakes, so that connections always wait. */
const SILENT = 700;

/** Connects, sends nothing, and connects again when the connection is closed. */
function* reconnect(): Operation<never> {
  for (;;) {
    try {
      using socket = yield* connect('server:80');
      yield* socket.recv();
    } catch {
      yield* sleep(1);
    }
  }
}

test('a drain without a grace period ends although silent clients keep connecting', async () => {
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
        for (let i = 0; i < SILENT; i++) tasks.spawn(reconnect, { daemon: true });
        yield* sleep(100);
        server?.stop();
        while (!ended) yield* sleep(10);
      });
    },
    { maxVirtualMs: 600_000 },
  );
  expect([ended, report.runs]).toEqual([true, 1]);
}, 120_000);
