/**
 * An echo server for a process with few descriptors: few-descriptors.mjs BACKEND OPTIONS; OPTIONS
 * are those of tcpServer as JSON. A second server, for probes, has no clients at first. It sends
 * both ports to its parent, replies to 'stats', drains on 'drain', and ends on 'stop' or when the
 * parent has ended.
 */
import { group, listen, run, serve, tcpServer } from '../../../dist/index.js';

let server;

function* echo(socket) {
  for (;;) {
    const data = yield* socket.recv();
    if (data.length === 0) return;
    yield* socket.sendAll(data);
  }
}

function* servers() {
  yield* group(function* (tasks) {
    const probes = yield* listen('127.0.0.1:0');
    tasks.spawn(() => serve(probes, echo, { maxConnections: 4 }), { daemon: true });
    const onListening = (listening) => {
      server = listening;
      process.send({ port: server.address.port, probePort: probes.address.port });
    };
    yield* tcpServer('127.0.0.1:0', echo, { onListening, ...JSON.parse(options) });
  });
}

process.on('message', (message) => {
  if (message === 'stop') return process.disconnect();
  if (message === 'drain') return server.stop();
  const { user, system } = process.cpuUsage();
  process.send({ ...server.stats(), cpuMs: (user + system) / 1000 });
});
process.on('disconnect', () => server.stop({ graceMs: 0 }));

const [, , backend, options] = process.argv;
await run(servers, { backend });
if (process.connected) process.disconnect();
