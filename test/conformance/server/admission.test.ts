/** Limits on the number of connections and on their rate. */
import { describe, expect, it } from 'vitest';
import type { Operation, Server, Socket } from '../../../src/index.ts';
import { connect, moveOnAfter, sleep, sleepForever } from '../../../src/index.ts';
import { backends } from '../../support/backends.ts';
import { expectNothingLeft } from '../../support/leaks.ts';
import { ask, closeReasons, untilAllClosed, withServer } from '../../support/servers.ts';
import {
  echo,
  endOf,
  eventually,
  exchange,
  failure,
  receiveExactly,
  receiveText,
} from '../../support/sockets.ts';

for (const backend of backends) {
  describe(`connection limits of a server on ${backend.name}`, () => {
    expectNothingLeft(backend);

    it('a connection beyond maxConnections waits until another one ends', () => {
      return backend.run(() =>
        withServer(
          echo,
          function* (server): Operation<void> {
            const first = yield* served(server);
            using second = yield* served(server);
            using third = yield* connect(server.address);
            yield* third.sendAll('third');
            expect(yield* moveOnAfter(40, () => third.recv())).toBeUndefined();
            expect(server.stats()).toMatchObject({ accepted: 2, open: 2 });
            expect(server.stats().acceptPauses > 0).toBe(backend.capabilities.pausesAccept);
            first.close();
            expect(String(yield* receiveExactly(third, 5))).toBe('third');
            yield* exchange(second);
            expect(server.stats()).toMatchObject({ accepted: 3, open: 2 });
          },
          { maxConnections: 2 },
        ),
      );
    });

    it('maxConnections 1 serves connections one after the other', () => {
      return backend.run(() =>
        withServer(
          echo,
          function* (server): Operation<void> {
            for (let i = 0; i < 50; i++) expect(yield* ask(server, `${i}`)).toBe(`${i}`);
            yield* untilAllClosed(server);
            expect(closeReasons(server)).toEqual({ handler: 50 });
          },
          { maxConnections: 1 },
        ),
      );
    });

    it('a server at maxConnections can be stopped', () => {
      return backend.run(() =>
        withServer(
          echo,
          function* (server, serving): Operation<void> {
            using first = yield* served(server);
            using waiting = yield* connect(server.address);
            yield* sleep(5);
            server.stop();
            expect(yield* receiveText(first)).toBe('');
            first.close();
            expect(yield* endOf(waiting)).toBe('end of file');
            waiting.close();
            yield* serving.join();
            expect(server.stats()).toMatchObject({ accepted: 2, open: 0 });
          },
          { maxConnections: 1 },
        ),
      );
    });

    it('connections that wait for a slot when the server is stopped are served', () => {
      return backend.run(() =>
        withServer(
          echo,
          function* (server, serving): Operation<void> {
            using first = yield* served(server);
            const waiting: Socket[] = [];
            try {
              for (let i = 0; i < 5; i++) {
                const socket = yield* connect(server.address);
                waiting.push(socket);
                yield* socket.sendAll(`request ${i}`);
              }
              yield* sleep(5);
              server.stop();
              expect(yield* receiveText(first)).toBe('');
              first.close();
              for (const [i, socket] of waiting.entries()) {
                expect(yield* receiveText(socket)).toBe(`request ${i}`);
                socket.close();
              }
            } finally {
              for (const socket of waiting) socket.close();
            }
            yield* serving.join();
            expect(server.stats()).toMatchObject({ accepted: 6, closed: { drained: 6 } });
            const error = yield* failure(() => connect(server.address));
            expect(error).toMatchObject({ code: 'ECONNREFUSED' });
          },
          { maxConnections: 1 },
        ),
      );
    });

    it('connections that wait for a slot are reset at the end of the grace period', () => {
      const busy = function* (socket: Socket): Operation<void> {
        yield* socket.recv();
        yield* sleepForever();
      };
      return backend.run(() =>
        withServer(
          busy,
          function* (server, serving): Operation<void> {
            using first = yield* connect(server.address);
            yield* first.sendAll('a request');
            yield* eventually('it is being served', () => server.stats().bytesReceived > 0);
            using waiting = yield* connect(server.address);
            yield* sleep(5);
            server.stop({ graceMs: 30 });
            expect(yield* endOf(waiting)).toBe('ECONNRESET');
            yield* serving.join();
            expect(server.stats()).toMatchObject({ accepted: 1, closed: { cut: 1 } });
          },
          { maxConnections: 1 },
        ),
      );
    });

    it('maxConnectionsPerPeer refuses further connections of one peer only', () => {
      return backend.run(() =>
        withServer(
          echo,
          function* (server): Operation<void> {
            const mine = yield* served(server, '127.0.0.2');
            using second = yield* served(server, '127.0.0.2');
            yield* expectRefused(server, '127.0.0.2');
            yield* expectRefused(server, '127.0.0.2');
            using other = yield* served(server, '127.0.0.3');
            yield* exchange(other);
            mine.close();
            yield* eventually('it has ended', () => server.stats().open === 2);
            using again = yield* served(server, '127.0.0.2');
            yield* exchange(again);
            yield* exchange(second);
            const { refused, accepted } = server.stats();
            expect(refused).toMatchObject({
              maxConnectionsPerPeer: 2,
              maxAcceptRatePerPeer: 0,
              shed: 0,
            });
            expect(accepted).toBe(4);
          },
          { maxConnectionsPerPeer: 2 },
        ),
      );
    });

    it('maxAcceptRatePerPeer refuses a peer that connects too fast, and no other', () => {
      return backend.run(() =>
        withServer(
          echo,
          function* (server): Operation<void> {
            for (let i = 0; i < 3; i++) (yield* served(server, '127.0.0.2')).close();
            for (let i = 0; i < 3; i++) yield* expectRefused(server, '127.0.0.2');
            (yield* served(server, '127.0.0.3')).close();
            yield* untilAllClosed(server);
            expect(server.stats().refused.maxAcceptRatePerPeer).toBe(3);
            expect(closeReasons(server)).toEqual({ handler: 4 });
          },
          { maxAcceptRatePerPeer: { count: 3, perMs: 3_600_000 } },
        ),
      );
    });
  });
}

/** Returns a connection after the first response of its handler. */
function* served(server: Server, localAddress = '127.0.0.1'): Operation<Socket> {
  const socket = yield* connectFrom(server, localAddress);
  yield* exchange(socket);
  return socket;
}

function* connectFrom(server: Server, host: string): Operation<Socket> {
  return yield* connect(server.address, { localAddress: { host, port: 0 } });
}

/** The system completes the connection before the server refuses it. */
function* expectRefused(server: Server, localAddress: string): Operation<void> {
  const error = yield* failure(function* () {
    using socket = yield* connectFrom(server, localAddress);
    yield* socket.recv();
  });
  expect(error).toMatchObject({ code: 'ECONNRESET' });
}
