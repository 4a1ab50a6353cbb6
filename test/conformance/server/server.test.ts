/** Serving connections: handlers, their failures, and the cancellation of a server. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Operation, Server, Socket, Task } from '../../../src/index.ts';
import {
  connect,
  currentTask,
  Event,
  group,
  listen,
  serve,
  sleep,
  sleepForever,
  tcpServer,
} from '../../../src/index.ts';
import { backends } from '../../support/backends.ts';
import { expectNothingLeft } from '../../support/leaks.ts';
import { ask, untilAllClosed, withServer } from '../../support/servers.ts';
import {
  echo,
  eventually,
  failure,
  LOOPBACK,
  receiveExactly,
  receiveText,
  together,
} from '../../support/sockets.ts';

for (const backend of backends) {
  describe(`a server on ${backend.name}`, () => {
    expectNothingLeft(backend);
    afterEach(() => {
      vi.restoreAllMocks();
    });

    it('serves each connection in a task that is named after its peer', () => {
      const seen = new Map<Task<unknown>, string>();
      const handler = function* (socket: Socket, peer: object): Operation<void> {
        seen.set(currentTask(), `${peer}`);
        yield* echo(socket);
      };
      return backend.run(() =>
        withServer(handler, function* (server): Operation<void> {
          using one = yield* connect(server.address);
          using two = yield* connect(server.address);
          yield* two.sendAll('second');
          expect(String(yield* receiveExactly(two, 6))).toBe('second');
          yield* one.sendAll('first');
          expect(String(yield* receiveExactly(one, 5))).toBe('first');
          const near = [`${one.localAddress}`, `${two.localAddress}`];
          expect(new Set(seen.values())).toEqual(new Set(near));
          expect(server.stats()).toMatchObject({ accepted: 2, open: 2, failed: 0 });
          expect([server.backend, server.stats().backend]).toEqual([backend.name, backend.name]);
        }),
      );
    });

    it('serves a thousand concurrent clients', () => {
      return backend.run(() =>
        withServer(echo, function* (server): Operation<void> {
          const there = new Event('all clients are connected');
          const clients = Array.from(
            { length: 1000 },
            (_, i) => () => askWhenAllAreConnected(server, i, there),
          );
          yield* together(...clients, function* (): Operation<void> {
            yield* eventually('all clients are connected', () => server.stats().accepted === 1000);
            there.set();
          });
          expect(server.stats()).toMatchObject({ accepted: 1000, failed: 0, resetByPeer: 0 });
          yield* untilAllClosed(server);
        }),
      );
    });

    it('a failing handler ends only its connection, and onError receives the error', () => {
      const onError = vi.fn();
      return backend.run(() =>
        withServer(
          failOnBad,
          function* (server): Operation<void> {
            using bystander = yield* connect(server.address);
            using bad = yield* connect(server.address);
            yield* bad.sendAll('bad');
            expect(yield* receiveText(bad)).toBe('');
            yield* bystander.sendAll('good');
            expect(String(yield* receiveExactly(bystander, 4))).toBe('good');
            expect(yield* ask(server, 'good')).toBe('good');
            expect(onError.mock.calls).toEqual([
              [expect.objectContaining({ message: 'on purpose' }), bad.localAddress],
            ]);
            expect(server.stats()).toMatchObject({ accepted: 3, failed: 1 });
          },
          { onError },
        ),
      );
    });

    it.runIf(backend.real)('without onError a failure is a line on standard error', () => {
      const write = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
      return backend.run(() =>
        withServer(failOnBad, function* (server): Operation<void> {
          expect(yield* ask(server, 'bad')).toBe('');
          yield* untilAllClosed(server);
          const lines = write.mock.calls.map(([text]) => String(text));
          expect(lines.filter((line) => line.includes('on purpose')).length).toBe(1);
          expect(lines.join('')).toMatch(/handler of 127\.0\.0\.1:\d+ failed/);
        }),
      );
    });

    it('a handler that does not return an operation, or throws first, fails alone', () => {
      const onError = vi.fn();
      const handler = (() => {
        throw new Error('not an operation');
      }) as unknown as typeof echo;
      return backend.run(() =>
        withServer(
          handler,
          function* (server): Operation<void> {
            expect(yield* ask(server, 'x')).toBe('');
            expect(onError.mock.calls[0]?.[0]).toMatchObject({ message: 'not an operation' });
          },
          { onError },
        ),
      );
    });

    it('a handler that throws a revoked proxy fails alone', () => {
      const onError = vi.fn();
      const handler = function* (socket: Socket): Operation<void> {
        if (String(yield* socket.recv()) === 'good') return yield* socket.sendAll('good');
        const { proxy, revoke } = Proxy.revocable({}, {});
        revoke();
        throw proxy;
      };
      return backend.run(() =>
        withServer(
          handler,
          function* (server): Operation<void> {
            expect(yield* ask(server, 'bad')).toBe('');
            expect(yield* ask(server, 'good')).toBe('good');
            expect(onError).toHaveBeenCalledOnce();
          },
          { onError },
        ),
      );
    });

    it('an exception of onError is unhandled, and the server continues', () => {
      const onUnhandled = vi.fn();
      const onError = () => {
        throw new Error('in onError');
      };
      const program = () =>
        withServer(
          failOnBad,
          function* (server): Operation<void> {
            expect(yield* ask(server, 'bad')).toBe('');
            expect(yield* ask(server, 'good')).toBe('good');
          },
          { onError },
        );
      return backend.run(program, { hooks: { onUnhandled } }).then(() => {
        expect(onUnhandled.mock.calls.map(String)).toEqual(['Error: in onError']);
      });
    });

    it('an exception of onListening ends the server with that error', async () => {
      const error = new Error('in onListening');
      const options = {
        onListening() {
          throw error;
        },
      };
      await expect(backend.run(() => tcpServer(LOOPBACK, echo, options))).rejects.toBe(error);
    });

    it('a port that is in use ends the server with EADDRINUSE', () => {
      return backend.run(function* (): Operation<void> {
        using listener = yield* listen(LOOPBACK);
        const error = yield* failure(() => tcpServer(listener.address, echo));
        expect(error).toMatchObject({ code: 'EADDRINUSE', port: listener.address.port });
      });
    });

    it('a reset by the peer is counted and not reported', () => {
      const onError = vi.fn();
      return backend.run(() =>
        withServer(
          echo,
          function* (server): Operation<void> {
            for (let i = 0; i < 10; i++) {
              const socket = yield* connect(server.address);
              yield* socket.sendAll('x');
              yield* receiveExactly(socket, 1);
              socket.reset();
            }
            yield* eventually('all resets are counted', () => server.stats().resetByPeer === 10);
            expect(server.stats()).toMatchObject({ failed: 0, open: 0 });
            expect(onError).not.toHaveBeenCalled();
          },
          { onError },
        ),
      );
    });

    it('a reset by the peer in a handler with several tasks is counted once', () => {
      const onError = vi.fn();
      const handler = function* (socket: Socket): Operation<void> {
        yield* group(function* (tasks): Operation<void> {
          tasks.spawn(() => echo(socket));
          yield* sleepForever();
        });
      };
      return backend.run(() =>
        withServer(
          handler,
          function* (server): Operation<void> {
            const socket = yield* connect(server.address);
            yield* socket.sendAll('x');
            yield* receiveExactly(socket, 1);
            socket.reset();
            yield* eventually('the reset is counted', () => server.stats().resetByPeer === 1);
            expect(onError).not.toHaveBeenCalled();
          },
          { onError },
        ),
      );
    });

    it('a reset of a connection that the handler has opened is a failure', () => {
      const onError = vi.fn();
      return backend.run(function* (): Operation<void> {
        using behind = yield* listen(LOOPBACK);
        const handler = function* (socket: Socket): Operation<void> {
          yield* socket.recv();
          using upstream = yield* connect(behind.address);
          yield* upstream.recv();
        };
        yield* withServer(
          handler,
          function* (server): Operation<void> {
            for (const half of [false, true]) {
              using client = yield* connect(server.address);
              yield* client.sendAll('a request, and more');
              if (half) client.shutdown('send');
              (yield* behind.accept()).reset();
              expect(yield* receiveText(client)).toBe('');
            }
            expect(server.stats()).toMatchObject({ failed: 2, resetByPeer: 0 });
            const reset = expect.objectContaining({ code: 'ECONNRESET' });
            expect(onError.mock.calls).toEqual([
              [reset, expect.anything()],
              [reset, expect.anything()],
            ]);
          },
          { onError },
        );
      });
    });

    it('an operation without yield* in a handler is a failure of the handler', () => {
      const onError = vi.fn();
      const handler = function* (socket: Socket): Operation<void> {
        yield* socket.recv();
        socket.sendAll('lost');
      };
      return backend.run(() =>
        withServer(
          handler,
          function* (server): Operation<void> {
            expect(yield* ask(server, 'x')).toBe('');
            expect(onError.mock.calls[0]?.[0]).toMatchObject({ code: 'ERR_NOT_DRIVEN' });
          },
          { onError },
        ),
      );
    });

    it('a handler may close its socket itself', () => {
      const handler = function* (socket: Socket): Operation<void> {
        yield* socket.sendAll('bye');
        socket.close();
      };
      return backend.run(() =>
        withServer(handler, function* (server): Operation<void> {
          using socket = yield* connect(server.address);
          expect(yield* receiveText(socket)).toBe('bye');
          yield* untilAllClosed(server);
          expect(server.stats().failed).toBe(0);
        }),
      );
    });

    it('serve takes an open listener, and closes it at the end', () => {
      return backend.run(function* (): Operation<void> {
        const listener = yield* listen(LOOPBACK);
        yield* serve(listener, echo, { onListening: (server) => server.stop() });
        expect(listener.closed).toBe(true);
      });
    });

    it('cancelling the server closes all sockets, and runs the cleanup of handlers', () => {
      let started = 0;
      let cleaned = 0;
      const handler = function* (): Operation<void> {
        started++;
        try {
          yield* sleepForever();
        } finally {
          cleaned++;
        }
      };
      return backend.run(() =>
        withServer(handler, function* (server, serving): Operation<void> {
          const clients: Socket[] = [];
          for (let i = 0; i < 20; i++) clients.push(yield* connect(server.address));
          yield* eventually('all are served', () => started === 20);
          serving.cancel();
          yield* eventually('the server has ended', () => serving.state === 'cancelled');
          expect([cleaned, server.stats().open]).toEqual([20, 0]);
          for (const client of clients) {
            expect((yield* client.recv()).length).toBe(0);
            client.close();
          }
          const error = yield* failure(() => connect(server.address));
          expect(error).toMatchObject({ code: 'ECONNREFUSED' });
        }),
      );
    });

    it('cancelling the server cancels handlers during a send', () => {
      const handler = function* (socket: Socket): Operation<void> {
        for (;;) yield* socket.sendAll(Buffer.alloc(1_000_000));
      };
      return backend.run(() =>
        withServer(handler, function* (server, serving): Operation<void> {
          using client = yield* connect(server.address);
          yield* eventually('bytes are on their way', () => client.readiness.canRecv);
          yield* sleep(10);
          serving.cancel();
          yield* eventually('the server has ended', () => serving.state === 'cancelled');
          expect(server.stats().open).toBe(0);
        }),
      );
    });
  });
}

function* failOnBad(socket: Socket): Operation<void> {
  for (;;) {
    const data = yield* socket.recv();
    if (data.length === 0) return;
    if (String(data) === 'bad') throw new Error('on purpose');
    yield* socket.sendAll(data);
  }
}

/** All clients are connected before the first one sends a request. */
function* askWhenAllAreConnected(
  server: Server,
  number: number,
  allConnected: Event,
): Operation<void> {
  using socket = yield* connect(server.address);
  yield* allConnected.wait();
  yield* socket.sendAll(`client ${number}`);
  socket.shutdown('send');
  const heard = yield* receiveText(socket);
  if (heard !== `client ${number}`) expect.fail(`client ${number} heard '${heard}'`);
}
