import { describe, expect, it } from 'vitest';
import { NetworkTestWorld } from '../../../test/support/network/simulated-network.ts';
import { failure, receiveAll } from '../../../test/support/sockets.ts';
import type { Operation, Socket } from '../../index.ts';
import { connect, group, listen, moveOnAfter, sleep } from '../../index.ts';
import type { Faults } from '../core.ts';

const TEXT = Array.from({ length: 50 }, (_, i) => `message ${i}\n`).join('');

/** The server echoes; the client sends TEXT in parts and checks the echo. */
function echoUnder(faults: Faults, seed: number): NetworkTestWorld {
  const world = new NetworkTestWorld({ link: { latencyMs: [1, 5] }, faults, seed });
  world.host('server', function* (): Operation<void> {
    using listener = yield* listen(80);
    using socket = yield* retryOnEmfile(() => listener.accept());
    for (;;) {
      const data = yield* socket.recv(64);
      if (data.length === 0) return;
      yield* socket.sendAll(data);
    }
  });
  world.host('client', function* (): Operation<void> {
    using socket = yield* retryOnEmfile(() => connect('10.0.0.1:80'));
    yield* group(function* (tasks): Operation<void> {
      tasks.spawn(() => sendParts(socket));
      expect(String(yield* receiveAll(socket))).toBe(TEXT);
    });
  });
  world.run();
  return world;
}

function* sendParts(socket: Socket): Operation<void> {
  for (let at = 0; at < TEXT.length; at += 9) {
    yield* socket.sendAll(TEXT.slice(at, at + 9));
    yield* sleep(1);
  }
  socket.shutdown('send');
}

/** Repeats an operation while no descriptor is left. */
function* retryOnEmfile(attempt: () => Operation<Socket>): Operation<Socket> {
  for (;;) {
    try {
      return yield* attempt();
    } catch (error) {
      if ((error as { code?: string }).code !== 'EMFILE') throw error;
      yield* sleep(10);
    }
  }
}

function countInjected(world: NetworkTestWorld, host: string, name: string): number {
  return world.log.filter((line) => line === `fault ${host} ${name}`).length;
}

describe('faults that lose nothing', () => {
  const kinds: [keyof Faults, number][] = [
    ['shortReads', 0.5],
    ['shortReads', 1],
    ['shortWrites', 0.5],
    ['shortWrites', 1],
    ['spuriousWakeups', 0.5],
    ['spuriousWakeups', 1],
    ['emfile', 0.5],
    ['slowAccept', 1],
  ];
  it.each(kinds)('%s with probability %d: every byte arrives, in order', (name, chance) => {
    let count = 0;
    for (let seed = 1; seed <= 10; seed++) {
      const world = echoUnder({ [name]: chance }, seed);
      count += countInjected(world, 'server', name) + countInjected(world, 'client', name);
    }
    expect(count).toBeGreaterThan(0);
  });

  it('all of them together: every byte arrives, in order', () => {
    const faults = {
      shortReads: 0.3,
      shortWrites: 0.3,
      spuriousWakeups: 0.3,
      emfile: 0.3,
      slowAccept: 0.3,
    };
    for (let seed = 1; seed <= 30; seed++) {
      const world = echoUnder(faults, seed);
      expect(world.count('fault')).toBeGreaterThan(0);
    }
  });

  it('spuriousWakeups: a time limit still works', () => {
    const world = new NetworkTestWorld({ faults: { spuriousWakeups: 1 } });
    world.host('server', function* (): Operation<void> {
      using listener = yield* listen(80);
      expect(yield* moveOnAfter(500, () => listener.accept())).toBe(undefined);
    });
    world.run();
    expect(countInjected(world, 'server', 'spuriousWakeups')).toBe(1);
  });
});

describe('faults that break operations', () => {
  it('resets: both ends of a connection are reset', () => {
    const world = new NetworkTestWorld({ faults: { resets: 1 } });
    world.host('server', function* (): Operation<void> {
      using listener = yield* listen(80);
      using socket = yield* listener.accept();
      expect(yield* failure(() => socket.recv())).toMatchObject({ code: 'ECONNRESET' });
    });
    world.host('client', function* (): Operation<void> {
      using socket = yield* connect('server:80');
      const error = yield* failure(() => socket.sendAll('x'));
      expect(error).toMatchObject({ code: 'ECONNRESET', syscall: 'write' });
      expect(yield* failure(() => socket.recv())).toMatchObject({ code: 'ECONNRESET' });
      expect(yield* failure(() => socket.sendAll('x'))).toMatchObject({ code: 'ECONNRESET' });
    });
    world.run();
    expect(countInjected(world, 'client', 'resets')).toBe(1);
  });

  it('emfile: accept fails and the connection stays in the queue', () => {
    const world = new NetworkTestWorld({ faults: { emfile: 0.5 }, seed: 2 });
    let refused = 0;
    world.host('server', function* (): Operation<void> {
      using listener = yield* listen(80);
      for (let accepted = 0; accepted < 20; ) {
        try {
          (yield* listener.accept()).close();
          accepted++;
        } catch (error) {
          expect(error).toMatchObject({ code: 'EMFILE', syscall: 'accept' });
          refused++;
          yield* sleep(1);
        }
      }
    });
    world.host('client', function* (): Operation<void> {
      for (let i = 0; i < 20; i++) {
        using socket = yield* retryOnEmfile(() => connect('10.0.0.1:80'));
        expect((yield* socket.recv()).length).toBe(0);
      }
    });
    world.run();
    expect(refused).toBeGreaterThan(0);
  });
});
