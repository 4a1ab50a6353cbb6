// Coronet, backpressure: `sendAll` waits until the system has taken the bytes, so the handler stops
// when the buffers of the two sockets are full, and `sendStallTimeoutMs` ends the connection.
import type { CloseRecord, Operation, Socket } from 'coronet';
import { connect, Event, group, listen, run, serve } from 'coronet';

const MEGABYTE = Buffer.alloc(1_000_000);
const ended = new Event('the connection has ended');
let sent = 0;

function* flood(socket: Socket): Operation<void> {
  for (sent = 0; sent < 64; sent++) yield* socket.sendAll(MEGABYTE);
}

const options = {
  sendStallTimeoutMs: 200,
  onClose: ({ reason }: CloseRecord) => {
    console.log(`ended: ${reason}, after ${sent < 32 ? 'less' : 'more'} than 32 MB`);
    ended.set();
  },
};

await run(function* () {
  const listener = yield* listen('127.0.0.1:0');
  yield* group(function* (tasks): Operation<void> {
    tasks.spawn(() => serve(listener, flood, options), { daemon: true });
    using _client = yield* connect(listener.address); // it never reads
    yield* ended.wait();
  });
});

// Output:
// ended: sendStallTimeoutMs, after less than 32 MB
