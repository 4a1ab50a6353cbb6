// A client with a time limit for the connection and another one for the response. Errors are
// thrown into the task whose operation fails, so one try block handles all of them.
import type { Operation, Socket, SocketAddress } from 'coronet';
import { connect, group, listen, run, serve, timeout } from 'coronet';

function* greet(socket: Socket): Operation<void> {
  const name = yield* socket.reader().readLine();
  yield* socket.sendAll(`Hello, ${name}!\n`);
}

function* greeting(address: SocketAddress, name: string): Operation<string> {
  try {
    using socket = yield* connect(address, { timeoutMs: 1000 });
    yield* socket.sendAll(`${name}\n`);
    const line = yield* timeout(1000, () => socket.reader().readLine());
    return line ?? 'closed without a word';
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
}

await run(function* () {
  const listener = yield* listen('127.0.0.1:0');
  const { address } = listener;
  yield* group(function* (tasks): Operation<void> {
    tasks.spawn(() => serve(listener, greet), { daemon: true });
    console.log(yield* greeting(address, 'Ada'));
  });
  console.log(yield* greeting(address, 'too late'));
});

// Output:
// Hello, Ada!
// ECONNREFUSED
