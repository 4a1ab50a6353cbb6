// The echo in the full API, as a user writes it: limits, timeouts and counters at their defaults.
//
//   node coronet.mjs <epoll | portable | auto> [entry]
//
// `entry` is another build's dist/index.js, for a comparison before ↔ after.

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
