// Limits: one client sends nothing, one becomes idle, and one connects too often.
import type { Operation, Server, Socket, SocketAddress } from 'coronet';
import { connect, group, listen, pipe, run, serve } from 'coronet';

function* echo(socket: Socket): Operation<void> {
  yield* pipe(socket, socket);
}

/** A client that sends `word`, if any, and then waits for the end. */
function* visit(address: SocketAddress, word = ''): Operation<void> {
  try {
    using socket = yield* connect(address);
    if (word !== '') yield* socket.sendAll(word);
    console.log(`the client receives '${yield* socket.recv()}'`);
    if (word !== '') console.log(`the client receives '${yield* socket.recv()}'`);
  } catch (error) {
    console.log(`the client receives ${(error as { code?: string }).code}`);
  }
}

await run(function* () {
  const listener = yield* listen('127.0.0.1:0');
  let server: Server | undefined;
  const ended: string[] = [];
  const options = {
    firstByteTimeoutMs: 250,
    idleTimeoutMs: 500,
    maxAcceptRatePerPeer: { count: 2, perMs: 3_600_000 },
    onListening: (listening: Server) => {
      server = listening;
    },
    onClose: ({ reason }: { reason: string }) => ended.push(reason),
  };
  yield* group(function* (tasks): Operation<void> {
    tasks.spawn(() => serve(listener, echo, options), { daemon: true });
    yield* visit(listener.address);
    yield* visit(listener.address, 'hello');
    yield* visit(listener.address);
    console.log(`${server?.stats().refused.maxAcceptRatePerPeer} refused by the rate`);
  });
  console.log(`ended by ${ended.join(' and ')}`);
});

// Output:
// the client receives ''
// the client receives 'hello'
// the client receives ''
// the client receives ECONNRESET
// 1 refused by the rate
// ended by firstByteTimeoutMs and idleTimeoutMs
