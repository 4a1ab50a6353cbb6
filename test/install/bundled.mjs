/**
 * The program that bundles.test.ts bundles: an echo over TCP, and a page of metrics. Prints the
 * backend, the echo, the HTTP status, and where debug mode saw the wait of a task.
 */
import { backend, Channel, connect, Event, group, listen, run, serve } from 'coronet';
import { health } from 'coronet/health';

function* echo(socket) {
  yield* socket.sendAll(yield* socket.recv(100));
}

function* ask(address, text) {
  const socket = yield* connect(address);
  yield* socket.sendAll(text);
  const reply = String(yield* socket.recv(100));
  socket.close();
  return reply;
}

function* serveOnce() {
  const listener = yield* listen('127.0.0.1:0');
  const page = new Channel(1);
  yield* group(function* (tasks) {
    tasks.spawn(() => serve(listener, echo), { daemon: true });
    tasks.spawn(() => health(0, { onListening: (address) => page.trySend(address) }), {
      daemon: true,
    });
    const reply = yield* ask(listener.address, 'hello');
    const metrics = yield* ask(yield* page.receive(), 'GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n');
    process.stdout.write(`${backend()} ${reply} ${metrics.split(' ')[1]}\n`);
  });
}

function* stuck() {
  yield* new Event().wait();
}

run(serveOnce)
  .then(() => run(stuck, { debug: true }))
  .catch((error) => process.stdout.write(error.message));
