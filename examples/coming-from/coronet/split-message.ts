// Coronet, messages: a codec states where a message ends, however the bytes arrive.
import type { Operation, Socket } from 'coronet';
import { connect, group, json, lines, listen, messages, run, serve } from 'coronet';

const codec = json<{ name: string }>(lines({ max: 1000 }));

function* greet(socket: Socket): Operation<void> {
  const requests = messages(socket, codec);
  for (;;) {
    const request = yield* requests.receive();
    if (request === null) return;
    yield* socket.sendAll(`Hello, ${request.name}\n`);
  }
}

await run(function* () {
  const listener = yield* listen('127.0.0.1:0');
  yield* group(function* (tasks): Operation<void> {
    tasks.spawn(() => serve(listener, greet), { daemon: true });
    using client = yield* connect(listener.address);
    const reader = client.reader();
    yield* client.sendAll('{"name":"Ada"}\n{"name":');
    console.log(yield* reader.readLine());
    yield* client.sendAll('"Ben"}\n{"name":"Cy"}\n{"name":"Di"}\n');
    for (let i = 0; i < 3; i++) console.log(yield* reader.readLine());
  });
});

// Output:
// Hello, Ada
// Hello, Ben
// Hello, Cy
// Hello, Di
