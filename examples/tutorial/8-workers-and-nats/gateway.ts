// Step 8: several gateways share their rooms through NATS.
import type { Operation } from 'coronet';
import { group, main, tcpServer } from 'coronet';
import { wsServer } from 'coronet/ws';
import { lineClient, webSocketClient } from './clients.ts';
import { withRelay } from './relay.ts';
import type { Gateway } from './session.ts';
import { session } from './session.ts';

function* serve(gateway: Gateway): Operation<void> {
  const limits = { maxConnectionsPerPeer: 100, idleTimeoutMs: 600_000 };
  yield* group(function* (tasks): Operation<void> {
    tasks.spawn(() =>
      tcpServer('127.0.0.1:25000', (socket) => session(lineClient(socket), gateway), limits),
    );
    tasks.spawn(() =>
      wsServer('127.0.0.1:25080', (ws) => session(webSocketClient(ws), gateway), {
        ...limits,
        maxMessageBytes: 1000,
      }),
    );
  });
}

await main(() => withRelay('127.0.0.1:4222', serve), { graceMs: 10_000 });
