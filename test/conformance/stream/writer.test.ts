import { describe, expect, it, vi } from 'vitest';
import type { Operation, Socket } from '../../../src/index.ts';
import { connect, group, isCancelled, toDuplex } from '../../../src/index.ts';
import { backends } from '../../support/backends.ts';
import { digest, pattern } from '../../support/data.ts';
import { expectNothingLeft } from '../../support/leaks.ts';
import { untilAllClosed, withServer } from '../../support/servers.ts';
import {
  failure,
  fill,
  onPair,
  receiveAll,
  receiveExactly,
  receiveText,
  together,
  untilWaiting,
  withPair,
  withTightPair,
} from '../../support/sockets.ts';

for (const backend of backends) {
  describe(`a writer on ${backend.name}`, () => {
    expectNothingLeft(backend);

    it('a writer sends small and large pieces in order', () => {
      const pieces = Array.from({ length: 400 }, (_, i) => pattern((i * 97) % 6000, i + 1));
      return backend.run(() =>
        withPair(function* (near, far): Operation<void> {
          yield* together(
            function* (): Operation<void> {
              const writer = near.writer();
              for (const piece of pieces) {
                if (writer.buffered + piece.length > 65536) yield* writer.flush();
                writer.write(piece);
              }
              yield* writer.flush();
              expect(writer.buffered).toBe(0);
              near.close();
            },
            function* (): Operation<void> {
              expect(digest(yield* receiveAll(far))).toBe(digest(Buffer.concat(pieces)));
            },
          );
        }),
      );
    });

    it('a flush waits when it would block, over several partial sends', () => {
      const pieces = Array.from({ length: 90 }, (_, i) => pattern(70_001 + i, i + 1));
      return backend.run(() =>
        withPair(function* (near, far): Operation<void> {
          yield* together(
            function* (): Operation<void> {
              const writer = near.writer({ highWaterMark: 10_000_000 });
              for (const piece of pieces) {
                writer.write(piece);
                writer.write('|');
              }
              yield* writer.flush();
              near.close();
            },
            function* (): Operation<void> {
              const expected = Buffer.concat(pieces.flatMap((piece) => [piece, Buffer.from('|')]));
              expect(digest(yield* receiveAll(far, 50_000))).toBe(digest(expected));
            },
          );
        }),
      );
    });

    it('a writer takes more pieces than one system call', () =>
      onPair(backend, function* (near, far): Operation<void> {
        const writer = near.writer({ highWaterMark: 2_000_000 });
        const large = pattern(4096);
        const expected: Uint8Array[] = [];
        for (let i = 0; i < 150; i++) {
          writer.write(large);
          writer.write(`${i};`);
          expected.push(large, Buffer.from(`${i};`));
        }
        yield* together(
          () => writer.flush(),
          function* (): Operation<void> {
            const all = Buffer.concat(expected);
            expect(digest(yield* receiveExactly(far, all.length))).toBe(digest(all));
          },
        );
      }));

    it('a flush that is cancelled before its first byte has no effect', () =>
      backend.run(() =>
        withTightPair(function* (near, far): Operation<void> {
          const filled = yield* fill(near);
          const writer = near.writer();
          writer.write('kept');
          yield* cutFlush(near);
          expect([near.bytesSent, writer.buffered]).toEqual([filled, 4]);
          yield* receiveExactly(far, filled);
          yield* writer.flush();
          near.close();
          expect(String(yield* receiveAll(far))).toBe('kept');
        }),
      ));

    it('a flush that is cancelled after its first byte tears the send half', () =>
      onPair(backend, function* (near): Operation<void> {
        const writer = near.writer({ highWaterMark: 30_000_000 });
        for (let i = 0; i < 20; i++) writer.write(Buffer.alloc(1_000_000));
        yield* cutFlush(near);
        expect([near.torn, writer.buffered]).toEqual([true, 0]);
        const error = yield* failure(() => near.sendAll('x'));
        expect(error).toMatchObject({ code: 'ERR_TORN', bytesSent: near.bytesSent });
        writer.write('x');
        expect(yield* failure(() => writer.flush())).toMatchObject({ code: 'ERR_TORN' });
      }));

    it('a broken connection is an error of the flush', () =>
      onPair(backend, function* (near): Operation<void> {
        near.shutdown('send');
        near.writer().write('x');
        const error = yield* failure(() => near.writer().flush());
        expect(error).toMatchObject({ code: 'EPIPE' });
      }));

    it('a writer makes other sends fail: ERR_FLUSH_NEEDED, and ERR_BUSY', () =>
      backend.run(() =>
        withTightPair(function* (near, far): Operation<void> {
          const filled = yield* fill(near);
          const writer = near.writer();
          writer.write('head');
          const refused = expect.objectContaining({ code: 'ERR_FLUSH_NEEDED' });
          expect(yield* failure(() => near.sendAll('x'))).toEqual(refused);
          expect(() => near.trySend('x')).toThrow(refused);
          expect(() => toDuplex(near)).toThrow(refused);
          yield* group(function* (tasks): Operation<void> {
            const flush = tasks.spawn(() => writer.flush());
            yield* untilWaiting(flush);
            expect(yield* failure(() => near.sendAll('x'))).toMatchObject({ code: 'ERR_BUSY' });
            expect(yield* failure(() => writer.flush())).toMatchObject({ code: 'ERR_BUSY' });
            yield* receiveExactly(far, filled);
            yield* flush.join();
          });
          yield* near.sendAll('body');
          expect(String(yield* receiveExactly(far, 8))).toBe('headbody');
        }),
      ));
  });

  describe(`handlers with a writer on ${backend.name}`, () => {
    expectNothingLeft(backend);

    it('a handler that flushes its writer serves the client', () => {
      const handler = function* (socket: Socket): Operation<void> {
        const writer = socket.writer();
        for (const word of ['one', ' ', 'two']) writer.write(word);
        yield* writer.flush();
      };
      return backend.run(() =>
        withServer(handler, function* (server): Operation<void> {
          using client = yield* connect(server.address);
          expect(yield* receiveText(client)).toBe('one two');
          expect(server.stats().failed).toBe(0);
        }),
      );
    });

    it('a handler that returns with unflushed bytes fails with ERR_NOT_FLUSHED', () => {
      const onError = vi.fn<(error: unknown) => void>();
      const handler = function* (socket: Socket): Operation<void> {
        socket.writer().write('forgotten');
        yield* socket.recv();
      };
      return backend.run(() =>
        withServer(
          handler,
          function* (server): Operation<void> {
            using client = yield* connect(server.address);
            yield* client.sendAll('x');
            expect(yield* receiveText(client)).toBe('');
            client.close();
            yield* untilAllClosed(server);
            expect(server.stats().failed).toBe(1);
            expect(onError.mock.calls.map(([error]) => error)).toEqual([
              expect.objectContaining({
                code: 'ERR_NOT_FLUSHED',
                message: expect.stringContaining('9 bytes'),
              }),
            ]);
          },
          { onError },
        ),
      );
    });

    it('a handler that ends for another reason gets no error for unflushed bytes', () => {
      const onError = vi.fn<(error: unknown) => void>();
      const handler = function* (socket: Socket): Operation<void> {
        socket.writer().write('dropped');
        const first = yield* socket.recv();
        if (String(first) === 'fail') throw new Error('its own');
        socket.reset();
      };
      return backend.run(() =>
        withServer(
          handler,
          function* (server): Operation<void> {
            for (const word of ['fail', 'reset']) {
              using client = yield* connect(server.address);
              yield* client.sendAll(word);
              expect(['', 'ECONNRESET']).toContain(yield* textOrCode(client));
            }
            yield* untilAllClosed(server);
            expect(onError.mock.calls.map(([error]) => error)).toEqual([new Error('its own')]);
          },
          { onError },
        ),
      );
    });
  });
}

/** The bytes that the client receives, or the code of its error. */
function* textOrCode(client: Socket): Operation<string | undefined> {
  try {
    return yield* receiveText(client);
  } catch (error) {
    if (isCancelled(error)) throw error;
    return (error as { code?: string }).code;
  }
}

/** Cancels the flush once it waits. */
function* cutFlush(socket: Socket): Operation<void> {
  yield* group(function* (tasks): Operation<void> {
    const flush = tasks.spawn(() => socket.writer().flush());
    yield* untilWaiting(flush);
    flush.cancel();
  });
}
