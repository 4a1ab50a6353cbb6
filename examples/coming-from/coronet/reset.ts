// Coronet, errors: a client resets its connection. The receive of its handler throws ECONNRESET,
// which ends this handler. The server counts it and serves the next client.
import type { Operation, Server, Socket } from 'coronet';
import { connect, Event, group, listen, run, serve } from 'coronet';

const ended = new Event('a connection has ended');
let server: Server | undefined;

function* echo(socket: Socket): Operation<void> {
  for (;;) {
    const data = yield* socket.recv(1000);
    if (data.length === 0) return;
    yield* socket.sendAll(`GOT:${data}`);
  }
}

const options = {
  onListening: (listening: Server) => {
    server = listening;
  },
  onClose: () => ended.set(),
};

await run(function* () {
  const listener = yield* listen('127.0.0.1:0');
  yield* group(function* (tasks): Operation<void> {
    tasks.spawn(() => serve(listener, echo, options), { daemon: true });
    const first = yield* connect(listener.address);
    yield* first.sendAll('Hello');
    yield* first.recv();
    first.reset();
    yield* ended.wait();
    using second = yield* connect(listener.address);
    yield* second.sendAll('Hello again');
    console.log(String(yield* second.recv()));
    console.log(`reset by the peer: ${server?.stats().closed.peerReset}`);
  });
});

// Output:
// GOT:Hello again
// reset by the peer: 1
