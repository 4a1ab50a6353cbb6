import { describe, expect, it } from 'vitest';
import {
  NetworkTestWorld,
  withConnection,
} from '../../../../test/support/network/simulated-network.ts';
import { failure, receiveAll } from '../../../../test/support/sockets.ts';
import type { Operation } from '../../../index.ts';
import { connect, group, listen, moveOnAfter, now, sleep, sleepForever } from '../../../index.ts';

/** The bytes that a sender can send while the receiver does not read: both buffers. */
const BOTH_BUFFERS = 2 * 131_072;

function* nothing(): Operation<void> {}

describe('connecting', () => {
  it('takes a round trip for the client and half of one more for the server', () => {
    const world = new NetworkTestWorld({ link: { latencyMs: [10, 10] } });
    const times: number[] = [];
    withConnection(
      world,
      function* (): Operation<void> {
        times.push(now());
      },
      function* (): Operation<void> {
        times.push(now());
      },
    );
    expect(times).toEqual([20, 30]);
  });

  it('takes a round trip to be refused', () => {
    const world = new NetworkTestWorld({ link: { latencyMs: [10, 10] } });
    world.host('server', nothing);
    world.host('client', function* (): Operation<void> {
      const error = yield* failure(() => connect('10.0.0.1:80'));
      expect(error).toMatchObject({ code: 'ECONNREFUSED', address: '10.0.0.1', port: 80 });
      expect(now()).toBe(20);
    });
    world.run();
  });

  it('a connect to an address without a host fails after 3 s', () => {
    const world = new NetworkTestWorld();
    world.host('client', function* (): Operation<void> {
      const error = yield* failure(() => connect('10.0.0.77:80'));
      expect([error.code, now()]).toEqual(['EHOSTUNREACH', 3000]);
    });
    world.run();
  });

  it('a connect to another network fails at once', () => {
    const world = new NetworkTestWorld();
    world.host('client', function* (): Operation<void> {
      const error = yield* failure(() => connect('198.51.100.1:80'));
      expect([error.code, now()]).toEqual(['ENETUNREACH', 0]);
    });
    world.run();
  });

  it('across a partition fails with ETIMEDOUT after 127 s', () => {
    const world = new NetworkTestWorld();
    world.host('server', () => listen(80));
    world.host('client', function* (): Operation<void> {
      const error = yield* failure(() => connect('10.0.0.1:80'));
      expect([error.code, now()]).toEqual(['ETIMEDOUT', 127_000]);
    });
    world.net.partition('client', 'server');
    world.run();
    expect(world.count('syn')).toBe(7);
  });

  it('across a healed partition succeeds with the next SYN', () => {
    for (const [from, to] of [
      ['client', 'server'],
      ['server', 'client'],
    ] as const) {
      const world = new NetworkTestWorld();
      world.host('server', function* (): Operation<void> {
        using listener = yield* listen(80);
        (yield* listener.accept()).close();
      });
      world.host('client', function* (): Operation<void> {
        (yield* connect('10.0.0.1:80')).close();
        expect(now()).toBe(7002);
      });
      world.net.partition(from, to);
      world.run(4000);
      world.net.heal(from, to);
      world.run();
    }
  });

  it('a connect to a full queue succeeds with the next SYN after an accept', () => {
    const world = new NetworkTestWorld();
    world.host('server', function* (): Operation<void> {
      using listener = yield* listen(80, { backlog: 1 });
      yield* sleep(500);
      for (let i = 0; i < 3; i++) (yield* listener.accept()).close();
    });
    const times: number[] = [];
    world.host('client', () =>
      group(function* (tasks): Operation<void> {
        for (let i = 0; i < 3; i++) {
          tasks.spawn(function* (): Operation<void> {
            using socket = yield* connect('server:80');
            times.push(now());
            yield* socket.recv();
          });
        }
      }),
    );
    world.run();
    expect(times).toEqual([2, 2, 1002]);
  });

  it('an abandoned connect does not occupy the queue of the listener', () => {
    const world = new NetworkTestWorld({ link: { latencyMs: [10, 10] } });
    let received = '';
    world.host('server', function* (): Operation<void> {
      using listener = yield* listen(80, { backlog: 1 });
      using socket = yield* listener.accept();
      received = String(yield* socket.recv());
    });
    world.host('client', function* (): Operation<void> {
      for (let i = 0; i < 2; i++) yield* moveOnAfter(15, () => connect('server:80'));
      yield* sleep(100);
      using socket = yield* connect('server:80');
      yield* socket.sendAll('third');
    });
    world.run();
    expect(received).toBe('third');
  });

  it('succeeds even if the ACK of the handshake is lost', () => {
    const world = new NetworkTestWorld({ link: { latencyMs: [10, 10] } });
    let accepted = 0;
    world.host('server', function* (): Operation<void> {
      using listener = yield* listen(80);
      using socket = yield* listener.accept();
      accepted = now();
      expect(socket.closed).toBe(false);
    });
    world.host('client', function* (): Operation<void> {
      using _socket = yield* connect('server:80');
      yield* sleep(5000);
    });
    world.run(15);
    world.net.partition('client', 'server');
    world.run(500);
    world.net.heal('client', 'server');
    world.run();
    expect(accepted).toBe(1020);
  });
});

