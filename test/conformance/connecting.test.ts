import { constants } from 'node:os';
import { describe, expect, it } from 'vitest';
import type { Operation, Socket } from '../../src/index.ts';
import { connect, group, listen, timeout } from '../../src/index.ts';
import { echo, expectNothingLeft, failure, LOOPBACK, receiveAll, together, withPair } from './support.ts';
import type { TestWorld } from './worlds.ts';
import { addonReason, worlds } from './worlds.ts';

it('the suite runs on every network that this machine has', () => {
  const names = worlds.map(({ name }) => name);
  expect(names).toEqual(addonReason.startsWith('Loaded') ? ['epoll', 'portable'] : ['portable']);
});

for (const world of worlds) {
  describe(`connecting on ${world.name}`, () => {
    expectNothingLeft(world);

    it('a connection carries bytes both ways', () => {
      return world.run(() =>
        withPair(function* (near, far): Operation<void> {
          yield* near.sendAll('question');
          expect(String(yield* far.recv())).toBe('question');
          yield* far.sendAll('answer');
          expect(String(yield* near.recv())).toBe('answer');
        }),
      );
    });

    it('an echo server answers each of its clients', () => {
      return world.run(function* (): Operation<void> {
        using listener = yield* listen(LOOPBACK);
        const serveOne = () => echoOne(listener);
        const ask = (text: string) => () => askOnce(listener.address.port, text);
        yield* together(serveOne, serveOne2(serveOne), ask('one'), ask('two'));
      });
    });
  });
}
