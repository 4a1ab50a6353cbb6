// Tests a limit of a minute in virtual time: `tcpServer` runs on simulated sockets unchanged.
import type { Operation, Socket } from 'coronet';
import { connect, now, tcpServer } from 'coronet';
import { simulate } from 'coronet/sim';

function* echo(socket: Socket): Operation<void> {
  for (;;) {
    const data = yield* socket.recv();
    if (data.length === 0) return;
    yield* socket.sendAll(data);
  }
}

const report = await simulate(
  function* (world) {
    world.host('server', () => tcpServer(80, echo, { firstByteTimeoutMs: 60_000 }));
    using silent = yield* connect('server:80');
    const begin = now();
    const data = yield* silent.recv();
    const seconds = (now() - begin) / 1000;
    if (data.length > 0) throw new Error(`Expected the end, got ${data}`);
    if (seconds < 60 || seconds > 76) throw new Error(`Ended after ${seconds} s`);
  },
  { runs: 100 },
);
console.log(`${report.runs} runs: the silent client was ended after its minute`);

// Output:
// 100 runs: the silent client was ended after its minute
