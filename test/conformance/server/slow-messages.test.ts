/** `minReceiveRate`: messages that arrive slowly. */
import { describe, expect, it } from 'vitest';
import type { Operation, Server, Socket } from '../../../src/index.ts';
import { connect, group, sleep } from '../../../src/index.ts';
import { backends } from '../../support/backends.ts';
import { expectNothingLeft } from '../../support/leaks.ts';
import { ask, closeReasons, untilAllClosed, withServer } from '../../support/servers.ts';
import { failure, receiveExactly } from '../../support/sockets.ts';

/** Turns the other limits off. */
const LINES = {
  firstByteTimeoutMs: Infinity,
  idleTimeoutMs: Infinity,
  sendStallTimeoutMs: Infinity,
  minReceiveRate: { bytesPerSecond: 1500, graceMs: 300 },
} as const;

for (const backend of backends) {
  describe(`slow messages to a server on ${backend.name}`, () => {
    expectNothingLeft(backend);

    it('clients that send a byte at a time are ended, and others are served', () => {
      return backend.run(() =>
        withServer(
          lines,
          function* (server): Operation<void> {
            using good = yield* connect(server.address);
            yield* group(function* (tasks): Operation<void> {
              for (let i = 0; i < 30; i++)
                tasks.spawn(() => sendSlowly(server, i % 2 === 0 ? 1 : 10));
              while (server.stats().closed.minReceiveRate < 30) {
                yield* good.sendAll('quick\n');
                expect(String(yield* receiveExactly(good, 6))).toBe('QUICK\n');
                yield* sleep(5);
              }
            });
            expect(closeReasons(server)).toEqual({ minReceiveRate: 30 });
            expect(yield* ask(server, 'hello\n')).toBe('HELLO\n');
          },
          LINES,
        ),
      );
    });

    it('pauses between messages do not count as slow', () => {
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
            expect([closeReasons(server), server.stats().open]).toEqual([{}, 1]);
          },
          LINES,
        ),
      );
    });

    it('short messages that overlap their responses do not count as one slow message', () => {
      return backend.run(() =>
        withServer(
          lines,
          function* (server): Operation<void> {
            using client = yield* connect(server.address);
            // At every check a message has started and is not complete.
            yield* client.sendAll('x');
            for (let i = 0; i < 40; i++) {
              yield* sleep(20);
              yield* client.sendAll('\nx');
              yield* receiveExactly(client, 2);
            }
            expect([closeReasons(server), server.stats().open]).toEqual([{}, 1]);
          },
          LINES,
        ),
      );
    });

    it('the time in which a handler does not read does not count', () => {
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
            yield* untilAllClosed(server);
            expect(closeReasons(server)).toEqual({ handler: 1 });
          },
          LINES,
        ),
      );
    });
  });
}

/** Responds to each line in upper case. */
function* lines(socket: Socket): Operation<void> {
  const reader = socket.reader();
  for (;;) {
    const line = yield* reader.readLine();
    if (line === null) return;
    yield* socket.sendAll(`${line.toUpperCase()}\n`);
  }
}

/** Sends a byte of a line at intervals, until the server ends the connection. */
function* sendSlowly(server: Server, everyMs: number): Operation<void> {
  using socket = yield* connect(server.address);
  yield* failure(function* (): Operation<void> {
    while (socket.tryRecv() === undefined) {
      yield* socket.sendAll('x');
      yield* sleep(everyMs);
    }
    throw new Error('the server has ended the connection');
  });
}
