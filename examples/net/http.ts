// node:http on a server of Coronet: node http.js [port], then curl http://127.0.0.1:8080/
//
// Coronet accepts, limits and drains the connections. http.Server gets each of them as a stream.
import { createServer } from 'node:http';
import { handOver, main, tcpServer } from 'coronet';

const [port = '8080'] = process.argv.slice(2);

const site = createServer((request, response) => {
  response.setHeader('content-type', 'text/plain');
  request.on('error', () => response.destroy());
  response.write(`${request.method} ${request.url}\n`);
  request.pipe(response);
});

await main(() => tcpServer(`127.0.0.1:${port}`, handOver.http(site)));
