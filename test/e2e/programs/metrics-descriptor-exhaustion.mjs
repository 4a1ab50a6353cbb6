/** Requests the metrics page first while no descriptor is left, and again when one is. */
import { closeSync, openSync } from 'node:fs';
import { health } from '../../../dist/health.js';
import { connect, group, run, sleep } from '../../../dist/index.js';

function takeAll() {
  const held = [];
  try {
    for (;;) held.push(openSync('/dev/null'));
  } catch {
    return held;
  }
}

function* ask(socket) {
  yield* socket.sendAll('GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n');
  process.stdout.write(`${yield* socket.reader().readLine()}\n`);
  socket.close();
}

await run(() =>
  group(function* (tasks) {
    let address;
    const onListening = (listening) => {
      address = listening;
    };
    tasks.spawn(() => health(0, { onListening }), { daemon: true });
    while (address === undefined) yield* sleep(1);
    const [first, second] = [yield* connect(address), yield* connect(address)];
    yield* sleep(20); // Both are accepted.
    const held = takeAll();
    yield* ask(first);
    for (const fd of held) closeSync(fd);
    yield* ask(second);
  }),
);
