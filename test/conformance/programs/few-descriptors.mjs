/**
 * An echo server for a process with few descriptors: few-descriptors.mjs BACKEND OPTIONS, where
 * OPTIONS are those of tcpServer as JSON. It sends its port to the parent. Messages: 'stats' is
 * answered with its stats, 'drain' drains it, 'stop' ends it. It also ends with its parent.
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
