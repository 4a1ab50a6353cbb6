// Step 6: the chat for line clients and for WebSocket clients.
import type { Operation } from 'coronet';
import { group, main, tcpServer } from 'coronet';
import { localTopics } from 'coronet/topics';
import { wsServer } from 'coronet/ws';
import { lineClient, webSocketClient } from './clients.ts';
import { session } from './session.ts';

function* program(): Operation<void> {
  const topics = yield* localTopics();
  const limits = { maxConnectionsPerPeer: 100, idleTimeoutMs: 600_000 };
  yield* group(function* (tasks): Operation<void> {
    tasks.spawn(() =>
      tcpServer('127.0.0.1:25000', (socket) => session(lineClient(socket), topics), limits),
    );
    tasks.spawn(() =>
      wsServer('127.0.0.1:25080', (ws) => session(webSocketClient(ws), topics), {
        ...limits,
        maxMessageBytes: 1000,
      }),
    );
  });
}

await main(program, { graceMs: 10_000 });
