/** A connection that is silent in its handshake does not occupy a slot of the server. */
import { expect, test } from 'vitest';
import type { Operation } from '../../src/index.ts';
import { connect, sleep, tcpServer } from '../../src/index.ts';
import { simulate } from '../../src/sim.ts';
import { echo } from '../support/sockets.ts';

const HEADER = 'PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n';

function* requestEcho(): Operation<string> {
  using socket = yield* connect('server:80');
  yield* socket.sendAll(`${HEADER}x`);
  return String(yield* socket.recv());
}

test('a silent connection does not prevent a nearly full server from serving others', async () => {
  await simulate(function* (world) {
    world.host('server', () => {
      const proxyProtocol = { trusted: [world.self.address], timeoutMs: 60_000 };
      return tcpServer(80, echo, { proxyProtocol, maxConnections: 2 });
    });
    yield* sleep(1);
    const first = yield* connect('server:80');
    yield* first.sendAll(`${HEADER}x`);
    yield* first.recv();
    using _silent = yield* connect('server:80');
    yield* sleep(10);
    first.close();
    const began = world.now();
    expect(yield* requestEcho()).toBe('x');
    expect(world.now() - began).toBeLessThan(100);
  });
});
