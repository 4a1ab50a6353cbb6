// The program of each worker of workers.ts. It also runs alone: node worker.js [port].
//
// As a worker it takes over the listener of the supervisor, because it listens at the same address
// in the same notation.
import type { Operation, Socket } from 'coronet';
import { main, tcpServer } from 'coronet';

const port = Number(process.argv[2] ?? 25000);

function* showProcess(socket: Socket): Operation<void> {
  yield* socket.sendAll(`process ${process.pid}\n`);
}

await main(() => tcpServer({ host: '127.0.0.1', port }, showProcess), { graceMs: 10_000 });
