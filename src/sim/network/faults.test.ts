import { describe, expect, it } from 'vitest';
import { TinyWorld } from '../../../test/support/network/simulated-network.ts';
import { failure, receiveAll } from '../../../test/support/sockets.ts';
import type { Operation, Socket } from '../../index.ts';
import { connect, group, listen, moveOnAfter, sleep } from '../../index.ts';
import type { Faults } from '../core.ts';

const TEXT = Array.from({ length: 50 }, (_, i) => `message ${i}\n`).join('');

/** The server sends back what it gets; the client sends the text in parts, and compares. */
function echoUnder(faults: Faults, seed: number): TinyWorld {
  const world = new TinyWorld({ link: { latencyMs: [1, 5] }, faults, seed });
  world.host('server', function* (): Operation<void> {
    using listener = yield* listen(80);
    using socket = yield* acceptPatiently(() => listener.accept());
    for (;;) {
      const data = yield* socket.recv(64);
      if (data.length === 0) return;
      yield* socket.sendAll(data);
    }
  });
  world.host('client', function* (): Operation<void> {
    using socket = yield* acceptPatiently(() => connect('10.0.0.1:80'));
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

/** Tries again when no descriptor is left. */
function* acceptPatiently(attempt: () => Operation<Socket>): Operation<Socket> {
  for (;;) {
    try {
      return yield* attempt();
    } catch (error) {
      if ((error as { code?: string }).code !== 'EMFILE') throw error;
      yield* sleep(10);
    }
  }
}

function fired(world: TinyWorld, host: string, name: string): number {
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
  it.each(kinds)('%s at %d: every byte arrives, in order', (name, chance) => {
    let count = 0;
    for (let seed = 1; seed <= 10; seed++) {
      const world = echoUnder({ [name]: chance }, seed);
      count += fired(world, 'server', name) + fired(world, 'client', name);
    }
    expect(count).toBeGreaterThan(0);
  });

  it('all of them at once', () => {
    const faults = {
      shortReads: 0.3,
      shortWrites: 0.3,
      spuriousWakeups: 0.3,
      emfile: 0.3,
      slowAccept: 0.3,
    };
    for (let seed = 1; seed <= 30; seed++) echoUnder(faults, seed);
  });

  it('a time limit works although the task is woken for nothing', () => {
    const world = new TinyWorld({ faults: { spuriousWakeups: 1 } });
    world.host('server', function* (): Operation<void> {
      using listener = yield* listen(80);
      expect(yield* moveOnAfter(500, () => listener.accept())).toBe(undefined);
    });
    world.run();
    expect(fired(world, 'server', 'spuriousWakeups')).toBe(1);
  });
});

describe('faults that break something', () => {
  it('a reset hits both ends of a connection', () => {
    const world = new TinyWorld({ faults: { resets: 1 } });
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
    expect(fired(world, 'client', 'resets')).toBe(1);
  });

  it('EMFILE at accept leaves the connection in the queue', () => {
    const world = new TinyWorld({ faults: { emfile: 0.5 }, seed: 2 });
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
        using socket = yield* acceptPatiently(() => connect('10.0.0.1:80'));
        expect((yield* socket.recv()).length).toBe(0);
      }
    });
    world.run();
    expect(refused).toBeGreaterThan(0);
  });
});
