// The program of server.ts on Coronet: node coronet.ts, and in another terminal nc localhost 25000.
import type { Operation, Socket, SocketAddress } from 'coronet';
import { main, tcpServer } from 'coronet';

function* echoHandler(client: Socket, address: SocketAddress): Operation<void> {
  console.log(`Connection from ${address}`);
  try {
    for (;;) {
      const data = yield* client.recv(1000);
      if (data.length === 0) break;
      yield* client.sendAll(Buffer.concat([Buffer.from('GOT:'), data]));
    }
  } finally {
    console.log('Connection closed');
  }
}

const port = Number(process.argv[2] ?? 25000);
const onClose = (): void => console.log('Task done');

await main(() => tcpServer({ host: '127.0.0.1', port }, echoHandler, { onClose }));
