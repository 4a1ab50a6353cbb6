/** The implementations of topics on which the contract suite runs. */
import type { Operation } from '../../src/index.ts';
import { run, timeout } from '../../src/index.ts';
import type { TopicItem, TopicSubscription, Topics } from '../../src/topics.ts';
import { localTopics, natsTopics } from '../../src/topics.ts';
import { backends } from './backends.ts';
import { NatsServer, withoutNatsServer } from './nats-server.ts';

/** An implementation of topics. */
export interface TopicsBackend {
  readonly name: string;
  /** True: the topics are connections to a broker. */
  readonly hasBroker: boolean;
  /** Runs a program. Topics that it opens with `open` reach each other, and are closed after it. */
  run(program: (open: OpenTopics) => Operation<void>): Promise<void>;
}

export type OpenTopics = () => Operation<Topics>;

/** Local topics reach each other because they are the same object. */
const localBackends: readonly TopicsBackend[] = backends.map((backend) => ({
  name: `local topics on ${backend.name}`,
  hasBroker: false,
  run: (program) =>
    backend.run(function* () {
      using topics = yield* localTopics();
      yield* program(function* () {
        return topics;
      });
    }),
}));

/** The next item: the text of a message, or the gap. */
export function* nextOf(subscription: TopicSubscription): Operation<string | object | undefined> {
  const { done, value } = yield* subscription.next();
  return done ? undefined : shown(value);
}

/** The next `count` items. */
export function* take(
  subscription: TopicSubscription,
  count: number,
): Operation<(string | object | undefined)[]> {
  const items: (string | object | undefined)[] = [];
  while (items.length < count) items.push(yield* nextOf(subscription));
  return items;
}

function shown(item: TopicItem): string | object {
  return item.gap === undefined ? `${item.subject}: ${item.data}` : item;
}

const natsBackend: TopicsBackend = {
  name: 'NATS topics',
  hasBroker: true,
  run: async (program) => {
    const server = await NatsServer.start();
    try {
      await run(() => timeout(LIMIT_MS, () => withNats(server.address, program)));
    } finally {
      await server.kill();
    }
  },
};

/** Less than the time limit of a test. */
const LIMIT_MS = 25_000;

function* withNats(
  servers: string,
  program: (open: OpenTopics) => Operation<void>,
): Operation<void> {
  const opened: Topics[] = [];
  try {
    yield* program(function* () {
      const topics = yield* natsTopics({ servers, reconnectDelayMs: 20 });
      opened.push(topics);
      return topics;
    });
  } finally {
    for (const topics of opened) topics.close();
  }
}

/** All implementations that can be tested here; see `withoutNatsServer`. */
export const topicsBackends: readonly TopicsBackend[] = [
  ...localBackends,
  ...(withoutNatsServer === undefined ? [natsBackend] : []),
];
