/**
 * An echo server on inherited listeners: inherited.mjs BACKEND. It prints its addresses, and the
 * result of a second `listen` at the first descriptor, then `noDelay` for each message. SIGTERM
 * ends it.
 */
import { group, inheritedListeners, listen, main, serve } from '../../../dist/index.js';

function* echo(socket) {
  for (;;) {
    const data = yield* socket.recv();
    if (data.length === 0) return;
    print(`noDelay ${socket.noDelay}`);
    yield* socket.sendAll(data);
  }
}

function print(line) {
  process.stdout.write(`${line}\n`);
}

function* secondAttempt(at) {
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
      print(`${at.name ?? at.fd} ${listener.address}`);
      tasks.spawn(() => serve(listener, echo));
    }
    print(yield* secondAttempt({ fd: all[0].fd }));
    print(`left ${Object.keys(process.env).filter((name) => name.startsWith('LISTEN_'))}`);
  });
}

await main(program, { backend: process.argv[2] });
