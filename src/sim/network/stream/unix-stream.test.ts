import { describe, expect, it } from 'vitest';
import { NetworkTestWorld } from '../../../../test/support/network/simulated-network.ts';
import { failure, fill, receiveAll, withPair } from '../../../../test/support/sockets.ts';
import type { Operation, Socket } from '../../../index.ts';
import { connect, group, listen } from '../../../index.ts';

/** Runs `body` on the only host of a world. */
function runOnHost(body: () => Operation<void>): NetworkTestWorld {
  const world = new NetworkTestWorld();
  world.host('alone', body);
  world.run();
  return world;
}

function pair(body: (near: Socket, far: Socket) => Operation<void>): void {
  runOnHost(() => withPair(body, '/run/x.sock'));
}

describe('Unix sockets of a simulated host', () => {
  it('carry bytes in both directions and have a path as their address', () => {
    pair(function* (near, far): Operation<void> {
      expect(`${near.remoteAddress}`).toBe('/run/x.sock');
      expect(`${far.localAddress}`).toBe('/run/x.sock');
      expect([near.localAddress.path, far.remoteAddress.path]).toEqual(['', '']);
      yield* near.sendAll('question');
      expect(String(yield* far.recv())).toBe('question');
      yield* far.sendAll('answer');
      far.close();
      expect(String(yield* receiveAll(near))).toBe('answer');
    });
  });

  it('take no time', () => {
    expect(runOnHost(() => withPair((near) => near.sendAll('x'), './x.sock')).now).toBe(0);
  });

  it('have a single buffer of limited size', () => {
    pair(function* (near, far): Operation<void> {
      const filled = yield* fill(near);
      expect(filled).toBe(262_144);
      expect((yield* far.recv(300_000)).length).toBe(filled);
      expect(near.trySend('x')).toBe(1);
    });
  });

  it('are reset by a close with unread input, and only then', () => {
    pair(function* (near, far): Operation<void> {
      yield* near.sendAll('unread');
      far.close();
      expect(yield* failure(() => near.recv())).toMatchObject({ code: 'ECONNRESET' });
    });
    pair(function* (near, far): Operation<void> {
      far.close();
      expect((yield* near.recv()).length).toBe(0);
      expect(yield* failure(() => near.sendAll('x'))).toMatchObject({ code: 'EPIPE' });
    });
  });

  it('wake a blocked sender when the peer closes', () => {
    pair(function* (near, far): Operation<void> {
      yield* fill(near);
      yield* group(function* (tasks): Operation<void> {
        const sender = tasks.spawn(() => failure(() => near.sendAll('x')));
        yield;
        far.close();
        expect((yield* sender.join()).code).toMatch(/^(?:EPIPE|ECONNRESET)$/);
      });
    });
  });

  it("fail a send with EPIPE after the peer's shutdown('recv')", () => {
    pair(function* (near, far): Operation<void> {
      far.shutdown('recv');
      expect(yield* failure(() => near.sendAll('x'))).toMatchObject({ code: 'EPIPE' });
      yield* far.sendAll('still received');
      expect(String(yield* near.recv())).toBe('still received');
    });
  });

  it('are closed by reset(), because Unix sockets have no resets', () => {
    pair(function* (near, far): Operation<void> {
      yield* near.sendAll('before');
      near.reset();
      expect(String(yield* receiveAll(far))).toBe('before');
    });
  });

  it('reject an attempt to connect to a full queue with EAGAIN', () => {
    runOnHost(function* (): Operation<void> {
      using _listener = yield* listen('/run/x.sock', { backlog: 1 });
      using _one = yield* connect('/run/x.sock');
      using _two = yield* connect('/run/x.sock');
      expect(yield* failure(() => connect('/run/x.sock'))).toMatchObject({ code: 'EAGAIN' });
    });
  });

  it('are reset if they were not accepted when the listener closes', () => {
    runOnHost(function* (): Operation<void> {
      const listener = yield* listen('/run/x.sock');
      using near = yield* connect('/run/x.sock');
      listener.close();
      expect(yield* failure(() => near.recv())).toMatchObject({ code: 'ECONNRESET' });
    });
  });
});

describe('the names of Unix sockets', () => {
  it('are removed with their listener', () => {
    runOnHost(function* (): Operation<void> {
      for (const address of ['/run/x.sock', './x.sock', { path: 'x.sock' }, { path: '\0name' }]) {
        for (let round = 0; round < 2; round++) {
          using _listener = yield* listen(address);
          expect(yield* failure(() => listen(address))).toMatchObject({
            code: 'EADDRINUSE',
            syscall: 'listen',
          });
        }
      }
    });
  });

  it('a name without a listener fails with ENOENT, an abstract one with ECONNREFUSED', () => {
    runOnHost(function* (): Operation<void> {
      const noFile = yield* failure(() => connect('/run/x.sock'));
      expect(noFile).toMatchObject({ code: 'ENOENT', syscall: 'connect', address: '/run/x.sock' });
      const noName = yield* failure(() => connect({ path: '\0name' }));
      expect(noName).toMatchObject({ code: 'ECONNREFUSED' });
    });
  });

  it('fail with ENAMETOOLONG if they are too long', () => {
    runOnHost(function* (): Operation<void> {
      const longest = `/${'x'.repeat(106)}`;
      (yield* listen(longest)).close();
      for (const path of [`${longest}x`, `/${'ä'.repeat(54)}`]) {
        expect(yield* failure(() => listen(path))).toMatchObject({ code: 'ENAMETOOLONG' });
        expect(yield* failure(() => connect(path))).toMatchObject({ code: 'ENAMETOOLONG' });
      }
      (yield* listen({ path: `\0${'x'.repeat(107)}` })).close();
    });
  });

  it('are separate for each host', () => {
    const world = new NetworkTestWorld();
    world.host('one', function* (): Operation<void> {
      using listener = yield* listen('/run/x.sock');
      yield* listener.accept();
    });
    world.host('two', function* (): Operation<void> {
      expect(yield* failure(() => connect('/run/x.sock'))).toMatchObject({ code: 'ENOENT' });
    });
    world.run(1000);
  });
});
