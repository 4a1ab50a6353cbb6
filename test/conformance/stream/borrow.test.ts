/** `borrow`: received bytes in memory on loan. */
import { describe, expect, it } from 'vitest';
import type { Operation, Socket } from '../../../src/index.ts';
import { Channel, group, moveOnAfter, select, sleep } from '../../../src/index.ts';
import { backends } from '../../support/backends.ts';
import { pattern } from '../../support/data.ts';
import { expectNothingLeft } from '../../support/leaks.ts';
import { resultOf } from '../../support/simulation.ts';
import {
  fill,
  onPair,
  receiveExactly,
  untilWaiting,
  withPair,
  withTightPair,
} from '../../support/sockets.ts';

const POISONED = Buffer.alloc(5, 0xdb);

for (const backend of backends) {
  describe(`borrow on ${backend.name}`, () => {
    expectNothingLeft(backend);

    it('borrow returns 1 to `max` bytes, then the rest, and an empty Buffer at end of file', () =>
      onPair(backend, function* (near, far): Operation<void> {
        yield* near.sendAll('two parts');
        expect(String(yield* far.borrow(3))).toBe('two');
        expect(String(yield* far.borrow())).toBe(' parts');
        near.close();
        expect((yield* far.borrow()).length).toBe(0);
        expect((yield* far.borrow()).length).toBe(0);
        expect(far.bytesReceived).toBe(9);
      }));

    it('borrow waits for bytes, and receives them also after small messages', () =>
      onPair(backend, function* (near, far): Operation<void> {
        for (let i = 0; i < 5; i++) {
          yield* group(function* (tasks): Operation<void> {
            const reader = tasks.spawn(function* (): Operation<string> {
              return String(yield* far.borrow());
            });
            yield* untilWaiting(reader);
            yield* near.sendAll(`message ${i}`);
            expect(yield* reader.join()).toBe(`message ${i}`);
          });
        }
      }));

    it('a large transfer through borrow and sendAll arrives unchanged', () => {
      const sent = pattern(3_000_000);
      return backend.run(() =>
        withPair((near, far) =>
          group(function* (tasks): Operation<void> {
            tasks.spawn(() => near.sendAll(sent));
            tasks.spawn(() => echo(far, sent.length));
            expect((yield* receiveExactly(near, sent.length)).equals(sent)).toBe(true);
          }),
        ),
      );
    });

    it('a send that waits keeps a copy of borrowed bytes', () =>
      onPair(backend, (near, far) =>
        withTightPair(function* (from, to): Operation<void> {
          const filled = yield* fill(from);
          yield* near.sendAll('first');
          yield* group(function* (tasks): Operation<void> {
            const forward = tasks.spawn(function* (): Operation<void> {
              yield* from.sendAll(yield* far.borrow());
            });
            yield* untilWaiting(forward);
            yield* near.sendAll('second message');
            expect(String(yield* far.borrow())).toBe('second message');
            const all = yield* receiveExactly(to, filled + 5);
            expect(String(all.subarray(filled))).toBe('first');
          });
        }),
      ));

    it('a writer keeps a copy of borrowed bytes', () =>
      onPair(backend, function* (near, far): Operation<void> {
        const sent = pattern(10_000);
        yield* near.sendAll(sent);
        const writer = far.writer();
        for (let left = sent.length; left > 0; ) {
          const data = yield* far.borrow();
          writer.write(data);
          left -= data.length;
        }
        yield* near.sendAll(Buffer.alloc(10_000));
        yield* far.borrow();
        yield* writer.flush();
        expect((yield* receiveExactly(near, sent.length)).equals(sent)).toBe(true);
      }));

    it('a borrow that times out leaves the bytes unread', () =>
      onPair(backend, function* (near, far): Operation<void> {
        expect(yield* moveOnAfter(1, () => far.borrow())).toBeUndefined();
        yield* near.sendAll('whole');
        expect(String(yield* far.recv())).toBe('whole');
      }));

    it('borrow can be a case of select, which loses no byte', () =>
      onPair(backend, function* (near, far): Operation<void> {
        const channel = new Channel<string>(1);
        channel.trySend('item');
        yield* near.sendAll('bytes');
        yield* sleep(1);
        yield* select({ item: channel.receive(), data: far.recv(1) });
        const chosen = yield* select({ item: channel.receive(), data: far.borrow() });
        expect(['item', 'data']).toContain(chosen.key);
        channel.close();
        near.shutdown('send');
        while ((yield* far.borrow()).length > 0);
        expect(near.bytesSent).toBe(far.bytesReceived);
      }));

    it.runIf(backend.real)('debug mode overwrites borrowed bytes when the task waits', () =>
      backend.run(() => withPair(borrowAndWait), { debug: true }),
    );
  });
}

describe('borrow in a simulation', () => {
  it('debug mode overwrites borrowed bytes when the task waits', () =>
    resultOf(() => withPair(borrowAndWait), { debug: true }));
});

function* borrowAndWait(near: Socket, far: Socket): Operation<void> {
  yield* near.sendAll('bytes');
  const data = yield* far.borrow();
  expect(String(data)).toBe('bytes');
  yield* near.sendAll(data);
  expect(String(data)).toBe('bytes');
  yield;
  expect(data.equals(POISONED)).toBe(true);
}

function* echo(socket: Socket, bytes: number): Operation<void> {
  for (let left = bytes; left > 0; ) {
    const data = yield* socket.borrow();
    left -= data.length;
    yield* socket.sendAll(data);
  }
}
