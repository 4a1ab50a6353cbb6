// A request and a response per line. The client sends three requests at once, and the server's
// responses leave together.
import type { Operation, Socket } from 'coronet';
import { connect, group, lines, listen, messages, run, serve } from 'coronet';

function* shout(socket: Socket): Operation<void> {
  const reader = socket.reader({ max: 1000 });
  const writer = socket.writer({ autoFlush: true });
  for (;;) {
    const line = yield* reader.readLine();
    if (line === null) return;
    writer.write(`${line.toUpperCase()}\n`); // no flush
  }
}

await run(function* () {
  const listener = yield* listen('127.0.0.1:0');
  yield* group(function* (tasks): Operation<void> {
    tasks.spawn(() => serve(listener, shout), { daemon: true });
    using socket = yield* connect(listener.address);
    const client = messages(socket, lines({ max: 1000 }));
    yield* client.sendBatch(['one', 'two', 'three']);
    console.log(yield* client.receiveBatch());
  });
});

// Output:
// [ 'ONE', 'TWO', 'THREE' ]
