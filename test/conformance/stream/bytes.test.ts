import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Operation, Socket } from '../../../src/index.ts';
import { group, sleep } from '../../../src/index.ts';
import { backends } from '../../support/backends.ts';
import { digest, pattern } from '../../support/data.ts';
import { expectNothingLeft } from '../../support/leaks.ts';
import {
  eventually,
  fill,
  onPair,
  receiveAll,
  receiveExactly,
  together,
  untilWaiting,
  withPair,
  withTightPair,
} from '../../support/sockets.ts';

const MEGABYTE = 1_000_000;

for (const backend of backends) {
  describe(`bytes on ${backend.name}`, () => {
    let folder = '';
    beforeAll(() => {
      folder = mkdtempSync(join(tmpdir(), 'coronet-'));
    });
    afterAll(() => rmSync(folder, { recursive: true }));
    expectNothingLeft(backend);

    it('a megabyte passes a small buffer to a slow reader, complete and in order', () => {
      // A Unix socket gets a fifth of that, and its buffer does not grow.
      const path = join(folder, 'small.sock');
      return backend.run(() => withPair((near, far) => slowly(near, far), { path }));
    });

    it('a sender waits while the peer does not receive, and continues when it does', () =>
      backend.run(() => withPair(stallAndGoOn)));

    it('eight megabytes arrive unchanged', () => {
      const sent = pattern(8 * MEGABYTE);
      return backend.run(() =>
        withPair(function* (near, far): Operation<void> {
          yield* together(
            () => sendAndFinish(near, sent),
            function* (): Operation<void> {
              expect(digest(yield* receiveAll(far))).toBe(digest(sent));
            },
          );
          expect([near.bytesSent, far.bytesReceived]).toEqual([sent.length, sent.length]);
        }),
      );
    });

    it('both directions carry large messages at the same time', () => {
      const [one, two] = [pattern(3 * MEGABYTE, 1), pattern(3 * MEGABYTE, 2)];
      return backend.run(() =>
        withPair(function* (near, far): Operation<void> {
          const receive = (socket: Socket, sent: Buffer) =>
            function* (): Operation<void> {
              expect(digest(yield* receiveAll(socket))).toBe(digest(sent));
            };
          const sends = [() => sendAndFinish(near, one), () => sendAndFinish(far, two)];
          yield* together(...sends, receive(far, one), receive(near, two));
        }),
      );
    });

    it('close delivers all bytes that were sent, even if they were still in transit', () => {
      const sent = pattern(2 * MEGABYTE);
      return backend.run(() =>
        withPair(function* (near, far): Operation<void> {
          yield* together(
            function* (): Operation<void> {
              yield* near.sendAll(sent);
              near.close();
            },
            function* (): Operation<void> {
              yield* sleep(5);
              expect(digest(yield* receiveAll(far))).toBe(digest(sent));
            },
          );
        }),
      );
    });

    it('recv returns at most `max` bytes and leaves the rest', () =>
      onPair(backend, function* (near, far): Operation<void> {
        yield* near.sendAll('abcdefgh');
        expect(String(yield* receiveExactly(far, 3))).toBe('abc');
        expect(String(yield* far.recv(1))).toBe('d');
        expect(String(yield* receiveExactly(far, 4))).toBe('efgh');
      }));

    it('bytes that recv has returned do not change when more arrive', () =>
      onPair(backend, function* (near, far): Operation<void> {
        const parts: Buffer[] = [];
        for (let i = 0; i < 500; i++) {
          yield* near.sendAll(`message ${i}`);
          parts.push(yield* far.recv());
        }
        expect(parts.map(String)).toEqual(parts.map((_, i) => `message ${i}`));
      }));

    it('memory can be changed as soon as the send of it has returned', () =>
      onPair(backend, function* (near, far): Operation<void> {
        const bytes = Buffer.from('mine');
        yield* near.sendAll(bytes);
        bytes.fill('!');
        const more = Buffer.from(' and yours');
        expect(near.trySend(more)).toBe(more.length);
        more.fill('!');
        expect(String(yield* receiveExactly(far, 14))).toBe('mine and yours');
      }));

    it('strings are sent as UTF-8', () =>
      onPair(backend, function* (near, far): Operation<void> {
        const text = 'größer als 漢字 🙂';
        yield* near.sendAll(text);
        expect(yield* near.send('ü')).toBe(2);
        expect(near.trySend('ß')).toBe(2);
        const length = Buffer.byteLength(text) + 4;
        expect(String(yield* receiveExactly(far, length))).toBe(`${text}üß`);
        expect(near.bytesSent).toBe(length);
      }));

    it("recvInto writes to the beginning of the caller's memory", () =>
      onPair(backend, function* (near, far): Operation<void> {
        yield* near.sendAll('into place');
        const room = new Uint8Array(20).fill(46);
        expect(yield* far.recvInto(room.subarray(5, 10))).toBe(5);
        expect(String(Buffer.from(room))).toBe('.....into ..........');
        expect(yield* far.recvInto(room)).toBe(5);
        expect(String(Buffer.from(room))).toBe('placeinto ..........');
        near.close();
        expect(yield* far.recvInto(room)).toBe(0);
      }));

    it('recvInto waits for bytes', () =>
      onPair(backend, function* (near, far): Operation<void> {
        yield* group(function* (tasks): Operation<void> {
          const reader = tasks.spawn(() => far.recvInto(new Uint8Array(100)));
          yield* untilWaiting(reader);
          yield* near.sendAll('waited for');
          expect(yield* reader.join()).toBe(10);
        });
      }));

    it('tryRecv never waits: it returns undefined, bytes, or end of file', () =>
      onPair(backend, function* (near, far): Operation<void> {
        expect(far.tryRecv()).toBeUndefined();
        yield* near.sendAll('bytes');
        let got: Buffer | undefined;
        yield* eventually('bytes have arrived', () => {
          got = far.tryRecv(3);
          return got !== undefined;
        });
        expect([String(got), String(far.tryRecv())]).toEqual(['byt', 'es']);
        expect(far.tryRecv()).toBeUndefined();
        near.close();
        yield* eventually('the end of file has arrived', () => far.tryRecv()?.length === 0);
      }));

    it('trySend never waits: it returns the number of bytes, 0 if it would block', () =>
      backend.run(() =>
        withTightPair(function* (near, far): Operation<void> {
          const sent = yield* fill(near);
          expect(near.trySend('more')).toBe(0);
          expect(near.bytesSent).toBe(sent);
          expect((yield* receiveExactly(far, sent)).every((byte) => byte === 102)).toBe(true);
          yield* eventually('sending may succeed', () => near.trySend('more') === 4);
          expect(String(yield* receiveExactly(far, 4))).toBe('more');
        }),
      ));

    it('every byte is counted once, in its direction', () =>
      onPair(backend, function* (near, far): Operation<void> {
        yield* near.sendAll('12345');
        yield* near.sendv([Buffer.from('67'), Buffer.from('8')]);
        expect(yield* near.send('9')).toBe(1);
        yield* receiveExactly(far, 9);
        far.trySend('ok');
        yield* near.recvInto(new Uint8Array(10));
        expect([near.bytesSent, near.bytesReceived]).toEqual([9, 2]);
        expect([far.bytesSent, far.bytesReceived]).toEqual([2, 9]);
        near.close();
        expect([near.bytesSent, near.bytesReceived]).toEqual([9, 2]);
      }));
  });
}

