// A drain: an idle connection ends at once, a busy one after its response, and one that is still
// busy at the end of the grace period is cut and listed in the report.
import type { Operation, Server, Socket } from 'coronet';
import { connect, Event, group, listen, run, serve, sleep, sleepForever } from 'coronet';

const working = new Event('two requests have started');
let started = 0;

function* handle(socket: Socket): Operation<void> {
  for (;;) {
    const request = String(yield* socket.recv());
    if (request === '') return; // the peer has finished, or the server drains
    if (request !== 'hello' && ++started === 2) working.set();
    if (request === 'short work') yield* sleep(20);
    if (request === 'endless work') yield* sleepForever();
    yield* socket.sendAll(`${request}: done`);
  }
}

await run(function* () {
  const listener = yield* listen('127.0.0.1:0');
  let server: Server | undefined;
  yield* group(function* (tasks): Operation<void> {
    tasks.spawn(() =>
      serve(listener, handle, {
        onListening: (listening) => {
          server = listening;
        },
        onDrained: ({ drained, cut }) => {
          const left = cut.map(({ state, waitingOn }) => `${state}, ${waitingOn}`);
          console.log(`${drained} drained, cut: ${left}`);
        },
      }),
    );
    using idle = yield* connect(listener.address);
    yield* idle.sendAll('hello');
    yield* idle.recv();
    using short = yield* connect(listener.address);
    yield* short.sendAll('short work');
    using endless = yield* connect(listener.address);
    yield* endless.sendAll('endless work');
    yield* working.wait();
    server?.stop({ graceMs: 1000 });
    console.log(String(yield* short.recv()));
  });
});

// Output:
// short work: done
// 2 drained, cut: busy, sleep forever
