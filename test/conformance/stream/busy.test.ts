import { describe, expect, it } from 'vitest';
import type { Operation, Socket, Wait } from '../../../src/index.ts';
import { BusyError, connect, group, listen, readable, writable } from '../../../src/index.ts';
import { backends } from '../../support/backends.ts';
import { pattern } from '../../support/data.ts';
import { expectNothingLeft } from '../../support/leaks.ts';
import {
  failure,
  fill,
  LOOPBACK,
  onPair,
  receiveExactly,
  untilWaiting,
  withTightPair,
} from '../../support/sockets.ts';

for (const backend of backends) {
  describe(`one task at a time on ${backend.name}`, () => {
    expectNothingLeft(backend);

    it('a second receiver gets ERR_BUSY, and the first one its bytes', () =>
      onPair(backend, function* (near, far): Operation<void> {
        yield* group(function* (tasks): Operation<void> {
          const first = tasks.spawn(() => far.recv());
          yield* untilWaiting(first);
          const second = yield* failure(() => far.recv());
          expect(second).toBeInstanceOf(BusyError);
          expect(second.code).toBe('ERR_BUSY');
          const room = new Uint8Array(9);
          expect(yield* failure(() => far.recvInto(room))).toMatchObject({ code: 'ERR_BUSY' });
          expect(yield* failure(() => far.recv())).toMatchObject({ code: 'ERR_BUSY' });
          expect(() => far.tryRecv()).toThrow(BusyError);
          expect(first.state).toBe('waiting');
          yield* near.sendAll('for the first');
          expect(String(yield* first.join())).toBe('for the first');
        });
        yield* near.sendAll('free again');
        expect(String(yield* far.recv())).toBe('free again');
      }));

    it('a second receiver gets ERR_BUSY even if bytes are available', () =>
      onPair(backend, function* (near, far): Operation<void> {
        yield* group(function* (tasks): Operation<void> {
          const first = tasks.spawn(() => receiveExactly(far, 10));
          yield* untilWaiting(first);
          yield* near.sendAll('12345');
          while (first.state === 'waiting') yield;
          expect(yield* failure(() => far.recv())).toMatchObject({ code: 'ERR_BUSY' });
          yield* near.sendAll('67890');
          expect(String(yield* first.join())).toBe('1234567890');
        });
      }));

    it('a second sender gets ERR_BUSY, and the first one sends all of its bytes', () =>
      backend.run(() =>
        withTightPair(function* (near, far): Operation<void> {
          const filled = yield* fill(near);
          yield* group(function* (tasks): Operation<void> {
            const sent = pattern(500_000);
            const first = tasks.spawn(() => near.sendAll(sent));
            yield* untilWaiting(first);
            for (const send of [
              () => near.sendAll('x'),
              () => near.send('x'),
              () => near.sendv([Buffer.from('x')]),
            ]) {
              expect(yield* failure(send)).toMatchObject({ code: 'ERR_BUSY' });
            }
            expect(() => near.trySend('x')).toThrow(BusyError);
            yield* receiveExactly(far, filled);
            expect((yield* receiveExactly(far, sent.length)).equals(sent)).toBe(true);
            yield* first.join();
          });
          yield* near.sendAll('free again');
          expect(String(yield* receiveExactly(far, 10))).toBe('free again');
        }),
      ));

    it('a second task that accepts gets ERR_BUSY, and the first one its connection', () =>
      backend.run(function* (): Operation<void> {
        using listener = yield* listen(LOOPBACK);
        yield* group(function* (tasks): Operation<void> {
          const first = tasks.spawn(() => listener.accept());
          yield* untilWaiting(first);
          expect(yield* failure(() => listener.accept())).toMatchObject({ code: 'ERR_BUSY' });
          using near = yield* connect(listener.address);
          using far = yield* first.join();
          expect(far.remoteAddress).toEqual(near.localAddress);
        });
        using next = yield* connect(listener.address);
        using accepted = yield* listener.accept();
        expect(accepted.remoteAddress).toEqual(next.localAddress);
      }));

    it('one task may receive while another one sends', () =>
      backend.run(() =>
        withTightPair(function* (near, far): Operation<void> {
          const filled = yield* fill(near);
          yield* group(function* (tasks): Operation<void> {
            const receiver = tasks.spawn(() => near.recv());
            const sender = tasks.spawn(() => near.sendAll('both'));
            yield* untilWaiting(receiver);
            yield* untilWaiting(sender);
            yield* far.sendAll('hello');
            yield* receiveExactly(far, filled + 4);
            expect(String(yield* receiver.join())).toBe('hello');
            yield* sender.join();
          });
        }),
      ));

    it('a raw wait fails while an operation waits in the same direction, and the reverse', () =>
      onPair(backend, function* (near, far): Operation<void> {
        yield* group(function* (tasks): Operation<void> {
          const operation = tasks.spawn(() => far.recv());
          yield* untilWaiting(operation);
          expect(yield* failure(() => rawRecv(far))).toMatchObject({ code: 'ERR_BUSY' });
          expect(yield* failure(() => readable(far))).toMatchObject({ code: 'ERR_BUSY' });
          yield* near.sendAll('one');
          expect(String(yield* operation.join())).toBe('one');
          const raw = tasks.spawn(() => rawRecv(far));
          yield* untilWaiting(raw);
          expect(yield* failure(() => far.recv())).toMatchObject({ code: 'ERR_BUSY' });
          yield* near.sendAll('two');
          yield* raw.join();
          expect(String(yield* far.recv())).toBe('two');
        });
      }));

    it('a second raw wait to send fails', () =>
      backend.run(() =>
        withTightPair(function* (near, far): Operation<void> {
          const filled = yield* fill(near);
          yield* group(function* (tasks): Operation<void> {
            const first = tasks.spawn(() => writable(near));
            yield* untilWaiting(first);
            expect(yield* failure(() => writable(near))).toMatchObject({ code: 'ERR_BUSY' });
            yield* receiveExactly(far, filled);
            yield* first.join();
          });
        }),
      ));
  });
}

function* rawRecv(socket: Socket): Generator<Wait, void> {
  yield ['recv', socket];
}