describe('a TCP stream', () => {
  it('delivers bytes after the latency and at the rate of the link', () => {
    const world = new NetworkTestWorld({ link: { latencyMs: [10, 10], bytesPerSecond: 100_000 } });
    withConnection(
      world,
      (socket) => socket.sendAll(Buffer.alloc(50_000)),
      function* (socket): Operation<void> {
        const begun = now();
        expect((yield* receiveAll(socket)).length).toBe(50_000);
        expect(now() - begun).toBe(500 - 10 + 10);
      },
    );
  });

  it('keeps the order of its bytes at any latency', () => {
    const world = new NetworkTestWorld({ link: { latencyMs: [1, 500] }, seed: 7 });
    const texts = Array.from({ length: 200 }, (_, i) => `${i};`);
    withConnection(
      world,
      function* (socket): Operation<void> {
        for (const text of texts) {
          yield* socket.sendAll(text);
          yield* sleep(1);
        }
      },
      function* (socket): Operation<void> {
        expect(String(yield* receiveAll(socket))).toBe(texts.join(''));
      },
    );
  });

  it('blocks the sender when both buffers are full, until the receiver reads', () => {
    const world = new NetworkTestWorld({ link: { latencyMs: [10, 10] } });
    withConnection(
      world,
      function* (socket): Operation<void> {
        yield* moveOnAfter(1000, () => socket.sendAll(Buffer.alloc(1_000_000)));
        expect(socket.bytesSent).toBe(BOTH_BUFFERS);
      },
      function* (socket): Operation<void> {
        yield* sleep(2000);
        expect((yield* receiveAll(socket)).length).toBe(BOTH_BUFFERS);
      },
    );
  });

  it('carries a megabyte with any size of reads', () => {
    for (const max of [1, 999, 20_000, 1_000_000]) {
      const world = new NetworkTestWorld({ link: { latencyMs: [1, 3] }, seed: max });
      const length = max === 1 ? 200_000 : 1_000_000;
      withConnection(
        world,
        (socket) => socket.sendAll(Buffer.alloc(length, 'x')),
        function* (socket): Operation<void> {
          expect((yield* receiveAll(socket, max)).length).toBe(length);
        },
      );
    }
  });

  it('needs one event for a message that is not lost', () => {
    const world = new NetworkTestWorld();
    const counts: number[] = [];
    withConnection(
      world,
      function* (socket): Operation<void> {
        for (let i = 0; i < 100; i++) {
          counts.push(world.events);
          yield* socket.sendAll('ping');
          yield* socket.recv();
        }
      },
      function* (socket): Operation<void> {
        for (;;) {
          const data = yield* socket.recv();
          if (data.length === 0) return;
          yield* socket.sendAll(data);
        }
      },
    );
    expect(((counts[99] as number) - (counts[10] as number)) / 89).toBe(2);
  });
});

describe('the end of a connection', () => {
  it('is a reset for bytes that arrive after a close', () => {
    const world = new NetworkTestWorld();
    withConnection(
      world,
      function* (socket): Operation<void> {
        yield* sleep(100);
        yield* socket.sendAll('too late');
        expect((yield* socket.recv()).length).toBe(0); // The end of file arrived first.
        yield* sleep(100);
        expect(yield* failure(() => socket.sendAll('x'))).toMatchObject({ code: 'EPIPE' });
      },
      function* (socket): Operation<void> {
        socket.close();
        yield* sleep(1000);
      },
    );
    expect(world.count('rst')).toBe(1);
  });

  it('is a reset if it is closed with unread input, and unsent bytes are lost', () => {
    const world = new NetworkTestWorld();
    withConnection(
      world,
      function* (socket): Operation<void> {
        yield* socket.sendAll('never read');
        expect(yield* failure(() => receiveAll(socket))).toMatchObject({ code: 'ECONNRESET' });
      },
      function* (socket): Operation<void> {
        yield* sleep(100);
        socket.close();
      },
    );
  });

  it('follows the bytes that were sent before, in case of a reset', () => {
    const world = new NetworkTestWorld({ link: { latencyMs: [1, 100] }, seed: 3 });
    withConnection(
      world,
      function* (socket): Operation<void> {
        yield* socket.sendAll('final bytes');
        socket.reset();
      },
      function* (socket): Operation<void> {
        expect(String(yield* socket.recv())).toBe('final bytes');
        expect(yield* failure(() => socket.recv())).toMatchObject({ code: 'ECONNRESET' });
      },
    );
  });

  it('follows all sent bytes, even if the receiver is slow', () => {
    const world = new NetworkTestWorld();
    let received = 0;
    world.host('server', function* (): Operation<void> {
      using listener = yield* listen(80);
      using socket = yield* listener.accept();
      yield* sleep(100_000);
      received = (yield* receiveAll(socket, 1000)).length;
    });
    world.host('client', function* (): Operation<void> {
      const socket = yield* connect('server:80');
      yield* moveOnAfter(1000, () => socket.sendAll(Buffer.alloc(1_000_000)));
      socket.close();
    });
    world.run();
    expect(received).toBe(BOTH_BUFFERS);
  });

  it('is immediate when the network is closed', () => {
    const world = new NetworkTestWorld();
    const host = world.host('client', function* (): Operation<void> {
      yield* listen(80);
      yield* connect('127.0.0.1:80');
      yield* sleepForever();
    });
    world.run(100);
    expect(host.network.counters()).toEqual({
      transports: 1,
      listeners: 1,
      datagrams: 0,
      slabs: 0,
    });
    expect(host.network.open().join()).toMatch(/^listener \[::\]:80,connection 127\.0\.0\.1:\d+/);
    host.network.close();
    host.network.close();
    expect(host.network.counters()).toEqual({
      transports: 0,
      listeners: 0,
      datagrams: 0,
      slabs: 0,
    });
    expect(() => host.network.listen({ path: '/x' }, {})).toThrow('was closed by this program');
  });
});
