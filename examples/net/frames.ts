// A framed protocol: four bytes of length, then that many bytes of JSON. The length comes from the
// peer, so the server limits it.
import type { Operation, Reader, Socket } from 'coronet';
import { connect, group, listen, run, serve } from 'coronet';

const LONGEST_FRAME = 1_000_000;

function* receiveFrame(reader: Reader): Operation<unknown> {
  const header = yield* reader.readExactly(4);
  if (header === null) return undefined; // end of file between two frames
  const length = header.readUInt32BE();
  if (length > LONGEST_FRAME) throw new RangeError(`a frame of ${length} bytes is too long`);
  const body = yield* reader.readExactly(length);
  return JSON.parse(String(body));
}

function* sendFrame(socket: Socket, message: unknown): Operation<void> {
  const body = Buffer.from(JSON.stringify(message));
  const header = Buffer.alloc(4);
  header.writeUInt32BE(body.length);
  yield* socket.sendv([header, body]); // one system call, without a copy
}

function* shout(socket: Socket): Operation<void> {
  const reader = socket.reader();
  for (;;) {
    const message = yield* receiveFrame(reader);
    if (message === undefined) return;
    const { text } = message as { text: string };
    yield* sendFrame(socket, { text: text.toUpperCase(), length: text.length });
  }
}

await run(function* () {
  const listener = yield* listen('127.0.0.1:0');
  yield* group(function* (tasks): Operation<void> {
    tasks.spawn(() => serve(listener, shout), { daemon: true });
    using socket = yield* connect(listener.address);
    yield* sendFrame(socket, { text: 'hello' });
    console.log(yield* receiveFrame(socket.reader()));
  });
});

// Output:
// { text: 'HELLO', length: 5 }
