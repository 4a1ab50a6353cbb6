// coronet/ws, errors: a client sends a frame without a mask. Its connection ends with code 1002,
// the error goes to `onError`, and the other clients are not affected.
import type { Operation } from 'coronet';
import { connect, Event, group, run } from 'coronet';
import type { WebSocketConnection } from 'coronet/ws';
import { connectWs, wsServer } from 'coronet/ws';

const ADDRESS = '127.0.0.1:25002';
const listening = new Event('the server listens');

const REQUEST = `GET / HTTP/1.1
Host: ${ADDRESS}
Connection: Upgrade
Upgrade: websocket
Sec-WebSocket-Version: 13
Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==

`.replaceAll('\n', '\r\n');

function* echo(ws: WebSocketConnection): Operation<void> {
  for (;;) {
    const message = yield* ws.receive();
    if (message === null) return;
    yield* ws.send(`GOT:${message}`);
  }
}

const options = {
  onListening: () => listening.set(),
  onError: (error: unknown) => console.log((error as Error).message),
};

await run(() =>
  group(function* (tasks): Operation<void> {
    tasks.spawn(() => wsServer(ADDRESS, echo, options), { daemon: true });
    yield* listening.wait();
    using broken = yield* connect(ADDRESS);
    yield* broken.sendAll(REQUEST);
    yield* broken.reader().readUntil('\r\n\r\n');
    yield* broken.sendAll(Buffer.from([0x81, 2, 0x68, 0x69])); // 'hi' as text, not masked
    const close = yield* broken.reader().readExactly(4);
    console.log(`the client receives the close code ${close?.readUInt16BE(2)}`);
    using ws = yield* connectWs(`ws://${ADDRESS}/`);
    yield* ws.send('Hello');
    console.log(yield* ws.receive());
  }),
);

// Output:
// the client receives the close code 1002
// GOT:Hello
