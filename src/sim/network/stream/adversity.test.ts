/** TCP streams under all faults and disturbances at once: every byte arrives, in order. */
import { describe, expect, it } from 'vitest';
import { digest, pattern } from '../../../../test/support/data.ts';
import { NetworkTestWorld } from '../../../../test/support/network/simulated-network.ts';
import { receiveAll } from '../../../../test/support/sockets.ts';
import type { Operation, Socket } from '../../../index.ts';
import { connect, group, listen, sleep } from '../../../index.ts';
import { Decisions } from '../../choices/decisions.ts';

/**
 * Cuts, heals, holds and releases the links between the hosts for 30 s: less than the 63 s after
 * which a server drops a half-open connection.
 */
function disturb(world: NetworkTestWorld, draws: Decisions): void {
  const { net } = world;
  const links: readonly (readonly [string, string])[] = [
    ['client', 'server'],
    ['server', 'client'],
  ];
  for (let at = 0; at < 30_000; at += draws.between('program', 1, 5000)) {
    const [from, to] = links[draws.choose('program', 2)] as readonly [string, string];
    const act = [
      () => net.partition(from, to),
      () => net.heal(from, to),
      () => net.hold(from, to),
      () => net.release(from, to),
    ][draws.choose('program', 4)] as () => void;
    world.callAt(at, act);
  }
  world.callAt(30_000, () => {
    for (const [from, to] of links) {
      net.heal(from, to);
      net.release(from, to);
    }
  });
}

function* sendInParts(socket: Socket, data: Buffer, draws: Decisions): Operation<void> {
  for (let at = 0; at < data.length; ) {
    const length = 1 + draws.choose('program', 40_000);
    yield* socket.sendAll(data.subarray(at, at + length));
    at += length;
    if (draws.chance('program', 0.3)) yield* sleep(draws.between('program', 0, 3000));
  }
  socket.shutdown('send');
}

/** Sends `data`, receives from the peer and compares. */
function* exchange(socket: Socket, seeds: readonly [number, number]): Operation<void> {
  const [own, other] = seeds.map((seed) => pattern(300_000, seed)) as [Buffer, Buffer];
  const draws = new Decisions(seeds[0]);
  yield* group(function* (tasks): Operation<void> {
    tasks.spawn(() => sendInParts(socket, own, draws));
    const received = yield* receiveAll(socket, 1 + draws.choose('program', 100_000));
    expect(digest(received)).toBe(digest(other));
  });
}

function play(seed: number): NetworkTestWorld {
  const draws = new Decisions(seed);
  const world = new NetworkTestWorld({
    seed,
    link: { latencyMs: [1, 40], loss: 0.02, bytesPerSecond: 2_000_000 },
    faults: { shortReads: 0.1, shortWrites: 0.1, spuriousWakeups: 0.1, slowAccept: 0.5 },
  });
  world.host('server', function* (): Operation<void> {
    using listener = yield* listen(80);
    using socket = yield* listener.accept();
    yield* exchange(socket, [seed + 1000, seed + 2000]);
  });
  world.host('client', function* (): Operation<void> {
    using socket = yield* connect('10.0.0.1:80');
    yield* exchange(socket, [seed + 2000, seed + 1000]);
  });
  disturb(world, draws);
  world.run();
  return world;
}

describe('a TCP stream under disturbances', () => {
  it('delivers every byte in order and ends, in each of 60 worlds', () => {
    let drops = 0;
    for (let seed = 1; seed <= 60; seed++) drops += play(seed).count('drop');
    expect(drops).toBeGreaterThan(60);
  });

  it('has the same events for the same seed', () => {
    for (const seed of [3, 17]) {
      const [one, two] = [play(seed), play(seed)];
      expect(two.log).toEqual(one.log);
      expect(two.now).toBe(one.now);
    }
  });
});
