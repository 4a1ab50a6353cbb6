// One client of the chat, over any transport. Its first line is "ROOM NAME"; every other line is
// sent to the room.
import type { Operation } from 'coronet';
import { group, isCancelled, moveOnAfter } from 'coronet';
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
  /** Reaches all gateways. */
  readonly topics: Topics;
  /** Reaches the sessions of this process; relay.ts copies the lines of all gateways to it. */
  readonly local: Topics;
  readonly history: History;
}

export function* session(client: Client, gateway: Gateway): Operation<void> {
  const { local, history } = gateway;
  const hello = (yield* moveOnAfter(10_000, client.receive())) ?? '';
  const [, room, name] = /^(\w{1,32}) (\w{1,32})$/.exec(hello) ?? [];
  if (room === undefined || name === undefined) return yield* client.send('Expected: ROOM NAME');
  const messages = yield* local.subscribe(`rooms.${room}`, { capacity: 100 });
  for (const line of history.of(room)) yield* client.send(line);
  yield* say(gateway.topics, client, { room, text: `* ${name} joins` });
  yield* group(function* (tasks): Operation<void> {
    tasks.spawn(() => forward(messages, client), { daemon: true, name: 'forward' });
    for (;;) {
      const line = yield* client.receive();
      if (line === null) return;
      yield* say(gateway.topics, client, { room, text: `${name}: ${line}` });
    }
  });
}

/** Publishes a line, and reports to the client if that was not possible. */
function* say(
  topics: Topics,
  client: Client,
  { room, text }: { room: string; text: string },
): Operation<void> {
  try {
    yield* topics.publish(`rooms.${room}`, text);
  } catch (error) {
    if (isCancelled(error)) throw error;
    yield* client.send(`* not sent: ${(error as Error).message}`);
  }
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
