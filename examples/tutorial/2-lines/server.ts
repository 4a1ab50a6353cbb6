// Step 2: a protocol of lines. The first line of a client is "ROOM NAME".
import type { Operation, Socket } from 'coronet';
import { main, tcpServer } from 'coronet';

function* chat(socket: Socket): Operation<void> {
  const reader = socket.reader({ max: 1000 });
  const hello = (yield* reader.readLine()) ?? '';
  const [, room, name] = /^(\w{1,32}) (\w{1,32})$/.exec(hello) ?? [];
  if (room === undefined || name === undefined) {
    return yield* socket.sendAll('Expected: ROOM NAME\n');
  }
  for (;;) {
    const line = yield* reader.readLine();
    if (line === null) return;
    yield* socket.sendAll(`${name}: ${line}\n`);
  }
}

await main(() => tcpServer('127.0.0.1:25000', chat));
