// node:net, backpressure: the server writes faster than its client reads, and ignores the result of
// `write`. The stream buffers everything in the memory of the process.
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createServer } from 'node:net';

const MEGABYTE = Buffer.alloc(1_000_000);

const server = createServer((socket) => {
  socket.on('error', () => {});
  for (let i = 0; i < 64; i++) socket.write(MEGABYTE);
  const buffered = socket.writableLength / 1_000_000;
  console.log(`the server holds ${buffered > 32 ? 'more' : 'less'} than 32 MB for one client`);
  socket.destroy();
});

server.listen(0, '127.0.0.1');
await once(server, 'listening');
const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
client.pause(); // it never reads
client.on('error', () => {});
await once(server, 'connection');
client.destroy();
server.close();

// Output:
// the server holds more than 32 MB for one client
