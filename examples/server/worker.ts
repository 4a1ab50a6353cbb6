// What each worker of workers.ts runs. It works alone as well: node worker.js [port].
//
// Started by `workers`, it takes over the listener that was opened for it, because it listens at
// the same address, written in the same way.
import type { Operation, Socket } from 'coronet';
import { main, tcpServer } from 'coronet';

const port = Number(process.argv[2] ?? 25000);

function* whoAreYou(socket: Socket): Operation<void> {
  yield* socket.sendAll(`process ${process.pid}\n`);
}

await main(() => tcpServer({ host: '127.0.0.1', port }, whoAreYou), { graceMs: 10_000 });
