// A server: a task for each connection, time limits, and a graceful shutdown.
//
// Run node first.js [port], then nc 127.0.0.1 25000. Ctrl-C drains the server.
import type { Operation, Socket } from 'coronet';
import { main, tcpServer } from 'coronet';

function* shout(socket: Socket): Operation<void> {
  const reader = socket.reader();
  for (;;) {
    const line = yield* reader.readLine();
    if (line === null) return;
    yield* socket.sendAll(`${line.toUpperCase()}\n`);
  }
}

const port = Number(process.argv[2] ?? 25000);

await main(() =>
  tcpServer({ host: '127.0.0.1', port }, shout, {
    idleTimeoutMs: 60_000,
    onListening: (server) => console.log(`listening on ${server.address}`),
  }),
);
