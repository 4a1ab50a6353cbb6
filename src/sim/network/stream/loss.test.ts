import { describe, expect, it } from 'vitest';
import {
  NetworkTestWorld,
  withConnection,
} from '../../../../test/support/network/simulated-network.ts';
import { failure, receiveAll } from '../../../../test/support/sockets.ts';
import type { Operation } from '../../../index.ts';
import { connect, listen, now, sleep } from '../../../index.ts';

/** Adds a host 'server' that receives until the end of file. */
function hostReceiver(world: NetworkTestWorld): { text: string } {
  const received = { text: '' };
  world.host('server', function* (): Operation<void> {
    using listener = yield* listen(80);
    using socket = yield* listener.accept();
    received.text = String(yield* receiveAll(socket));
  });
  return received;
}

describe('a lost segment', () => {
  it('is sent again after 200 ms, then after twice as long, and arrives in order', () => {
    const world = new NetworkTestWorld({ link: { latencyMs: [1, 1] } });
    const received: [string, number][] = [];
    world.host('server', function* (): Operation<void> {
      using listener = yield* listen(80);
      using socket = yield* listener.accept();
      for (;;) {
        const data = yield* socket.recv();
        if (data.length === 0) return;
        received.push([String(data), now()]);
      }
    });
    world.host('client', function* (): Operation<void> {
      using socket = yield* connect('server:80');
      yield* sleep(98);
      yield* socket.sendAll('one ');
      yield* sleep(250);
      yield* socket.sendAll('two');
      yield* sleep(1000);
    });
    world.run(50);
    world.net.partition('client', 'server');
    world.run(400);
    world.net.heal('client', 'server');
    world.run();
    // Sent at 100, again without success at 300, and again at 700.
    expect(received).toEqual([['one two', 701]]);
    expect(world.count('retransmit')).toBe(2);
  });

  it('is delivered in the end on a link that loses a third of all packets', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const world = new NetworkTestWorld({ link: { latencyMs: [1, 20], loss: 0.3 }, seed });
      const sent = Array.from({ length: 100 }, (_, i) => `message ${i}\n`).join('');
      withConnection(
        world,
        function* (socket): Operation<void> {
          for (let at = 0; at < sent.length; at += 7) {
            yield* socket.sendAll(sent.slice(at, at + 7));
            yield* sleep(3);
          }
          socket.shutdown('send');
          expect((yield* socket.recv()).length).toBe(0);
        },
        function* (socket): Operation<void> {
          expect(String(yield* receiveAll(socket))).toBe(sent);
        },
      );
      expect(world.count('drop')).toBeGreaterThan(0);
    }
  });

  it('a segment that was in flight when the link was cut is sent again', () => {
    const world = new NetworkTestWorld({ link: { latencyMs: [50, 50] } });
    const received = hostReceiver(world);
    world.host('client', function* (): Operation<void> {
      using socket = yield* connect('server:80');
      for (let i = 0; i < 10; i++) {
        yield* socket.sendAll(`${i}`);
        yield* sleep(10);
      }
    });
    world.run(165);
    world.net.partition('client', 'server');
    world.run(180);
    world.net.heal('client', 'server');
    world.run();
    expect(received.text).toBe('0123456789');
    expect(world.count('drop')).toBeGreaterThan(0);
  });

  it('a segment that is never acknowledged fails the connection after about 15 minutes', () => {
    for (const [from, to] of [
      ['client', 'server'],
      ['server', 'client'],
    ] as const) {
      const world = new NetworkTestWorld();
      let failed: unknown;
      let ended = 0;
      world.host('server', function* (): Operation<void> {
        using listener = yield* listen(80);
        using _socket = yield* listener.accept();
        yield* sleep(2_000_000);
      });
      world.host('client', function* (): Operation<void> {
        using socket = yield* connect('server:80');
        yield* sleep(100);
        yield* socket.sendAll('data');
        failed = yield* failure(() => socket.recv());
        ended = now();
        expect(yield* failure(() => socket.sendAll('x'))).toMatchObject({ code: 'EPIPE' });
      });
      world.run(50);
      world.net.partition(from, to);
      world.run();
      expect(failed).toMatchObject({ code: 'ETIMEDOUT', syscall: 'read' });
      expect(ended).toBeGreaterThan(900_000);
      expect(ended).toBeLessThan(1_000_000);
    }
  });
});

describe('a partition', () => {
  it('does not end an idle connection, no matter how long it lasts', () => {
    const world = new NetworkTestWorld();
    const received = hostReceiver(world);
    world.host('client', function* (): Operation<void> {
      using socket = yield* connect('server:80');
      yield* sleep(10_000_000);
      yield* socket.sendAll('still here');
    });
    world.run(100);
    for (const [a, b] of [
      ['client', 'server'],
      ['server', 'client'],
    ] as const)
      world.net.partition(a, b);
    world.run(9_000_000);
    for (const [a, b] of [
      ['client', 'server'],
      ['server', 'client'],
    ] as const)
      world.net.heal(a, b);
    world.run();
    expect(received.text).toBe('still here');
  });

  it('a lost window update does not block the sender indefinitely', () => {
    const world = new NetworkTestWorld();
    let received = 0;
    world.host('server', function* (): Operation<void> {
      using listener = yield* listen(80);
      using socket = yield* listener.accept();
      yield* sleep(1000);
      received = (yield* receiveAll(socket)).length;
    });
    world.host('client', function* (): Operation<void> {
      using socket = yield* connect('server:80');
      yield* socket.sendAll(Buffer.alloc(1_000_000));
    });
    world.run(500);
    world.net.partition('server', 'client');
    world.run(3000);
    expect(received).toBe(0);
    world.net.heal('server', 'client');
    world.run();
    expect(received).toBe(1_000_000);
  });
});

describe('a held link', () => {
  it('delays segments until the release and does not break the connection', () => {
    const world = new NetworkTestWorld();
    const received: string[] = [];
    world.host('server', function* (): Operation<void> {
      using listener = yield* listen(80);
      using socket = yield* listener.accept();
      for (;;) {
        const data = yield* socket.recv();
        if (data.length === 0) return;
        received.push(`${data} at ${now()}`);
        yield* socket.sendAll('ok');
      }
    });
    world.host('client', function* (): Operation<void> {
      using socket = yield* connect('server:80');
      yield* sleep(98);
      yield* socket.sendAll('one ');
      yield* socket.sendAll('two');
      expect(String(yield* socket.recv())).toBe('ok');
    });
    world.run(50);
    world.net.hold('client', 'server');
    world.run(5000);
    expect(received).toEqual([]);
    world.net.release('client', 'server');
    world.run();
    expect(received).toEqual(['one two at 5001']);
    expect(world.count('drop')).toBe(0);
  });

  it('delays an attempt to connect', () => {
    const world = new NetworkTestWorld();
    world.host('server', function* (): Operation<void> {
      using listener = yield* listen(80);
      (yield* listener.accept()).close();
    });
    let connected = 0;
    world.host('client', function* (): Operation<void> {
      using _socket = yield* connect('10.0.0.1:80');
      connected = now();
    });
    world.net.hold('client', 'server');
    world.run(40_000);
    world.net.release('client', 'server');
    world.run();
    expect(connected).toBe(40_002);
  });
});
