// Step 5: limits for clients, and an orderly end of the program.
import type { Operation, Socket } from 'coronet';
import { currentScope, group, main, moveOnAfter, tcpServer } from 'coronet';
import type { TopicSubscription, Topics } from 'coronet/topics';
import { localTopics } from 'coronet/topics';

function* chat(socket: Socket, topics: Topics): Operation<void> {
  const reader = socket.reader({ max: 1000 });
  const hello = (yield* moveOnAfter(10_000, reader.readLine())) ?? '';
  const [, room, name] = /^(\w{1,32}) (\w{1,32})$/.exec(hello) ?? [];
  if (room === undefined || name === undefined) {
    return yield* socket.sendAll('Expected: ROOM NAME\n');
  }
  const messages = yield* topics.subscribe(`rooms.${room}`, { capacity: 100 });
  yield* topics.publish(`rooms.${room}`, `* ${name} joins`);
  yield* group(function* (tasks): Operation<void> {
    tasks.spawn(() => forward(messages, socket), { daemon: true, name: 'forward' });
    for (;;) {
      const line = yield* reader.readLine();
      if (line === null) return;
      yield* topics.publish(`rooms.${room}`, `${name}: ${line}`);
      yield; // The queues are emptied before the next line.
    }
  });
  if (currentScope().stopping) yield* socket.sendAll('* the server stops\n');
}

/** Sends the messages of a room to one client. */
function* forward(messages: TopicSubscription, socket: Socket): Operation<void> {
  for (;;) {
    const { done, value } = yield* messages.next();
    if (done) return;
    const line = value.gap === undefined ? value.data : `* ${value.missed} messages are missing`;
    yield* socket.sendAll(`${line}\n`);
  }
}

function* program(): Operation<void> {
  const topics = yield* localTopics();
  yield* tcpServer('127.0.0.1:25000', (socket) => chat(socket, topics), {
    maxConnectionsPerPeer: 100,
    idleTimeoutMs: 600_000,
    onListening: ({ address }) => console.log(`listening on ${address}`),
    onClose: ({ peer, reason }) => console.log(`${peer}: ${reason}`),
  });
}

await main(program, { graceMs: 10_000 });
