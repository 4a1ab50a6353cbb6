/**
 * An echo server for a process with few descriptors: few-descriptors.mjs BACKEND OPTIONS; OPTIONS
 * are those of tcpServer as JSON. It sends its port to its parent, replies to 'stats', drains on
 * 'drain', and ends on 'stop' or when the parent has ended.
 */
import { run, tcpServer } from '../../../dist/index.js';

let server;

function* echo(socket) {
  for (;;) {
    const data = yield* socket.recv();
    if (data.length === 0) return;
    yield* socket.sendAll(data);
  }
}

function onListening(listening) {
  server = listening;
  process.send({ port: server.address.port });
}

process.on('message', (message) => {
  if (message === 'stop') return process.disconnect();
  if (message === 'drain') return server.stop();
  const { user, system } = process.cpuUsage();
  process.send({ ...server.stats(), cpuMs: (user + system) / 1000 });
});
process.on('disconnect', () => server.stop({ graceMs: 0 }));

const [, , backend, options] = process.argv;
await run(() => tcpServer('127.0.0.1:0', echo, { onListening, ...JSON.parse(options) }), {
  backend,
});
if (process.connected) process.disconnect();
