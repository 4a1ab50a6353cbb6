/** The report of a drain, and what the end of its grace period does. */
import { describe, expect, it, vi } from 'vitest';
import type { DrainReport, Operation, Server, Socket } from '../../../src/index.ts';
import {
  connect,
  group,
  scope,
  shield,
  sleep,
  sleepForever,
  tcpServer,
} from '../../../src/index.ts';
import { backends } from '../../support/backends.ts';
import { expectNothingLeft } from '../../support/leaks.ts';
import { closeReasons, withServer } from '../../support/servers.ts';
import {
  echo,
  eventually,
  exchange,
  LOOPBACK,
  receiveExactly,
  receiveText,
} from '../../support/sockets.ts';

for (const backend of backends) {
  describe(`the drain report on ${backend.name}`, () => {
    expectNothingLeft(backend);

    it('has the number of connections whose handlers returned', () => {
      const reports: DrainReport[] = [];
      return backend
        .run(() =>
          withServer(
            echo,
            function* (server, serving): Operation<void> {
              using ended = yield* connect(server.address);
              yield* exchange(ended);
              ended.shutdown('send');
              yield* eventually('one has ended before', () => server.stats().closed.handler === 1);
              using one = yield* connect(server.address);
              using two = yield* connect(server.address);
              yield* exchange(two);
              yield* eventually('both are served', () => server.stats().open === 2);
              expect(server.drainReport).toBeUndefined();
              server.stop({ graceMs: 5000 });
              for (const client of [one, two]) {
                expect(yield* receiveText(client)).toBe('');
                client.close();
              }
              yield* serving.join();
              expect(server.drainReport).toBe(reports[0]);
              expect(closeReasons(server)).toEqual({ handler: 1, drained: 2 });
            },
            { onDrained: (report) => reports.push(report) },
          ),
        )
        .then(() => {
          expect(reports).toEqual([{ cut: [], drained: 2, durationMs: expect.any(Number) }]);
          expect(Object.isFrozen(reports[0])).toBe(true);
        });
    });

    it('lists the connections that were cut, with their state and wait', () => {
      return backend.run(() =>
        withServer(
          handlerByName,
          function* (server, serving): Operation<void> {
            using fresh = yield* connect(server.address);
            const clients = new Map<string, Socket>([['new', fresh]]);
            for (const name of ['busy', 'idle', 'last']) {
              const client = yield* connect(server.address);
              clients.set(name, client);
              yield* client.sendAll(name);
              if (name !== 'busy') yield* receiveExactly(client, 4);
            }
            yield* eventually('all are served', () => server.stats().open === 4);
            server.stop({ graceMs: 300 });
            yield* serving.join();
            const { cut, drained } = server.drainReport as DrainReport;
            const expected = [
              ['new', 'new', 'sleep forever'],
              ['busy', 'busy', 'sleep 12345 ms'],
              ['idle', 'idle', 'sleep 54321 ms'],
              ['last', 'closing', expect.stringMatching(/^recv 127\.0\.0\.1:\d+$/)],
            ] as const;
            const records = expected.map(([name, state, waitingOn]) => ({
              peer: clients.get(name)?.localAddress,
              state,
              waitingOn,
              durationMs: expect.any(Number),
            }));
            expect(cut).toEqual(records);
            expect([drained, closeReasons(server)]).toEqual([0, { cut: 4 }]);
            for (const client of clients.values()) client.close();
          },
          { lingerMs: 5000 },
        ),
      );
    });

    it('is made for a grace period of 0', () => {
      return backend.run(() =>
        withServer(echo, function* (server, serving): Operation<void> {
          using client = yield* connect(server.address);
          yield* exchange(client);
          server.stop({ graceMs: 0 });
          yield* serving.join();
          expect(server.drainReport).toMatchObject({
            cut: [{ peer: client.localAddress, state: 'idle' }],
            drained: 0,
          });
        }),
      );
    });

    it('is made when a scope around the server is stopped', () => {
      let server: Server | undefined;
      return backend.run(function* (): Operation<void> {
        yield* scope((own) =>
          group(function* (tasks): Operation<void> {
            tasks.spawn(() =>
              tcpServer(LOOPBACK, sleepForever, {
                onListening: (listening) => {
                  server = listening;
                },
              }),
            );
            yield* eventually('the server listens', () => server !== undefined);
            using _client = yield* connect((server as Server).address);
            yield* eventually('it is served', () => server?.stats().open === 1);
            own.stop({ graceMs: 20 });
            yield* sleepForever();
          }),
        );
        expect(server?.drainReport).toMatchObject({
          cut: [{ state: 'new', waitingOn: 'sleep forever' }],
        });
      });
    });

    it('is not made for a server that was cancelled', () => {
      const onDrained = vi.fn();
      return backend.run(() =>
        withServer(
          echo,
          function* (server, serving): Operation<void> {
            using client = yield* connect(server.address);
            yield* exchange(client);
            serving.cancel();
            yield* eventually('the server has ended', () => serving.state === 'cancelled');
            expect([server.drainReport, closeReasons(server)]).toEqual([undefined, { cut: 1 }]);
            expect(onDrained).not.toHaveBeenCalled();
          },
          { onDrained },
        ),
      );
    });

    it('the drain waits for a handler that cleans up in a shield', () => {
      let cleaned = false;
      const handler = function* (socket: Socket): Operation<void> {
        try {
          yield* socket.recv();
          yield* sleepForever();
        } finally {
          yield* shield(() => sleep(30));
          cleaned = true;
        }
      };
      return backend.run(() =>
        withServer(handler, function* (server, serving): Operation<void> {
          using client = yield* connect(server.address);
          yield* client.sendAll('x');
          yield* eventually('it is served', () => server.stats().open === 1);
          server.stop({ graceMs: 20 });
          yield* serving.join();
          expect(cleaned).toBe(true);
          expect(server.drainReport?.cut.length).toBe(1);
        }),
      );
    });

    it('an exception of onDrained is unhandled, and the server returns', async () => {
      const onUnhandled = vi.fn();
      const onDrained = () => {
        throw new Error('in onDrained');
      };
      await backend.run(
        () => tcpServer(LOOPBACK, echo, { onDrained, onListening: (server) => server.stop() }),
        { hooks: { onUnhandled } },
      );
      expect(onUnhandled.mock.calls.map(String)).toEqual(['Error: in onDrained']);
    });

    it('time limits apply during a drain', () => {
      const handler = function* (socket: Socket): Operation<void> {
        yield* socket.recv(1);
        yield* sleepForever();
      };
      return backend.run(() =>
        withServer(
          handler,
          function* (server, serving): Operation<void> {
            using client = yield* connect(server.address);
            yield* client.sendAll('x');
            yield* eventually('it is served', () => server.stats().bytesReceived === 1);
            server.stop();
            yield* serving.join();
            expect(closeReasons(server)).toEqual({ idleTimeoutMs: 1 });
            expect(server.drainReport).toMatchObject({ cut: [], drained: 0 });
          },
          { idleTimeoutMs: 300, lingerMs: 20 },
        ),
      );
    });
  });
}

/** The first message of a client selects what its handler does. */
function* handlerByName(socket: Socket): Operation<void> {
  const name = String(yield* socket.recv());
  if (name === '') yield* sleepForever();
  if (name === 'busy') yield* sleep(12_345);
  yield* socket.sendAll(name);
  if (name === 'idle') yield* sleep(54_321);
}
