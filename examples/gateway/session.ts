// One client of the chat, over any transport. Its first line is "ROOM NAME". Every other line is
// sent to the room, except "/who", which lists the members.
import type { Operation } from 'coronet';
import { group, isCancelled } from 'coronet';
import type { Topics } from 'coronet/topics';
import type { Presence } from './presence.ts';

/** The transport of a client. Several tasks may send. */
export interface Client {
  /** The next line; null at the end. */
  receive(): Operation<string | null>;
  send(line: string): Operation<void>;
}

/** The parts of a gateway that its sessions share. */
export interface Gateway {
  /** Reaches all gateways. */
  readonly topics: Topics;
  /** Reaches the sessions of this process; `relay` copies the messages of the rooms to it. */
  readonly local: Topics;
  readonly presence: Presence;
}

export function* session(client: Client, { topics, local, presence }: Gateway): Operation<void> {
  const hello = (yield* client.receive()) ?? '';
  const [, room, name] = /^(\w{1,32}) (\w{1,32})$/.exec(hello) ?? [];
  if (room === undefined || name === undefined) return yield* client.send('Expected: ROOM NAME');
  using messages = yield* local.subscribe(`rooms.${room}`, { capacity: 100 });
  yield* group(function* (tasks): Operation<void> {
    const forward = function* (): Operation<void> {
      for (;;) {
        const { done, value } = yield* messages.next();
        if (done) return;
        yield* client.send(value.gap === undefined ? String(value.data) : '* messages are missing');
      }
    };
    tasks.spawn(forward, { daemon: true });
    tasks.spawn(() => presence.announce(room, name), { daemon: true });
    for (;;) {
      const line = yield* client.receive();
      if (line === null) return;
      if (line === '/who') yield* client.send(`* ${presence.members(room).join(', ')}`);
      else yield* say(client, topics, { room, text: `${name}: ${line}` });
    }
  });
}

/** Publishes a line, and informs the client if that is not possible. */
function* say(
  client: Client,
  topics: Topics,
  { room, text }: { readonly room: string; readonly text: string },
): Operation<void> {
  try {
    yield* topics.publish(`rooms.${room}`, text);
  } catch (error) {
    if (isCancelled(error)) throw error;
    yield* client.send(`* not sent: ${(error as Error).message}`);
  }
}

/** Copies the messages of all rooms from the broker, which thus sends each of them once. */
export function* relay({ topics, local, presence }: Gateway): Operation<void> {
  using messages = yield* topics.subscribe('rooms.*', { capacity: 10_000 });
  for (;;) {
    const { done, value } = yield* messages.next();
    if (done) return;
    if (value.gap === undefined) yield* local.publish(value.subject, value.data);
    else {
      for (const room of presence.rooms()) {
        yield* local.publish(`rooms.${room}`, `* messages may be missing (${value.gap})`);
      }
    }
  }
}
