import { describe, expect, it } from 'vitest';
import type { Operation, Server, Socket } from '../../../src/index.ts';
import { connect, group, sleep } from '../../../src/index.ts';
import { backends } from '../../support/backends.ts';
import { expectNothingLeft } from '../../support/leaks.ts';
import { ask, endings, untilNobodyIsLeft, withServer } from '../../support/servers.ts';
import { failure, receiveExactly } from '../../support/sockets.ts';

/** The only limit is that of the test. */
const LINES = {
  firstByteTimeoutMs: Infinity,
  idleTimeoutMs: Infinity,
  sendStallTimeoutMs: Infinity,
  minReceiveRate: { bytesPerSecond: 1500, graceMs: 300 },
} as const;

for (const backend of backends) {
  describe(`slow messages to a server on ${backend.name}`, () => {
    expectNothingLeft(backend);

    it('those who send a byte now and then are let go, and others are served meanwhile', () => {
      return backend.run(() =>
        withServer(
          lines,
          function* (server): Operation<void> {
            using good = yield* connect(server.address);
            yield* group(function* (tasks): Operation<void> {
              for (let i = 0; i < 30; i++) tasks.spawn(() => dribble(server, i % 2 === 0 ? 1 : 10));
              while (server.stats().closed.minReceiveRate < 30) {
                yield* good.sendAll('quick\n');
                expect(String(yield* receiveExactly(good, 6))).toBe('QUICK\n');
                yield* sleep(5);
              }
            });
            expect(endings(server)).toEqual({ minReceiveRate: 30 });
            expect(yield* ask(server, 'and now?\n')).toBe('AND NOW?\n');
          },
          LINES,
        ),
      );
    });

    it('a client that thinks between messages is not slow', () => {
      return backend.run(() =>
        withServer(
          lines,
          function* (server): Operation<void> {
            using client = yield* connect(server.address);
            for (let i = 0; i < 3; i++) {
              yield* client.sendAll('a line\n');
              yield* receiveExactly(client, 7);
              yield* sleep(350);
            }
            expect([endings(server), server.stats().open]).toEqual([{}, 1]);
          },
          LINES,
        ),
      );
    });

    it('short messages that overlap their answers are not one slow message', () => {
      return backend.run(() =>
        withServer(
          lines,
          function* (server): Operation<void> {
            using client = yield* connect(server.address);
            // Whenever anybody looks, a message has begun and is not complete.
            yield* client.sendAll('x');
            for (let i = 0; i < 40; i++) {
              yield* sleep(20);
              yield* client.sendAll('\nx');
              yield* receiveExactly(client, 2);
            }
            expect([endings(server), server.stats().open]).toEqual([{}, 1]);
          },
          LINES,
        ),
      );
    });

    it('a handler that does not read holds nothing against the client', () => {
      const busy = function* (socket: Socket): Operation<void> {
        const reader = socket.reader();
        yield* reader.readExactly(1);
        yield* sleep(500);
        yield* socket.sendAll(String(yield* reader.readExactly(1)));
      };
      return backend.run(() =>
        withServer(
          busy,
          function* (server): Operation<void> {
            expect(yield* ask(server, 'ab')).toBe('b');
            yield* untilNobodyIsLeft(server);
            expect(endings(server)).toEqual({ handler: 1 });
          },
          LINES,
        ),
      );
    });
  });
}

/** Answers each line in capitals. */
function* lines(socket: Socket): Operation<void> {
  const reader = socket.reader();
  for (;;) {
    const line = yield* reader.readLine();
    if (line === null) return;
    yield* socket.sendAll(`${line.toUpperCase()}\n`);
  }
}

/** A byte of a line every few milliseconds, until the server has had enough. */
function* dribble(server: Server, everyMs: number): Operation<void> {
  using socket = yield* connect(server.address);
  yield* failure(function* (): Operation<void> {
    while (socket.tryRecv() === undefined) {
      yield* socket.sendAll('x');
      yield* sleep(everyMs);
    }
    throw new Error('The server has ended the connection');
  });
}
