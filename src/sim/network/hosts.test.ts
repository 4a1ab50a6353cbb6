import { describe, expect, it } from 'vitest';
import { NetworkTestWorld } from '../../../test/support/network/simulated-network.ts';
import { failure } from '../../../test/support/sockets.ts';
import type { Operation, Socket } from '../../index.ts';
import { backend, connect, group, listen } from '../../index.ts';

/** Runs `body` on a host next to one that listens on port 80. */
function nextToServer(body: () => Operation<void>): void {
  const world = new NetworkTestWorld();
  world.host('server', () =>
    group(function* (tasks): Operation<void> {
      const listener = yield* listen(80);
      tasks.spawn(
        function* (): Operation<void> {
          for (;;) (yield* listener.accept()).close();
        },
        { daemon: true },
      );
    }),
  );
  let ended = false;
  world.host('client', function* (): Operation<void> {
    yield* body();
    ended = true;
  });
  world.run(10_000);
  expect(ended).toBe(true);
}

function* connectAndClose(address: string): Operation<Socket> {
  using socket = yield* connect(address);
  return socket;
}

describe('hosts', () => {
  it('have addresses in the order in which they were added, and are found by name', () => {
    const world = new NetworkTestWorld();
    world.host('Server', function* (): Operation<void> {
      using listener = yield* listen('server:80');
      expect(`${listener.address}`).toBe('10.0.0.1:80');
      for (const host of ['127.0.0.1', '::1', 'fd00::2', '10.0.0.2']) {
        const error = yield* failure(() => connect({ host, port: 81 }));
        expect(error).toMatchObject({ code: 'ECONNREFUSED', address: host });
      }
      for (const peer of ['10.0.0.2', '10.0.0.3']) {
        using socket = yield* listener.accept();
        expect(socket.remoteAddress.host).toBe(peer);
      }
    });
    for (const name of ['one', 'two']) {
      world.host(name, function* (): Operation<void> {
        expect(backend()).toBe('sim');
        const socket = yield* connectAndClose('SERVER.:80');
        expect([socket.remoteAddress.host, socket.remoteAddress.port]).toEqual(['10.0.0.1', 80]);
      });
    }
    world.run();
  });

  it('have one IPv6 address each, which may be written in several ways', () => {
    const world = new NetworkTestWorld();
    const peers: string[] = [];
    const texts = ['fd00::1', 'FD00:0:0::0001', 'fd00:0:0:0:0:0:0:1', '::ffff:10.0.0.1'];
    texts.push('::ffff:a00:1');
    world.host('server', function* (): Operation<void> {
      using listener = yield* listen(80);
      for (const _ of texts) {
        using socket = yield* listener.accept();
        peers.push(socket.remoteAddress.host);
      }
    });
    world.host('client', function* (): Operation<void> {
      for (const host of texts) yield* connectAndClose(`[${host}]:80`);
    });
    world.run();
    const six = Array(3).fill('fd00::2');
    expect(peers).toEqual([...six, '::ffff:10.0.0.2', '::ffff:10.0.0.2']);
  });

  it('have their own loopback', () => {
    nextToServer(function* (): Operation<void> {
      using listener = yield* listen('127.0.0.1:80');
      yield* connectAndClose('127.0.0.1:80');
      using far = yield* listener.accept();
      expect(far.remoteAddress.host).toBe('127.0.0.1');
      expect(yield* failure(() => connect('127.0.0.1:81'))).toMatchObject({
        code: 'ECONNREFUSED',
      });
    });
  });

  it('reach themselves by their address and their name', () => {
    const world = new NetworkTestWorld();
    world.host('alone', function* (): Operation<void> {
      using listener = yield* listen(80);
      for (const address of ['10.0.0.1:80', 'alone:80', '[fd00::1]:80', '0.0.0.0:80']) {
        yield* connectAndClose(address);
        (yield* listener.accept()).close();
      }
    });
    world.run();
    expect(world.now).toBe(0);
  });
});

describe('ports', () => {
  it('can be bound once per address', () => {
    const world = new NetworkTestWorld();
    world.host('server', function* (): Operation<void> {
      using _one = yield* listen('127.0.0.1:80');
      using _two = yield* listen('10.0.0.1:80');
      using _three = yield* listen('[::]:80', { ipv6Only: true });
      for (const taken of ['0.0.0.0:80', '[fd00::1]:80', '127.0.0.1:80', '[::]:80']) {
        expect(yield* failure(() => listen(taken))).toMatchObject({ code: 'EADDRINUSE' });
      }
      expect(yield* failure(() => listen('10.0.0.2:80'))).toMatchObject({
        code: 'EADDRNOTAVAIL',
      });
    });
    world.run();
  });

  it('a port that listeners share distributes the connections', () => {
    const world = new NetworkTestWorld();
    const counts = [0, 0];
    world.host('server', () =>
      group(function* (tasks): Operation<void> {
        for (const i of [0, 1]) {
          const listener = yield* listen(80, { reusePort: true });
          tasks.spawn(function* (): Operation<void> {
            while ((counts[0] as number) + (counts[1] as number) < 100) {
              const socket = yield* listener.accept();
              counts[i] = (counts[i] as number) + 1;
              socket.close();
            }
            tasks.cancel();
          });
        }
      }),
    );
    world.host('client', function* (): Operation<void> {
      for (let i = 0; i < 100; i++) {
        using socket = yield* connect('server:80');
        yield* socket.recv();
      }
    });
    world.run(10_000);
    expect((counts[0] as number) + (counts[1] as number)).toBe(100);
    expect(Math.min(...counts)).toBeGreaterThan(20);
  });

  it('can be chosen as the local port of one connection at a time', () => {
    nextToServer(function* (): Operation<void> {
      const localAddress = '10.0.0.2:4000';
      {
        using near = yield* connect('server:80', { localAddress });
        expect(`${near.localAddress}`).toBe(localAddress);
        const again = yield* failure(() => connect('server:80', { localAddress }));
        expect(again).toMatchObject({ code: 'EADDRINUSE', syscall: 'connect' });
        const listening = yield* failure(() => listen('10.0.0.2:4000'));
        expect(listening).toMatchObject({ code: 'EADDRINUSE', syscall: 'listen' });
      }
      using again = yield* connect('server:80', { localAddress });
      expect(again.localAddress.port).toBe(4000);
      const foreign = { localAddress: '10.0.0.1:0' };
      expect(yield* failure(() => connect('server:80', foreign))).toMatchObject({
        code: 'EADDRNOTAVAIL',
      });
    });
  });
});
