/** Sockets and listeners as cases of select: one case is taken, and the others lose nothing. */
import { describe, expect, it } from 'vitest';
import type { Operation } from '../../../src/index.ts';
import {
  Channel,
  connect,
  listen,
  readable,
  select,
  sleep,
  sleepForever,
  writable,
} from '../../../src/index.ts';
import { backends } from '../../support/backends.ts';
import { expectNothingLeft } from '../../support/leaks.ts';
import { LOOPBACK, onPair } from '../../support/sockets.ts';

for (const backend of backends) {
  describe(`select on ${backend.name}`, () => {
    expectNothingLeft(backend);

    it('select takes a receive when bytes arrive, and leaves a channel unchanged', () =>
      onPair(backend, function* (near, far): Operation<void> {
        const channel = new Channel<string>(1);
        yield* far.sendAll('bytes');
        const chosen = yield* select({ data: near.recv(), item: channel.receive() });
        expect([chosen.key, String(chosen.value)]).toEqual(['data', 'bytes']);
        expect(channel.trySend('item')).toBe(true);
        expect(channel.tryReceive()).toBe('item');
      }));

    it('select loses no byte if another case is taken', () =>
      onPair(backend, function* (near, far): Operation<void> {
        const channel = new Channel<string>(1);
        for (let i = 0; i < 20; i++) {
          channel.trySend('item');
          yield* far.sendAll(`${i};`);
          yield* select({ item: channel.receive(), data: near.recv(1) });
        }
        far.shutdown('send');
        let left = 0;
        for (;;) {
          const data = yield* near.recv();
          if (data.length === 0) break;
          left += data.length;
        }
        const items = channel.stats().received;
        const bytes = near.bytesReceived;
        expect([bytes, items + (bytes - left)]).toEqual([50, 20]);
      }));

    it('select can be followed by a receive, whichever case was taken', () =>
      onPair(backend, function* (near, far): Operation<void> {
        const late = yield* select({ late: sleep(1), data: near.recv() });
        expect(late.key).toBe('late');
        yield* far.sendAll('x');
        expect(String(yield* near.recv())).toBe('x');
      }));

    it('select takes an accept, and loses no connection if another case is taken', () =>
      backend.run(function* (): Operation<void> {
        const listener = yield* listen(LOOPBACK);
        const late = yield* select({ late: sleep(1), connection: listener.accept() });
        expect(late.key).toBe('late');
        const client = yield* connect(listener.address);
        const chosen = yield* select({ connection: listener.accept(), never: sleepForever() });
        if (chosen.key === 'connection') chosen.value.close();
        expect(chosen.key).toBe('connection');
        client.close();
        listener.close();
      }));

    it('select accepts readable and writable', () =>
      onPair(backend, function* (near, far): Operation<void> {
        const first = yield* select({ out: writable(near), in: readable(near) });
        expect(first.key).toBe('out');
        yield* far.sendAll('x');
        const second = yield* select({ in: readable(near), never: sleepForever() });
        expect(second.key).toBe('in');
      }));
  });
}
