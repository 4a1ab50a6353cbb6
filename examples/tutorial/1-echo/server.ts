// Step 1: sends back what it receives.
import type { Operation, Socket } from 'coronet';
import { main, tcpServer } from 'coronet';

function* echo(socket: Socket): Operation<void> {
  for (;;) {
    const data = yield* socket.recv(1000);
    if (data.length === 0) return;
    yield* socket.sendAll(`GOT:${data}`);
  }
}

await main(() => tcpServer('127.0.0.1:25000', echo));
