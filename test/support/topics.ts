/** The implementations of topics on which the contract suite runs. */
import { describe } from 'vitest';
import type { Operation, SocketAddress } from '../../src/index.ts';
import { group, listen, retry, run, timeout } from '../../src/index.ts';
import { simulate } from '../../src/sim.ts';
import { simulatedEngine } from '../../src/topics/broker/client.ts';
import type { NatsTopics } from '../../src/topics/nats.ts';
import { makeNatsTopics } from '../../src/topics/nats.ts';
import type { TopicItem, TopicSubscription, Topics } from '../../src/topics.ts';
import { localTopics, natsBroker, natsTopics } from '../../src/topics.ts';
import { backends, realBackends } from './backends.ts';
import { NatsServer, withoutNatsServer } from './nats/server.ts';

/** An implementation of topics. */
export interface TopicsBackend {
  readonly name: string;
  /** True: the topics are connections to a broker. */
  readonly hasBroker: boolean;
  /** True: the program runs on virtual time. */
  readonly isSimulated: boolean;
  /** The reason why it cannot be tested here. */
  readonly skipReason?: string | undefined;
  /** Runs a program. Topics that it opens with `open` reach each other, and are closed after it. */
  run(program: (open: OpenTopics) => Operation<void>): Promise<void>;
}

export type OpenTopics = () => Operation<Topics>;

/** Local topics reach each other because they are the same object. */
const localBackends: readonly TopicsBackend[] = backends.map((backend) => ({
  name: `local topics on ${backend.name}`,
  hasBroker: false,
  isSimulated: !realBackends.includes(backend),
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

/** Less than the time limit of a test. */
const LIMIT_MS = 25_000;

type Program = Parameters<TopicsBackend['run']>[0];

function* withNats(connect: NatsTopics, servers: string, program: Program): Operation<void> {
  const opened: Topics[] = [];
  try {
    yield* program(function* () {
      const topics = yield* connect({ servers, reconnectDelayMs: 20 });
      opened.push(topics);
      return topics;
    });
  } finally {
    for (const topics of opened) topics.close();
  }
}

const simulated: TopicsBackend = {
  name: 'natsTopics with natsBroker in a simulation',
  hasBroker: true,
  isSimulated: true,
  run: async (program) => {
    await simulate(function* (world): Operation<void> {
      world.host('broker', () => natsBroker(4222));
      yield* withNats(natsTopics, 'broker:4222', program);
    });
  },
};

/** The npm package as a client of the broker for simulations. */
const withBroker: TopicsBackend = {
  name: 'natsTopics with natsBroker on sockets',
  hasBroker: true,
  isSimulated: false,
  run: (program) =>
    run(
      timeout(LIMIT_MS, () =>
        group(function* (tasks): Operation<void> {
          const at = yield* freeAddress();
          tasks.spawn(() => natsBroker(at), { daemon: true });
          yield* withNats(natsTopicsWithRetry, String(at), program);
        }),
      ),
    ),
};

/** The broker listens soon. */
const natsTopicsWithRetry: NatsTopics = (options) =>
  retry(() => natsTopics(options), { times: 100, delayMs: 2 });

function* freeAddress(): Operation<SocketAddress> {
  using listener = yield* listen('127.0.0.1:0');
  return listener.address as SocketAddress;
}

function withServer(name: string, connect: NatsTopics): TopicsBackend {
  return {
    name,
    hasBroker: true,
    isSimulated: false,
    skipReason: withoutNatsServer,
    run: async (program) => {
      const server = await NatsServer.start();
      try {
        await run(() => timeout(LIMIT_MS, () => withNats(connect, server.address, program)));
      } finally {
        await server.kill();
      }
    },
  };
}

/** The client for simulations, on the network of the system. */
const simulatedClient = makeNatsTopics(simulatedEngine, simulatedEngine);

/** All implementations. */
export const topicsBackends: readonly TopicsBackend[] = [
  ...localBackends,
  simulated,
  withBroker,
  withServer('natsTopics with nats-server', natsTopics),
  withServer('the client for simulations with nats-server', simulatedClient),
];

/** Declares tests of each of `tested`. The title of one that is skipped states the reason. */
export function describeTopics(
  tested: readonly TopicsBackend[],
  tests: (backend: TopicsBackend) => void,
): void {
  for (const backend of tested) {
    const { name, skipReason } = backend;
    const title = skipReason === undefined ? name : `${name} (skipped: ${skipReason})`;
    describe.skipIf(skipReason !== undefined)(title, () => tests(backend));
  }
}
