// node:net, errors: a client resets its connection. The socket emits 'error', nothing listens for
// it, and the exception ends the process with all of its other connections.
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createServer } from 'node:net';

const server = createServer((socket) => {
  socket.on('data', (data) => socket.write(`GOT:${data}`));
});

server.listen(0, '127.0.0.1');
await once(server, 'listening');
const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
client.write('Hello');
await once(client, 'data');
client.resetAndDestroy();
await once(server, 'close');

// Ends the process:
// Unhandled 'error' event
// Error: read ECONNRESET
