// Ends the work for a request when its client disconnects: nothing reads the result any more.
import type { Operation, Socket } from 'coronet';
import { connect, Event, group, listen, race, run, serve, sleep, sleepForever } from 'coronet';

const started = new Event('the work has started');
const stopped = new Event('the work has stopped');

function* work(request: string): Operation<string> {
  if (request === 'quick') return 'done';
  try {
    started.set();
    yield* sleepForever(); // for example a query of a database
    return 'never';
  } finally {
    stopped.set();
  }
}

function* handle(socket: Socket): Operation<void> {
  const reader = socket.reader({ max: 1000 });
  for (;;) {
    const request = yield* reader.readLine();
    if (request === null) return;
    // A receive that loses the race has consumed nothing. `peek` leaves an early request unread.
    const answer = yield* race({ work: work(request), gone: gone(socket) });
    if (answer === undefined) return;
    yield* socket.sendAll(`${answer}\n`);
  }
}

/** Returns at end of file, throws after a reset, and waits while the client is there. */
function* gone(socket: Socket): Operation<undefined> {
  if ((yield* socket.reader().peek(1)) !== null) yield* sleepForever();
  return undefined;
}

await run(function* () {
  const listener = yield* listen('127.0.0.1:0');
  yield* group(function* (tasks): Operation<void> {
    tasks.spawn(() => serve(listener, handle), { daemon: true });
    const client = yield* connect(listener.address);
    yield* client.sendAll('quick\n');
    console.log(yield* client.reader().readLine());
    yield* client.sendAll('endless\n');
    yield* started.wait();
    client.close();
    yield* stopped.wait();
    console.log('the work has stopped');
    yield* sleep(0);
  });
});

// Output:
// done
// the work has stopped
