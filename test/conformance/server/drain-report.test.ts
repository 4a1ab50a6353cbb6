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
import { endings, withServer } from '../../support/servers.ts';
import {
  echo,
  eventually,
  exchange,
  LOOPBACK,
  receiveExactly,
  receiveText,
} from '../../support/sockets.ts';

for (const backend of backends) {
  describe(`the report of a drain on ${backend.name}`, () => {
    expectNothingLeft(backend);

    it('says how many came to their own end', () => {
      const reports: DrainReport[] = [];
      return backend
        .run(() =>
          withServer(
            echo,
            function* (server, serving): Operation<void> {
              using gone = yield* connect(server.address);
              yield* exchange(gone);
              gone.shutdown('send');
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
              expect(endings(server)).toEqual({ handler: 1, drained: 2 });
            },
            { onDrained: (report) => reports.push(report) },
          ),
        )
        .then(() => {
          expect(reports).toEqual([{ cut: [], drained: 2, durationMs: expect.any(Number) }]);
          expect(Object.isFrozen(reports[0])).toBe(true);
        });
    });

    it('says who was cut, in which state, and what they waited for', () => {
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
            server.stop({ graceMs: 60 });
            yield* serving.join();
            const { cut, drained } = server.drainReport as DrainReport;
            const expected = [
              ['new', 'new', 'sleep forever'],
              ['busy', 'busy', 'sleep 12345 ms'],
              ['idle', 'idle', 'sleep 54321 ms'],
              ['last', 'closing', expect.stringMatching(/^recv 127\.0\.0\.1:\d+$/)],
            ] as const;
            const told = expected.map(([name, state, waitingOn]) => ({
              peer: clients.get(name)?.localAddress,
              state,
              waitingOn,
              durationMs: expect.any(Number),
            }));
            expect(cut).toEqual(told);
            expect([drained, endings(server)]).toEqual([0, { cut: 4 }]);
            for (const client of clients.values()) client.close();
          },
          { lingerMs: 5000 },
        ),
      );
    });

    it('is made when the grace is no time at all', () => {
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

    it('is not made where nobody has stopped the server', () => {
      const onDrained = vi.fn();
      return backend.run(() =>
        withServer(
          echo,
          function* (server, serving): Operation<void> {
            using client = yield* connect(server.address);
            yield* exchange(client);
            serving.cancel();
            yield* eventually('the server has ended', () => serving.state === 'cancelled');
            expect([server.drainReport, endings(server)]).toEqual([undefined, { cut: 1 }]);
            expect(onDrained).not.toHaveBeenCalled();
          },
          { onDrained },
        ),
      );
    });

    it('a handler that cleans up in a shield is waited for', () => {
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

    it('an onDrained that throws is unhandled, and the server returns', async () => {
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

    it('limits go on while the server drains', () => {
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
            expect(endings(server)).toEqual({ idleTimeoutMs: 1 });
            expect(server.drainReport).toMatchObject({ cut: [], drained: 0 });
          },
          { idleTimeoutMs: 300, lingerMs: 20 },
        ),
      );
    });
  });
}

/** The first message of a client says what its handler is to do. */
function* handlerByName(socket: Socket): Operation<void> {
  const name = String(yield* socket.recv());
  if (name === '') yield* sleepForever();
  if (name === 'busy') yield* sleep(12_345);
  yield* socket.sendAll(name);
  if (name === 'idle') yield* sleep(54_321);
}
