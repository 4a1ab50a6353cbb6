import { describe, expect, it } from 'vitest';
import type { Operation, Socket } from '../../../src/index.ts';
import { group, readable } from '../../../src/index.ts';
import { backends } from '../../support/backends.ts';
import { pattern } from '../../support/data.ts';
import { expectNothingLeft } from '../../support/leaks.ts';
import {
  failure,
  onPair,
  receiveAll,
  sendsOf,
  together,
  untilWaiting,
  withPair,
} from '../../support/sockets.ts';

for (const backend of backends) {
  describe(`ending on ${backend.name}`, () => {
    expectNothingLeft(backend);

    it('a half-closed connection still carries bytes in the other direction', () =>
      backend.run(() => withPair(halfClose)));

    it('the accepting end may half-close first', () =>
      backend.run(() => withPair((near, far) => halfClose(far, near))));

    it('buffered data comes before the end of file', () =>
      onPair(backend, function* (near, far): Operation<void> {
        const sent = pattern(40_000);
        yield* near.sendAll(sent);
        near.close();
        yield* readable(far);
        expect((yield* receiveAll(far, 777)).equals(sent)).toBe(true);
      }));

    it('data and end of file can arrive in one segment', () =>
      onPair(backend, function* (near, far): Operation<void> {
        near.noDelay = false;
        // The second send waits for the acknowledgement of the first, so the FIN can join it.
        for (const text of ['one', 'two', 'three']) near.trySend(text);
        near.shutdown('send');
        expect(String(yield* receiveAll(far))).toBe('onetwothree');
      }));

    it('end of file is returned repeatedly', () =>
      onPair(backend, function* (near, far): Operation<void> {
        near.shutdown();
        for (let i = 0; i < 5; i++) expect((yield* far.recv()).length).toBe(0);
        expect(yield* far.recvInto(new Uint8Array(8))).toBe(0);
        expect(far.tryRecv()?.length).toBe(0);
      }));

    it('end of file wakes the receiving task', () =>
      onPair(backend, function* (near, far): Operation<void> {
        yield* group(function* (tasks): Operation<void> {
          const reader = tasks.spawn(() => receiveAll(far));
          yield* untilWaiting(reader);
          near.close();
          expect((yield* reader.join()).length).toBe(0);
        });
      }));

    it("after shutdown('send') every send fails with EPIPE, and receiving continues", () =>
      onPair(backend, function* (near, far): Operation<void> {
        near.shutdown('send');
        near.shutdown('send');
        for (const send of sendsOf(near)) {
          expect(yield* failure(send)).toMatchObject({ code: 'EPIPE', syscall: 'write' });
        }
        yield* far.sendAll('more');
        expect(String(yield* near.recv())).toBe('more');
      }));

    it("after shutdown('recv') every receive returns end of file, and sending continues", () =>
      onPair(backend, function* (near, far): Operation<void> {
        yield* far.sendAll('unread');
        yield* readable(near);
        near.shutdown('recv');
        expect((yield* near.recv()).length).toBe(0);
        yield* far.sendAll('dropped');
        expect((yield* near.recv()).length).toBe(0);
        expect(near.bytesReceived).toBe(0);
        yield* near.sendAll('reply');
        expect(String(yield* far.recv())).toBe('reply');
      }));

    it("shutdown('recv') wakes the receiving task", () =>
      onPair(backend, function* (near): Operation<void> {
        yield* group(function* (tasks): Operation<void> {
          const reader = tasks.spawn(() => near.recv());
          yield* untilWaiting(reader);
          near.shutdown('recv');
          expect((yield* reader.join()).length).toBe(0);
        });
      }));

    it("shutdown('both') ends both directions", () =>
      onPair(backend, function* (near, far): Operation<void> {
        near.shutdown('both');
        expect((yield* near.recv()).length).toBe(0);
        expect(yield* failure(() => near.send('x'))).toMatchObject({ code: 'EPIPE' });
        expect((yield* far.recv()).length).toBe(0);
      }));

    it('shutdown of a connection that the peer has ended does nothing', () =>
      onPair(backend, function* (near, far): Operation<void> {
        far.reset();
        expect(yield* failure(() => near.recv())).toMatchObject({ code: 'ECONNRESET' });
        for (const how of ['send', 'recv', 'both'] as const) near.shutdown(how);
      }));

    it('shutdown rejects any other argument', () =>
      onPair(backend, function* (near): Operation<void> {
        expect(() => near.shutdown('write' as 'send')).toThrow(TypeError);
      }));
  });
}

function* halfClose(near: Socket, far: Socket): Operation<void> {
  yield* near.sendAll('last words');
  near.shutdown('send');
  expect(String(yield* receiveAll(far))).toBe('last words');
  const answer = pattern(100_000);
  yield* together(
    function* (): Operation<void> {
      yield* far.sendAll(answer);
      far.shutdown('send');
    },
    function* (): Operation<void> {
      expect((yield* receiveAll(near)).equals(answer)).toBe(true);
    },
  );
}
