// A client and a server: once on real sockets, and in 500 simulated worlds whose network is slow,
// loses packets and splits messages. The program is the same.
import type { Address, Operation, Socket } from 'coronet';
import { connect, group, listen, run, serve, tcpServer } from 'coronet';
import { simulate } from 'coronet/sim';

function* shout(socket: Socket): Operation<void> {
  const reader = socket.reader();
  for (;;) {
    const line = yield* reader.readLine();
    if (line === null) return;
    yield* socket.sendAll(`${line.toUpperCase()}!\n`);
  }
}

function* ask(address: Address, word: string): Operation<string | null> {
  using socket = yield* connect(address);
  yield* socket.sendAll(`${word}\n`);
  return yield* socket.reader().readLine();
}

await run(function* () {
  const listener = yield* listen('127.0.0.1:0');
  yield* group(function* (tasks): Operation<void> {
    tasks.spawn(() => serve(listener, shout), { daemon: true });
    console.log(`real: ${yield* ask(listener.address, 'hello')}`);
  });
});

const report = await simulate(
  function* (world) {
    world.host('server', () => tcpServer(80, shout));
    const answer = yield* ask('server:80', 'hello');
    if (answer !== 'HELLO!') throw new Error(`Expected HELLO!, got ${answer}`);
  },
  {
    runs: 500,
    link: { latencyMs: [1, 200], loss: 0.1 },
    faults: { shortReads: 0.5, shortWrites: 0.5, spuriousWakeups: 0.2, slowAccept: 0.2 },
  },
);
console.log(`simulated: ${report.runs} runs`);

// Output:
// real: HELLO!
// simulated: 500 runs
