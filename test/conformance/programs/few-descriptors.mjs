/**
 * An echo server for a process with few descriptors: few-descriptors.mjs BACKEND. It tells its port,
 * answers each message of its parent with its figures, and ends when its parent goes.
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

process.on('message', () => {
  const { user, system } = process.cpuUsage();
  process.send({ ...server.stats(), cpuMs: (user + system) / 1000 });
});
process.on('disconnect', () => server.stop({ graceMs: 0 }));

await run(() => tcpServer('127.0.0.1:0', echo, { onListening }), { network: process.argv[2] });
