// A time-out for each connection that every message extends: a client that sends nothing for 30 s
// gets a question, and has 10 s for any answer. It runs in virtual time.
import type { Operation, Socket } from 'coronet';
import { connect, group, listen, moveOnAfter, now, serve, sleep } from 'coronet';
import { runSimulated } from 'coronet/sim';

/** The next line; null at end of file, and if the client does not answer the question. */
function* nextLine(socket: Socket): Operation<string | null> {
  const reader = socket.reader({ max: 1000 });
  const line = yield* moveOnAfter(30_000, () => reader.readLine());
  if (line !== undefined) return line;
  yield* socket.sendAll('still there?\n');
  // A read that was cancelled has consumed nothing: half a line is not lost.
  return (yield* moveOnAfter(10_000, () => reader.readLine())) ?? null;
}

function* chat(socket: Socket): Operation<void> {
  for (;;) {
    const line = yield* nextLine(socket);
    if (line === null) return;
    if (line !== 'yes') yield* socket.sendAll(`${line}!\n`);
  }
}

await runSimulated(function* () {
  const listener = yield* listen(80);
  yield* group(function* (tasks): Operation<void> {
    tasks.spawn(() => serve(listener, chat), { daemon: true });
    using client = yield* connect(80);
    const reader = client.reader();
    yield* client.sendAll('hello\n');
    for (;;) {
      const line = yield* reader.readLine();
      console.log(`${now()} ms: ${line ?? 'closed'}`);
      if (line === null) return;
      if (now() === 30_000) yield* client.sendAll('yes\n');
      else yield* sleep(0);
    }
  });
});

// Output:
// 0 ms: hello!
// 30000 ms: still there?
// 60000 ms: still there?
// 70000 ms: closed
