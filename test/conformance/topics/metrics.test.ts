/** The counters of topics in `/metrics`. */
import { expect, it } from 'vitest';
import { health } from '../../../src/health.ts';
import type { Operation, SocketAddress } from '../../../src/index.ts';
import { connect, group, run } from '../../../src/index.ts';
import { localTopics } from '../../../src/topics.ts';
import { eventually, receiveText } from '../../support/sockets.ts';

it('topics are a source of /metrics', () =>
  run(function* () {
    using topics = yield* localTopics();
    using subscription = yield* topics.subscribe('a', { capacity: 1 });
    for (let i = 0; i < 3; i++) yield* topics.publish('a', 'abc');
    yield* subscription.next();
    yield* group(function* (tasks): Operation<void> {
      let at: SocketAddress | undefined;
      const onListening = (address: SocketAddress): void => {
        at = address;
      };
      tasks.spawn(() => health(0, { servers: { topics }, onListening }), { daemon: true });
      yield* eventually('health listens', () => at !== undefined);
      using socket = yield* connect(at as SocketAddress);
      yield* socket.sendAll('GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n');
      const page = yield* receiveText(socket);
      for (const [name, value] of Object.entries({ connected: 1, published: 3, missed: 2 })) {
        expect(page).toContain(`coronet_server_${name}{server="topics"} ${value}\n`);
      }
    });
  }));
