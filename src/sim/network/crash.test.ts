import { describe, expect, it } from 'vitest';
import { NetworkTestWorld } from '../../../test/support/network/simulated-network.ts';
import { failure, receiveAll } from '../../../test/support/sockets.ts';
import type { Operation } from '../../index.ts';
import { connect, listen, now, sleep, sleepForever } from '../../index.ts';

/** Accepts one connection and leaves it open. */
function* keepOne(): Operation<void> {
  const listener = yield* listen(80);
  const socket = yield* listener.accept();
  yield* socket.sendAll('hello');
  yield* sleepForever();
}

function* echoOne(): Operation<void> {
  using listener = yield* listen(80);
  using socket = yield* listener.accept();
  yield* socket.sendAll(yield* socket.recv());
}

describe('a crash of a host', () => {
  it('resets its connections after the latency of the link', () => {
    const world = new NetworkTestWorld({ link: { latencyMs: [5, 5] } });
    let ended = 0;
    world.host('server', keepOne);
    world.host('client', function* (): Operation<void> {
      using socket = yield* connect('server:80');
      expect(String(yield* socket.recv())).toBe('hello');
      expect(yield* failure(() => socket.recv())).toMatchObject({ code: 'ECONNRESET' });
      ended = now();
    });
    world.run(100);
    world.crash('server');
    world.run();
    expect(ended).toBe(105);
  });

  it('does not wake its tasks', () => {
    const world = new NetworkTestWorld();
    const woken: string[] = [];
    world.host('server', function* (): Operation<void> {
      try {
        yield* keepOne();
      } finally {
        woken.push('server');
      }
    });
    const crashed = world.host('client', function* (): Operation<void> {
      try {
        using socket = yield* connect('server:80');
        yield* receiveAll(socket);
      } finally {
        woken.push('client');
      }
    });
    world.run(100);
    world.crash('client');
    world.run(10_000);
    expect(woken).toEqual([]);
    expect(crashed.scheduler.stats().ready).toBe(0);
    expect(crashed.network.counters()).toEqual({
      transports: 0,
      listeners: 0,
      datagrams: 0,
      slabs: 0,
    });
  });

  it('resets connections that wait to be accepted, and later attempts are refused', () => {
    const world = new NetworkTestWorld();
    const codes: unknown[] = [];
    world.host('server', function* (): Operation<void> {
      yield* listen(80);
      yield* sleepForever();
    });
    world.host('client', function* (): Operation<void> {
      using socket = yield* connect('server:80');
      codes.push((yield* failure(() => socket.recv())).code);
      codes.push((yield* failure(() => connect('10.0.0.1:80'))).code);
    });
    world.run(100);
    world.crash('server');
    world.run();
    expect(codes).toEqual(['ECONNRESET', 'ECONNREFUSED']);
  });

  it('during a partition is detected by the peer when it sends after the partition', () => {
    const world = new NetworkTestWorld();
    const observed: unknown[] = [];
    world.host('server', keepOne);
    world.host('client', function* (): Operation<void> {
      using socket = yield* connect('server:80');
      observed.push(String(yield* socket.recv()));
      yield* sleep(1000);
      observed.push(now());
      yield* socket.sendAll('are you there?');
      observed.push((yield* failure(() => socket.recv())).code);
    });
    world.run(100);
    world.net.partition('server', 'client');
    world.crash('server');
    world.restart('server', echoOne);
    world.run(500);
    expect(observed).toEqual(['hello']);
    world.net.heal('server', 'client');
    world.run(100_000);
    expect(observed).toEqual(['hello', 1004, 'ECONNRESET']);
  });

  it('during a handshake resets the connection of the client', () => {
    const world = new NetworkTestWorld({ link: { latencyMs: [10, 10] } });
    let ending: unknown;
    world.host('server', keepOne);
    world.host('client', function* (): Operation<void> {
      using socket = yield* connect('server:80');
      ending = (yield* failure(() => socket.recv())).code;
    });
    world.run(15);
    world.crash('server');
    world.run();
    expect(ending).toBe('ECONNRESET');
  });

  it('while it connects leaves the server with a connection that is reset', () => {
    const world = new NetworkTestWorld({ link: { latencyMs: [10, 10] } });
    let accepted = 0;
    world.host('server', function* (): Operation<void> {
      using listener = yield* listen(80, { backlog: 1 });
      for (let i = 0; i < 2; i++) {
        using socket = yield* listener.accept();
        yield* receiveAll(socket);
        accepted++;
      }
    });
    for (const name of ['one', 'two', 'three']) {
      world.host(name, function* (): Operation<void> {
        yield* connect('server:80');
        yield* sleepForever();
      });
    }
    world.run(15);
    for (const name of ['one', 'two', 'three']) world.crash(name);
    world.run(100);
    for (const name of ['one', 'two']) {
      world.restart(name, function* (): Operation<void> {
        using _socket = yield* connect('server:80');
      });
    }
    world.run();
    expect(accepted).toBe(2);
  });
});

describe('a restart of a host', () => {
  it('keeps its addresses and frees its ports', () => {
    const world = new NetworkTestWorld();
    let answer = '';
    world.host('server', keepOne);
    world.run(10);
    world.crash('server');
    world.restart('server', echoOne);
    world.host('client', function* (): Operation<void> {
      using socket = yield* connect('10.0.0.1:80');
      yield* socket.sendAll('again');
      answer = String(yield* socket.recv());
    });
    world.run();
    expect(answer).toBe('again');
  });

  it('keeps the files of Unix sockets, which listen replaces', () => {
    const world = new NetworkTestWorld();
    world.host('server', function* (): Operation<void> {
      yield* listen('/run/x.sock');
      yield* listen('@abstract');
      yield* sleepForever();
    });
    world.run(10);
    world.crash('server');
    const again = world.restart('server', function* (): Operation<void> {
      expect(yield* failure(() => connect('/run/x.sock'))).toMatchObject({ code: 'ECONNREFUSED' });
      expect(yield* failure(() => connect('/run/y.sock'))).toMatchObject({ code: 'ENOENT' });
      using listener = yield* listen('/run/x.sock');
      using near = yield* connect('/run/x.sock');
      using far = yield* listener.accept();
      expect([near.closed, far.closed]).toEqual([false, false]);
    });
    world.run();
    expect(again.network.socketFile('/run/x.sock')).toBe(undefined);
  });
});
