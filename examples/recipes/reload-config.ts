// Reloads the configuration at SIGHUP: an invalid file changes nothing, and a connection keeps the
// configuration that it has begun with.
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Operation, Socket } from 'coronet';
import { connect, Event, group, listen, run, serve } from 'coronet';

const hangup = new Event('SIGHUP');
const loaded = new Event('loaded');
let config: { greeting: string };
const file = join(tmpdir(), `coronet-config-${process.pid}.json`);

function load(): typeof config {
  const loading = JSON.parse(readFileSync(file, 'utf8')) as typeof config;
  if (typeof loading.greeting !== 'string') throw new TypeError('greeting is not a text');
  return loading;
}

function* greet(socket: Socket): Operation<void> {
  yield* socket.sendAll(config.greeting);
}

function* reloadAtHangup(): Operation<void> {
  for (;;) {
    yield* hangup.wait();
    hangup.clear(); // A signal during a reload causes another one.
    try {
      config = load();
    } catch (error) {
      console.log(`not reloaded: ${(error as Error).name}`);
    }
    loaded.set();
  }
}

await run(function* () {
  process.on('SIGHUP', () => hangup.set()); // Without a listener SIGHUP ends the process.
  writeFileSync(file, '{ "greeting": "Hello" }');
  config = load(); // At the start, an invalid file is an error.
  const listener = yield* listen('127.0.0.1:0');
  yield* group(function* (tasks): Operation<void> {
    tasks.spawn(reloadAtHangup, { daemon: true });
    tasks.spawn(() => serve(listener, greet), { daemon: true });
    for (const text of ['{ "greeting": "Welcome" }', '{ "greeting": ']) {
      writeFileSync(file, text);
      process.kill(process.pid, 'SIGHUP');
      yield* loaded.wait();
      loaded.clear();
      using client = yield* connect(listener.address);
      console.log(String(yield* client.recv()));
    }
  });
  rmSync(file);
});

// Output:
// Welcome
// not reloaded: SyntaxError
// Welcome