function* sendAndFinish(socket: Socket, data: Uint8Array): Operation<void> {
  yield* socket.sendAll(data);
  socket.shutdown('send');
}

/** Every send takes a part, so the sender waits repeatedly. */
function* slowly(near: Socket, far: Socket): Operation<void> {
  const sent = pattern(MEGABYTE);
  let sends = 0;
  yield* together(
    function* (): Operation<void> {
      for (let at = 0; at < sent.length; sends++) at += yield* near.send(sent.subarray(at));
      near.shutdown('send');
    },
    function* (): Operation<void> {
      const parts: Buffer[] = [];
      for (;;) {
        const part = yield* far.recv(1000);
        if (part.length === 0) break;
        parts.push(part);
        yield;
      }
      expect(digest(Buffer.concat(parts))).toBe(digest(sent));
    },
  );
  expect(sends).toBeGreaterThan(4);
}

function* stallAndGoOn(near: Socket, far: Socket): Operation<void> {
  const sent = pattern(16 * MEGABYTE);
  yield* group(function* (tasks): Operation<void> {
    const sender = tasks.spawn(() => sendAndFinish(near, sent));
    yield* untilWaiting(sender);
    yield* sleep(20);
    expect(sender.state).toBe('waiting');
    expect(near.bytesSent).toBeLessThan(sent.length);
    expect(digest(yield* receiveAll(far))).toBe(digest(sent));
    yield* sender.join();
  });
}
