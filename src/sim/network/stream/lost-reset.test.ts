/** Resets that are lost, and how they are detected. */
import { expect, test } from 'vitest';
import { codeOf } from '../../../../test/sim/campaigns/support.ts';
import type { Operation } from '../../../index.ts';
import { connect, listen, sleep } from '../../../index.ts';
import { simulate } from '../../../sim.ts';

test('a sender detects the reset of its peer even if the reset is lost', async () => {
  let code = '';
  await simulate(function* (world) {
    world.host('server', function* (): Operation<void> {
      using listener = yield* listen(80);
      using socket = yield* listener.accept();
      yield* sleep(100);
      world.partitionOneWay('main', 'server');
      yield* socket.sendAll('data');
      yield* sleep(100);
      world.heal('main', 'server');
      try {
        yield* socket.recv();
      } catch (error) {
        code = codeOf(error);
      }
    });
    const socket = yield* connect('server:80');
    yield* sleep(50);
    world.partitionOneWay('main', 'server');
    socket.reset();
    yield* sleep(1);
    world.heal('main', 'server');
    world.eventually('the server observes the reset', () => code !== '', { withinMs: 60_000 });
  });
  expect(code).toBe('ECONNRESET');
});

test('a connection that one end has given up is reset when the other end sends', async () => {
  let code = '';
  await simulate(function* (world) {
    world.host('server', function* (): Operation<void> {
      using listener = yield* listen(80);
      using socket = yield* listener.accept();
      yield* sleep(2_000_000);
      yield* socket.sendAll('data');
      try {
        yield* socket.recv();
      } catch (error) {
        code = codeOf(error);
      }
    });
    using socket = yield* connect('server:80');
    yield* sleep(100);
    world.partitionOneWay('main', 'server');
    yield* socket.sendAll('never arrives');
    try {
      yield* socket.recv();
    } catch (error) {
      expect(codeOf(error)).toBe('ETIMEDOUT');
    }
    world.heal('main', 'server');
    world.eventually('the server observes the reset', () => code !== '', { withinMs: 3_000_000 });
    yield* sleep(2_500_000);
  });
  expect(code).toBe('ECONNRESET');
});
