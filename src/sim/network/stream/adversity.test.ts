/** Streams under everything at once: whatever happens on the way, each byte arrives, in order. */
import { describe, expect, it } from 'vitest';
import { digest, pattern } from '../../../../test/support/data.ts';
import { TinyWorld } from '../../../../test/support/network/simulated-network.ts';
import { receiveAll } from '../../../../test/support/sockets.ts';
import type { Operation, Socket } from '../../../index.ts';
import { connect, group, listen, sleep } from '../../../index.ts';
import { Decisions } from '../../choices/decisions.ts';

/**
 * Cuts, heals, holds and releases the ways between the hosts, then heals all: before a system gives
 * up on a handshake, after 63 s.
 */
function disturb(world: TinyWorld, draws: Decisions): void {
  const { net } = world;
  const ways: readonly (readonly [string, string])[] = [
    ['client', 'server'],
    ['server', 'client'],
  ];
  for (let at = 0; at < 30_000; at += draws.between('program', 1, 5000)) {
    const [from, to] = ways[draws.choose('program', 2)] as readonly [string, string];
    const act = [
      () => net.partition(from, to),
      () => net.heal(from, to),
      () => net.hold(from, to),
      () => net.release(from, to),
    ][draws.choose('program', 4)] as () => void;
    world.callAt(at, act);
  }
  world.callAt(30_000, () => {
    for (const [from, to] of ways) {
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

/** Sends `data`, receives what the peer sends, and compares. */
function* exchange(socket: Socket, seeds: readonly [number, number]): Operation<void> {
  const [own, other] = seeds.map((seed) => pattern(300_000, seed)) as [Buffer, Buffer];
  const draws = new Decisions(seeds[0]);
  yield* group(function* (tasks): Operation<void> {
    tasks.spawn(() => sendInParts(socket, own, draws));
    const heard = yield* receiveAll(socket, 1 + draws.choose('program', 100_000));
    expect(digest(heard)).toBe(digest(other));
  });
}

function play(seed: number): TinyWorld {
  const draws = new Decisions(seed);
  const world = new TinyWorld({
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

describe('a stream under adversity', () => {
  it('loses nothing, mixes nothing up and comes to its end, in each of 60 worlds', () => {
    let drops = 0;
    for (let seed = 1; seed <= 60; seed++) drops += play(seed).count('drop');
    expect(drops).toBeGreaterThan(60);
  });

  it('is the same for the same seed, event by event', () => {
    for (const seed of [3, 17]) {
      const [one, two] = [play(seed), play(seed)];
      expect(two.log).toEqual(one.log);
      expect(two.now).toBe(one.now);
    }
  });
});
