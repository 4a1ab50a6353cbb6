// The echo server as a user writes it: limits, timeouts and counters have their defaults.
//
//   node coronet.mjs <epoll | portable | auto> [entry]
//
// `entry` is the dist/index.js of another build, to compare two builds.

import { pathToFileURL } from 'node:url';
import { announce } from '../lib/control.mjs';

const [backend = 'auto', entry] = process.argv.slice(2);
const built = new URL('../../dist/index.js', import.meta.url);
const { run, tcpServer } = await import(entry ? pathToFileURL(entry).href : built.href);

function* echo(socket) {
  for (;;) {
    const data = yield* socket.recv();
    if (data.length === 0) return;
    yield* socket.sendAll(data);
  }
}

function* serve() {
  yield* tcpServer('127.0.0.1:0', echo, {
    onListening: (server) => announce(server.address.port),
  });
}

await run(serve, { backend });
