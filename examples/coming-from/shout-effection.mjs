// A line server on effection 4: node shout-effection.mjs [port]. Every line returns in capitals.
//
// A client has ten seconds for each line. At Ctrl-C, connections end at once.
import { once } from 'node:events';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { createSignal, each, ensure, main, race, sleep, spawn, stream, until } from 'effection';

function* shout(socket) {
  yield* ensure(() => socket.destroy());
  const lines = yield* stream(createInterface({ input: socket }));
  for (;;) {
    const next = yield* race([lines.next(), sleep(10_000)]);
    if (next === undefined || next.done) return; // too late, or end of file
    if (!socket.write(`${next.value.toUpperCase()}\n`)) yield* until(once(socket, 'drain'));
  }
}

function* logged(socket) {
  try {
    yield* shout(socket);
  } catch (error) {
    console.error(error); // otherwise it would end the server
  }
}

await main(function* ([port = '25000']) {
  const connections = createSignal();
  const server = createServer((socket) => {
    socket.on('error', () => {}); // otherwise a reset would end the process
    connections.send(socket);
  });
  yield* ensure(() => server.close());
  server.listen(Number(port), '127.0.0.1');
  for (const socket of yield* each(connections)) {
    yield* spawn(() => logged(socket));
    yield* each.next();
  }
});
