// Coronet, shutdown: `stop` lets idle handlers receive end of file, waits for busy ones for the
// grace period, and then cancels what is left. Ctrl-C does the same under `main`.
import type { Operation, Server, Socket } from 'coronet';
import { connect, group, listen, run, serve } from 'coronet';

let server: Server | undefined;

function* echo(socket: Socket): Operation<void> {
  for (;;) {
    const data = yield* socket.recv(1000);
    if (data.length === 0) return;
    yield* socket.sendAll(data);
  }
}

const options = {
  onListening: (listening: Server) => {
    server = listening;
  },
};

await run(function* () {
  const listener = yield* listen('127.0.0.1:0');
  yield* group(function* (tasks): Operation<void> {
    const serving = tasks.spawn(() => serve(listener, echo, options));
    using client = yield* connect(listener.address);
    yield* client.sendAll('one');
    console.log(String(yield* client.recv()));
    server?.stop({ graceMs: 1000 });
    console.log(`the client receives '${yield* client.recv()}'`);
    client.close();
    yield* serving.join();
    console.log('closed');
  });
});

// Output:
// one
// the client receives ''
// closed
