// A chat room. Every message is framed once and sent to all. Each client has a queue of 16
// messages: one that does not keep up is ended and does not slow the others down.
import type { Operation } from 'coronet';
import { Broadcast, Event, group, run } from 'coronet';
import type { PreparedMessage, WebSocketConnection } from 'coronet/ws';
import { connectWs, prepareMessage, wsServer } from 'coronet/ws';

const ADDRESS = '127.0.0.1:25001';
const room = new Broadcast<PreparedMessage>({ capacity: 16, slow: 'fail' });

function* chat(ws: WebSocketConnection): Operation<void> {
  yield* group(function* (tasks): Operation<void> {
    using messages = room.subscribe();
    tasks.spawn(
      function* (): Operation<void> {
        for (;;) {
          const { done, value } = yield* messages.next();
          if (done === true) return;
          yield* ws.send(value);
        }
      },
      { daemon: true },
    );
    for (;;) {
      const text = yield* ws.receive();
      if (text === null) return;
      yield* room.send(prepareMessage(text));
      yield; // The queues are emptied before the next message.
    }
  });
}

await run(function* () {
  const listening = new Event();
  yield* group(function* (tasks): Operation<void> {
    const serve = () => wsServer(ADDRESS, chat, { onListening: () => listening.set() });
    tasks.spawn(serve, { daemon: true });
    yield* listening.wait();
    using alice = yield* connectWs(`ws://${ADDRESS}/`);
    using bob = yield* connectWs(`ws://${ADDRESS}/`);
    yield* bob.send('bob is here');
    console.log(yield* bob.receive());
    yield* alice.send('hello');
    console.log(yield* bob.receive());
    yield* bob.close();
  });
});

// Output:
// bob is here
// hello
