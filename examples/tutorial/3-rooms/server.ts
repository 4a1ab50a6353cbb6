// Step 3: a line goes to every member of the room.
import type { Operation, Socket } from 'coronet';
import { Lock, main, tcpServer } from 'coronet';

type Send = (line: string) => Operation<void>;

const rooms = new Map<string, Set<Send>>();

function* chat(socket: Socket): Operation<void> {
  const reader = socket.reader({ max: 1000 });
  const sending = new Lock();
  const send: Send = (line) => sending.with(() => socket.sendAll(`${line}\n`));
  const hello = (yield* reader.readLine()) ?? '';
  const [, room, name] = /^(\w{1,32}) (\w{1,32})$/.exec(hello) ?? [];
  if (room === undefined || name === undefined) return yield* send('Expected: ROOM NAME');
  const members = rooms.get(room) ?? new Set();
  rooms.set(room, members.add(send));
  try {
    yield* sendToAll(members, `* ${name} joins`);
    for (;;) {
      const line = yield* reader.readLine();
      if (line === null) return;
      yield* sendToAll(members, `${name}: ${line}`);
    }
  } finally {
    members.delete(send);
    if (members.size === 0) rooms.delete(room);
  }
}

function* sendToAll(members: Iterable<Send>, line: string): Operation<void> {
  for (const sendTo of members) yield* sendTo(line);
}

await main(() => tcpServer('127.0.0.1:25000', chat));
