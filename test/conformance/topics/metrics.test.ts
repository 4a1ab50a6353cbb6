/** The metrics of topics, on the page that prom-client writes. */
import { expect, it } from 'vitest';
import { health } from '../../../src/health.ts';
import type { Operation, SocketAddress } from '../../../src/index.ts';
import { connect, group } from '../../../src/index.ts';
import type { Topics } from '../../../src/topics.ts';
import { eventually, receiveText } from '../../support/sockets.ts';
import { describeTopics, take, topicsBackends } from '../../support/topics.ts';

/** The metrics of topics under the name "chat": "name value", and the types as "name type". */
function* topicsMetrics(topics: Topics): Operation<Record<string, string>> {
  const page = yield* metricsPage(topics);
  const lines = page.matchAll(/^(?:# TYPE )?coronet_topics_(\w+)(?:\{topics="chat"\})? (\S+)\n/gm);
  const metrics: Record<string, string> = {};
  for (const [, name = '', text = ''] of lines) {
    metrics[name] = name in metrics ? `${metrics[name]} ${text}` : text;
    expect(page).toMatch(new RegExp(`^# HELP coronet_topics_${name} [A-Z1].*\\.\n`, 'm'));
  }
  expect(page).not.toMatch(/^coronet_server_/m);
  return metrics;
}

function* metricsPage(topics: Topics): Operation<string> {
  return yield* group(function* (tasks): Operation<string> {
    let at: SocketAddress | undefined;
    const onListening = (address: SocketAddress): void => {
      at = address;
    };
    const options = { servers: { chat: topics }, onListening };
    tasks.spawn(() => health(0, options), { daemon: true });
    yield* eventually('health listens', () => at !== undefined);
    using socket = yield* connect(at as SocketAddress);
    yield* socket.sendAll('GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n');
    return yield* receiveText(socket);
  });
}

// prom-client, which writes the page, is not available in simulations.
const tested = topicsBackends.filter(({ isSimulated }) => !isSimulated);

describeTopics(tested, (backend) => {
  it('/metrics shows the counters of topics under names of their own', () =>
    backend.run(function* (open): Operation<void> {
      const topics = yield* open();
      using all = yield* topics.subscribe('a');
      using slow = yield* topics.subscribe('a', { capacity: 1 });
      for (let i = 0; i < 3; i++) yield* topics.publish('a', 'abc');
      yield* topics.flush();
      yield* take(all, 3);
      expect(yield* take(slow, 2)).toEqual([{ gap: 'slow', missed: 2 }, 'a: abc']);
      expect(topics.stats()).toMatchObject({ gaps: 1 });
      expect(yield* topicsMetrics(topics)).toEqual({
        connected: 'gauge 1',
        published_total: 'counter 3',
        published_bytes_total: 'counter 9',
        unconfirmed: 'gauge 0',
        unconfirmed_lost_total: 'counter 0',
        received_total: 'counter 4',
        missed_total: 'counter 2',
        gaps_total: 'counter 1',
        reconnects_total: 'counter 0',
        subscriptions: 'gauge 2',
      });
    }));
});
