// One client of the chat, over any transport. Its first line is "ROOM NAME"; every other line is
// sent to the room.
import type { Operation } from 'coronet';
import { group, moveOnAfter } from 'coronet';
import type { TopicSubscription, Topics } from 'coronet/topics';
import type { History } from './history.ts';

/** The transport of a client. */
export interface Client {
  /** The next line; null at the end. */
  receive(): Operation<string | null>;
  send(line: string): Operation<void>;
}

/** The parts of a gateway that its sessions share. */
export interface Gateway {
  readonly topics: Topics;
  readonly history: History;
}

export function* session(client: Client, gateway: Gateway): Operation<void> {
  const { topics, history } = gateway;
  const hello = (yield* moveOnAfter(10_000, client.receive())) ?? '';
  const [, room, name] = /^(\w{1,32}) (\w{1,32})$/.exec(hello) ?? [];
  if (room === undefined || name === undefined) return yield* client.send('Expected: ROOM NAME');
  const messages = yield* topics.subscribe(`rooms.${room}`, { capacity: 100 });
  for (const line of history.of(room)) yield* client.send(line);
  yield* say(gateway, room, `* ${name} joins`);
  yield* group(function* (tasks): Operation<void> {
    tasks.spawn(() => forward(messages, client), { daemon: true, name: 'forward' });
    for (;;) {
      const line = yield* client.receive();
      if (line === null) return;
      yield* say(gateway, room, `${name}: ${line}`);
      yield; // The queues are emptied before the next line.
    }
  });
}

/** Publishes a line and remembers it, in one step: no other task runs in between. */
function* say({ topics, history }: Gateway, room: string, line: string): Operation<void> {
  yield* topics.publish(`rooms.${room}`, line);
  history.add(room, line);
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
