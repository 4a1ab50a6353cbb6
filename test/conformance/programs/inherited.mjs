/**
 * An echo server on the listeners that it has inherited: inherited.mjs BACKEND. It tells its
 * addresses, and what a second attempt at the first descriptor gives; SIGTERM ends it.
 */
import { group, inheritedListeners, listen, main, serve } from '../../../dist/index.js';

function* echo(socket) {
  for (;;) {
    const data = yield* socket.recv();
    if (data.length === 0) return;
    yield* socket.sendAll(data);
  }
}

function say(line) {
  process.stdout.write(`${line}\n`);
}

function* second(at) {
  try {
    (yield* listen(at)).close();
    return 'listening';
  } catch (error) {
    return `${error.code} ${error.message}`;
  }
}

function* program() {
  const passed = inheritedListeners();
  const all = passed.length === 0 ? [{ fd: 3 }] : passed;
  yield* group(function* (tasks) {
    for (const at of all) {
      const listener = yield* listen(at);
      say(`${at.name ?? at.fd} ${listener.address}`);
      tasks.spawn(() => serve(listener, echo));
    }
    say(yield* second({ fd: all[0].fd }));
    say(`left ${Object.keys(process.env).filter((name) => name.startsWith('LISTEN_'))}`);
  });
}

await main(program, { network: process.argv[2] });
