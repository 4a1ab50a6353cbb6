// One client of the chat, over any transport. Its first line is "ROOM NAME"; every other line is
// sent to the room.
import type { Operation } from 'coronet';
import { group, moveOnAfter } from 'coronet';
import type { TopicSubscription, Topics } from 'coronet/topics';

/** The transport of a client. */
export interface Client {
  /** The next line; null at the end. */
  receive(): Operation<string | null>;
  send(line: string): Operation<void>;
}

export function* session(client: Client, topics: Topics): Operation<void> {
  const hello = (yield* moveOnAfter(10_000, client.receive())) ?? '';
  const [, room, name] = /^(\w{1,32}) (\w{1,32})$/.exec(hello) ?? [];
  if (room === undefined || name === undefined) return yield* client.send('Expected: ROOM NAME');
  const messages = yield* topics.subscribe(`rooms.${room}`, { capacity: 100 });
  yield* topics.publish(`rooms.${room}`, `* ${name} joins`);
  yield* group(function* (tasks): Operation<void> {
    tasks.spawn(() => forward(messages, client), { daemon: true, name: 'forward' });
    for (;;) {
      const line = yield* client.receive();
      if (line === null) return;
      yield* topics.publish(`rooms.${room}`, `${name}: ${line}`);
      yield; // The queues are emptied before the next line.
    }
  });
}

/** Sends the messages of a room to one client. */
function* forward(messages: TopicSubscription, client: Client): Operation<void> {
  for (;;) {
    const { done, value } = yield* messages.next();
    if (done) return;
    const isMessage = value.gap === undefined;
    yield* client.send(isMessage ? `${value.data}` : `* ${value.missed} messages are missing`);
  }
}
