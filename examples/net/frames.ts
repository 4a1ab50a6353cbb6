// A framed protocol: four bytes of length, then that many bytes of JSON. The length comes from the
// peer, so the codec limits it.
import type { Operation, Socket } from 'coronet';
import { connect, group, json, lengthPrefixed, listen, messages, run, serve } from 'coronet';

interface Message {
  readonly text: string;
  readonly length?: number;
}

const codec = json<Message>(lengthPrefixed({ bytes: 4, max: 1_000_000 }));

function* shout(socket: Socket): Operation<void> {
  const requests = messages(socket, codec);
  for (;;) {
    const request = yield* requests.receive();
    if (request === null) return; // end of file between two messages
    const { text } = request;
    yield* requests.send({ text: text.toUpperCase(), length: text.length });
  }
}

await run(function* () {
  const listener = yield* listen('127.0.0.1:0');
  yield* group(function* (tasks): Operation<void> {
    tasks.spawn(() => serve(listener, shout), { daemon: true });
    using socket = yield* connect(listener.address);
    const client = messages(socket, codec);
    yield* client.send({ text: 'hello' });
    console.log(yield* client.receive());
  });
});

// Output:
// { text: 'HELLO', length: 5 }
