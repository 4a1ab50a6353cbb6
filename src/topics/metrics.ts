/** How /metrics shows the stats of topics. */
import { counter, gauge } from '../server/stats.ts';
import type { MetricDefinition } from '../world/platform.ts';
import type { TopicsStats } from './topics.ts';

/** The metrics are called `coronet_topics_…`. */
export const METRICS_PREFIX = 'topics';

export const TOPICS_METRICS: Readonly<
  Record<Exclude<keyof TopicsStats, 'state'>, MetricDefinition>
> = {
  connected: gauge('1 while connected to the broker, 0 while reconnecting or closed.'),
  published: counter('Messages that were published.'),
  publishedBytes: counter('Bytes of the messages that were published.'),
  unconfirmed: gauge('Published messages that the broker has not confirmed yet.'),
  unconfirmedLost: counter('Published messages that were not confirmed before a disconnection.'),
  received: counter('Messages that subscriptions have delivered.'),
  missed: counter('Messages that subscriptions dropped because their buffers were full.'),
  gaps: counter('Gaps that subscriptions have reported.'),
  reconnects: counter('Reconnections to the broker.'),
  subscriptions: gauge('Open subscriptions.'),
};
