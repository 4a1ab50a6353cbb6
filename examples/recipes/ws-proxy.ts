// A WebSocket proxy: it accepts connections, connects each to another server, and forwards the
// messages of both directions. A slow end makes the other one wait.
import type { Operation } from 'coronet';
import { Event, group, race, run } from 'coronet';
import type { WebSocketConnection } from 'coronet/ws';
import { connectWs, wsServer } from 'coronet/ws';

const UPSTREAM = '127.0.0.1:25003';
const FRONT = '127.0.0.1:25004';

function* forward(from: WebSocketConnection, to: WebSocketConnection): Operation<void> {
  for (;;) {
    const message = yield* from.receive();
    if (message === null) return;
    yield* to.send(message);
  }
}

function* proxy(client: WebSocketConnection): Operation<void> {
  using upstream = yield* connectWs(`ws://${UPSTREAM}/`, { timeoutMs: 5000 });
  yield* race([forward(client, upstream), forward(upstream, client)]);
  yield* upstream.close();
}

function* echo(ws: WebSocketConnection): Operation<void> {
  yield* forward(ws, ws);
}

await run(() =>
  group(function* (tasks): Operation<void> {
    for (const [address, handler] of [
      [UPSTREAM, echo],
      [FRONT, proxy],
    ] as const) {
      const listening = new Event(`${address} listens`);
      const options = { onListening: () => listening.set() };
      tasks.spawn(() => wsServer(address, handler, options), { daemon: true });
      yield* listening.wait();
    }
    using ws = yield* connectWs(`ws://${FRONT}/`);
    yield* ws.send('through the proxy');
    console.log(yield* ws.receive());
    yield* ws.close();
    console.log(`closed with ${ws.closeCode}`);
  }),
);

// Output:
// through the proxy
// closed with 1000
