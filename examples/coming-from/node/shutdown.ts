// node:net, shutdown: `close` stops accepting and waits for every connection. It does not notify
// them, so one client that keeps its connection open keeps the process alive.
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createServer } from 'node:net';

const server = createServer((socket) => {
  socket.on('data', (data) => socket.write(data));
});

server.listen(0, '127.0.0.1');
await once(server, 'listening');
const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
client.setEncoding('utf8');
await once(client, 'connect');

let isClosed = false;
server.close(() => {
  isClosed = true;
});
for (const word of ['one', 'two', 'three']) {
  client.write(word);
  const [response] = (await once(client, 'data')) as [string];
  console.log(`${response}: ${isClosed ? 'closed' : 'the server still runs'}`);
}
client.end(); // only the client can end it
await once(server, 'close');
console.log('closed');

// Output:
// one: the server still runs
// two: the server still runs
// three: the server still runs
// closed
