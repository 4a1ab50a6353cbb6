// The connection of a gateway to the others, through NATS.
import type { Operation } from 'coronet';
import { group } from 'coronet';
import type { TopicSubscription } from 'coronet/topics';
import { localTopics, natsTopics } from 'coronet/topics';
import { History } from './history.ts';
import type { Gateway } from './session.ts';

/** Connects to the NATS server, and runs `serve` while lines are relayed. */
export function* withRelay(
  servers: string,
  serve: (gateway: Gateway) => Operation<void>,
): Operation<void> {
  const topics = yield* natsTopics({ servers });
  try {
    const messages = yield* topics.subscribe('rooms.*', { capacity: 10_000 });
    const gateway = { topics, local: yield* localTopics(), history: new History() };
    yield* group(function* (tasks): Operation<void> {
      tasks.spawn(() => relay(messages, gateway), { daemon: true, name: 'relay' });
      yield* serve(gateway);
    });
  } finally {
    topics.close();
  }
}

/** Copies the lines of all gateways to the sessions and to the history of this one. */
function* relay(messages: TopicSubscription, gateway: Gateway): Operation<void> {
  const { local, history } = gateway;
  for (;;) {
    const { done, value } = yield* messages.next();
    if (done) return;
    if (value.gap === undefined) {
      yield* local.publish(value.subject, value.data);
      history.add(value.subject.slice('rooms.'.length), `${value.data}`);
      yield; // The queues are emptied before the next line.
    } else {
      const notice = `* messages may be missing (${value.gap})`;
      for (const room of history.rooms()) yield* local.publish(`rooms.${room}`, notice);
    }
  }
}
