// A line server: node shout.js [port]. Every line returns in capitals.
//
// A client has ten seconds for each line. After Ctrl-C, connections have five seconds to finish.
import type { Operation, Socket } from 'coronet';
import { main, moveOnAfter, tcpServer } from 'coronet';

const [port = '25000'] = process.argv.slice(2);

function* shout(socket: Socket): Operation<void> {
  const reader = socket.reader({ max: 1000 });
  for (;;) {
    const line = yield* moveOnAfter(10_000, () => reader.readLine());
    if (line === undefined || line === null) return; // too late, or end of file
    yield* socket.sendAll(`${line.toUpperCase()}\n`);
  }
}

await main(() => tcpServer(`127.0.0.1:${port}`, shout), { graceMs: 5000 });
