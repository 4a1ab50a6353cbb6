/**
 * coronet/topics: publish and subscribe, within this process or through a NATS server. See
 * docs/topics.md.
 */
import { natsEngine } from './node/peers/nats-engine.ts';
import { simulatedEngine } from './topics/broker/client.ts';
import type { NatsTopics } from './topics/nats.ts';
import { makeNatsTopics } from './topics/nats.ts';

export { natsBroker } from './topics/broker/broker.ts';
export { TopicsError, UnconfirmedError } from './topics/errors.ts';
export { localTopics } from './topics/local.ts';
export type { NatsOptions } from './topics/options.ts';
export type {
  PublishOptions,
  RequestOptions,
  SubscribeOptions,
  TopicGap,
  TopicHeaders,
  TopicItem,
  TopicMessage,
  TopicSubscription,
  TopicSubscriptionStats,
  Topics,
  TopicsState,
  TopicsStats,
} from './topics/topics.ts';
export type { BrokerOptions, BrokerTlsOptions } from './world/broker.ts';

/**
 * Connects to NATS servers, through the npm package `@nats-io/transport-node`, an optional peer
 * dependency. The topics reconnect until `close()`, or until the `using` block ends; flush before,
 * if the last messages matter. In a simulation the servers are hosts that run `natsBroker`.
 *
 * Cancel: nothing is left open.
 * Errors: ERR_TOPICS_CONNECT; ERR_MISSING_PEER; TypeError, RangeError.
 *
 * @example
 * using topics = yield* natsTopics({ servers: 'localhost:4222' });
 * using news = yield* topics.subscribe('news.>', { capacity: 1000 });
 * yield* each(news, function* (item) {
 *   if (item.gap !== undefined) console.log(`messages are missing: ${item.gap}`);
 *   else console.log(`${item.subject}: ${item.data}`);
 * });
 */
export const natsTopics: NatsTopics = makeNatsTopics(natsEngine, simulatedEngine);
