// A request id in every log line, also in code that does not use tasks: an AsyncLocalStorage
// applies to the task that was spawned in it, and to the functions that this task calls.
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Operation, Socket } from 'coronet';
import { connect, group, listen, run, serve, until } from 'coronet';

const requestId = new AsyncLocalStorage<string>();

function log(text: string): void {
  console.log(`[${requestId.getStore() ?? 'no request'}] ${text}`);
}

/** A library based on promises. */
async function query(key: string): Promise<number> {
  await Promise.resolve();
  log(`looks up ${key}`);
  return key.length;
}

function* answer(socket: Socket, key: string): Operation<void> {
  yield* socket.sendAll(`${yield* until(query(key))}\n`);
}

function* handle(socket: Socket): Operation<void> {
  const reader = socket.reader();
  for (let count = 1; ; count++) {
    const key = yield* reader.readLine();
    if (key === null) return;
    yield* group(function* (tasks): Operation<void> {
      requestId.run(`request ${count}`, () => tasks.spawn(answer(socket, key)));
    });
  }
}

await run(function* () {
  const listener = yield* listen('127.0.0.1:0');
  yield* group(function* (tasks): Operation<void> {
    tasks.spawn(() => serve(listener, handle), { daemon: true });
    using socket = yield* connect(listener.address);
    for (const key of ['apples', 'pears']) {
      yield* socket.sendAll(`${key}\n`);
      log(`got ${yield* socket.reader().readLine()}`);
    }
  });
});

// Output:
// [request 1] looks up apples
// [no request] got 6
// [request 2] looks up pears
// [no request] got 5
