/** The broker for simulations: clients that violate the protocol, and slow ones. */
import { expect, it } from 'vitest';
import type { Operation, Socket } from '../../index.ts';
import { connect, Event, sleep } from '../../index.ts';
import type { World } from '../../sim.ts';
import { simulate } from '../../sim.ts';
import type { Topics } from '../../topics.ts';
import { natsBroker, natsTopics } from '../../topics.ts';
import { MAX_PAYLOAD } from './protocol.ts';

/** More messages of the maximum size than the broker lets wait for a client. */
const FLOOD = 80;

async function withBroker(body: (world: World, topics: Topics) => Operation<void>): Promise<void> {
  await simulate(function* (world): Operation<void> {
    world.host('broker', () => natsBroker(4222));
    using topics = yield* natsTopics({ servers: 'broker:4222' });
    yield* body(world, topics);
  });
}

async function withClient(body: (socket: Socket) => Operation<void>): Promise<void> {
  await simulate(function* (world): Operation<void> {
    world.host('broker', () => natsBroker(4222));
    using socket = yield* connect('broker:4222');
    yield* body(socket);
  });
}

it.each([
  ['an unknown verb', 'HELLO\r\n'],
  ['a size that is no number', 'PUB a x\r\n\r\n'],
  ['a message above the maximum size', `PUB a ${2 ** 20 + 1}\r\n`],
  ['headers that are longer than the message', 'HPUB a 10 5\r\n12345\r\n'],
  ['a subject with wildcards', 'PUB a.* 0\r\n\r\n'],
  ['an invalid pattern', 'SUB a..b 1\r\n'],
  ['a line without end', 'X'.repeat(5000)],
])('a client that sends %s is disconnected', (_title, bytes) =>
  withClient(function* (socket): Operation<void> {
    yield* socket.sendAll('CONNECT {}\r\nPING\r\n');
    const reader = socket.reader();
    expect(yield* reader.readLine()).toMatch(/^INFO {/);
    expect(yield* reader.readLine()).toBe('PONG');
    yield* socket.sendAll(bytes);
    expect(yield* reader.readLine()).toBeNull();
  }),
);

it('a subscriber that the broker cuts because it does not receive has a gap', () =>
  withBroker(function* (world, publisher): Operation<void> {
    const items: (string | undefined)[] = [];
    const subscribed = new Event('the subscriber has subscribed');
    world.host('subscriber', function* (): Operation<void> {
      using topics = yield* natsTopics({ servers: 'broker:4222', pingIntervalMs: 60_000 });
      using subscription = yield* topics.subscribe('flood', { capacity: Infinity });
      subscribed.set();
      while (items.at(-1) !== 'last') {
        const { value } = yield* subscription.next();
        items.push(value?.gap ?? String(value?.data).slice(0, 4));
      }
    });
    yield* subscribed.wait();
    using other = yield* publisher.subscribe('flood', { capacity: Infinity });
    world.hold('broker', 'subscriber');
    const data = Buffer.alloc(MAX_PAYLOAD, 'x');
    // More than the broker and the network buffer.
    for (let i = 0; i < FLOOD; i++) yield* publisher.publish('flood', data);
    yield* publisher.flush();
    expect(other.stats().buffered).toBe(FLOOD);
    world.release('broker', 'subscriber');
    while (items.at(-1) !== 'last') {
      yield* publisher.publish('flood', 'last');
      yield* sleep(100);
    }
    expect(items.filter((item) => item === 'xxxx').length).toBeLessThan(FLOOD);
    expect(items.slice(-2)).toEqual(['reconnected', 'last']);
    expect(items.filter((item) => item === 'reconnected')).toHaveLength(1);
  }));
