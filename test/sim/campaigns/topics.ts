/** Topics through a broker that is partitioned, crashed and restarted. */
import type { Operation } from 'coronet';
import { sleep } from 'coronet';
import type { World } from 'coronet/sim';
import { natsBroker } from 'coronet/topics';
import type { Campaign } from './support.ts';
import { check, HOSTILE, LOSSY, Random } from './support.ts';
import type { ChatOptions } from './topics-chat.ts';
import { ChatJournal, GATEWAYS, gateway } from './topics-chat.ts';

function* chat(world: World): Operation<void> {
  const random = new Random(world);
  const journal = new ChatJournal();
  const options: ChatOptions = {
    messages: random.integer(3, 15),
    nats: {
      servers: 'broker:4222',
      timeoutMs: 500,
      reconnectDelayMs: 50,
      pingIntervalMs: 200,
      maxDisconnectedMs: 1000,
      flushBytes: random.pick([20, 200, 10_000]),
    },
    integer: (least, most) => random.integer(least, most),
    pauseMs: () => random.integer(0, 60),
  };
  world.host('broker', () => natsBroker(4222));
  for (const name of GATEWAYS) {
    world.host(name, () => gateway(name, journal, options));
  }
  for (let faults = random.integer(0, 4); faults > 0; faults--) {
    yield* sleep(random.integer(10, 500));
    yield* playFault(world, random);
  }
  while (journal.done.size < GATEWAYS.length) yield* sleep(50);
  const { lost } = journal.totals();
  check(lost === 0, `${lost} messages were lost silently`);
}

/** Ends before it returns. */
function* playFault(world: World, random: Random): Operation<void> {
  const name = random.pick(GATEWAYS);
  const durationMs = random.integer(1, 1500);
  switch (random.pick(['partition', 'one way', 'broker', 'gateway', 'hold'])) {
    case 'partition':
      world.partition(name, 'broker');
      yield* sleep(durationMs);
      return world.heal(name, 'broker');
    case 'one way':
      world.partitionOneWay('broker', name);
      yield* sleep(durationMs);
      return world.heal(name, 'broker');
    case 'broker':
      world.crash('broker');
      yield* sleep(durationMs);
      return world.restart('broker');
    case 'gateway':
      world.crash(name);
      yield* sleep(durationMs);
      return world.restart(name);
    default:
      world.hold(name, 'broker');
      yield* sleep(durationMs);
      return world.release(name, 'broker');
  }
}

export const topicsChat: Campaign = {
  name: 'topics',
  shows: 'every message that a subscriber misses is covered by a gap at its place',
  scenario: chat,
  options: { faults: HOSTILE, link: LOSSY },
};
