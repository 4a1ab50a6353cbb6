// Deadline propagation: a request states how many milliseconds its client still waits. The server
// uses this limit and passes the rest of it on to the next service. It runs in virtual time.
import type { Operation, Socket, SocketAddress } from 'coronet';
import { connect, deadline, group, isCancelled, listen, now, serve, sleep } from 'coronet';
import { runSimulated } from 'coronet/sim';

/** Sends a request with the rest of the time until `at`, and returns the response. */
function* ask(to: SocketAddress, question: string, at: number): Operation<string> {
  return yield* deadline(at, function* () {
    using socket = yield* connect(to);
    yield* socket.sendAll(`${Math.floor(at - now())} ${question}\n`);
    return (yield* socket.reader().readLine()) ?? 'no answer';
  });
}

type Answer = (question: string, at: number) => Operation<string>;

function handler(answer: Answer): (socket: Socket) => Operation<void> {
  return function* (socket) {
    const [ms = '0', question = ''] = ((yield* socket.reader().readLine()) ?? '').split(' ');
    const at = now() + Math.min(Number(ms), 10_000); // The client does not choose without a limit.
    try {
      const text = yield* deadline(at, () => answer(question, at));
      yield* socket.sendAll(`${text}\n`);
    } catch (error) {
      if (isCancelled(error)) throw error;
      console.log(`${question}: ended after ${now()} ms`);
    }
  };
}

await runSimulated(function* () {
  const database = yield* listen(81);
  const front = yield* listen(80);
  function* query(question: string): Operation<string> {
    yield* sleep(question === 'slow' ? 60_000 : 50);
    return `answer to ${question}`;
  }
  yield* group(function* (tasks): Operation<void> {
    const forward: Answer = (question, at) => ask(database.address, question, at);
    tasks.spawn(() => serve(database, handler(query)), { daemon: true });
    tasks.spawn(() => serve(front, handler(forward)), { daemon: true });
    console.log(yield* ask(front.address, 'quick', now() + 1000));
    try {
      yield* ask(front.address, 'slow', now() + 1000);
    } catch (error) {
      console.log((error as { code?: string }).code);
    }
    yield* sleep(100);
  });
});

// Output:
// answer to quick
// slow: ended after 1050 ms
// slow: ended after 1050 ms
// ERR_TIMEOUT
