/** A server whose handlers all fail. It prints its port. */
import { main, tcpServer } from '../../../dist/index.js';

function* handler(socket) {
  yield* socket.recv();
  throw new Error('every one of them');
}

await main(() =>
  tcpServer('127.0.0.1:0', handler, {
    onListening: ({ address }) => process.stdout.write(`${address.port}\n`),
  }),
);
