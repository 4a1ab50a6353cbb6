// node:http on a server of Coronet: node http.js [port], then curl http://127.0.0.1:8080/
//
// Coronet accepts, limits and drains the connections. http.Server gets each of them as a stream.
import { createServer } from 'node:http';
import type { Operation, Socket } from 'coronet';
import { main, once, tcpServer, toDuplex } from 'coronet';

const [port = '8080'] = process.argv.slice(2);

const http = createServer((request, response) => {
  response.setHeader('content-type', 'text/plain');
  response.setHeader('connection', 'close');
  request.on('error', () => response.destroy());
  response.write(`${request.method} ${request.url}\n`);
  request.pipe(response);
});

function* handOver(socket: Socket): Operation<void> {
  const stream = toDuplex(socket);
  http.emit('connection', stream);
  yield* once(stream, 'close');
}

await main(() => tcpServer(`127.0.0.1:${port}`, handOver));
