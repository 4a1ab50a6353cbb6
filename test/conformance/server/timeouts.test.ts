/** The time limits of a server. */
import { describe, expect, it, vi } from 'vitest';
import type { CloseRecord, Operation, Socket } from '../../../src/index.ts';
import {
  connect,
  currentScope,
  isCancelled,
  now,
  sleep,
  sleepForever,
} from '../../../src/index.ts';
import { backends } from '../../support/backends.ts';
import { expectNothingLeft } from '../../support/leaks.ts';
import { closeReasons, untilAllClosed, withServer } from '../../support/servers.ts';
import {
  echo,
  eventually,
  exchange,
  failure,
  receiveAll,
  receiveExactly,
} from '../../support/sockets.ts';

/** Turns the limits off that a test does not set, and does not linger. */
const OFF = {
  lingerMs: 50,
  firstByteTimeoutMs: Infinity,
  idleTimeoutMs: Infinity,
  sendStallTimeoutMs: Infinity,
} as const;

for (const backend of backends) {
  describe(`time limits of a server on ${backend.name}`, () => {
    expectNothingLeft(backend);

    it('firstByteTimeoutMs ends a silent client, and not one that has sent', () => {
      return backend.run(() =>
        withServer(
          echo,
          function* (server): Operation<void> {
            using active = yield* connect(server.address);
            yield* exchange(active, 'hello');
            using silent = yield* connect(server.address);
            expect((yield* silent.recv()).length).toBe(0);
            silent.close();
            yield* eventually('it has ended', () => server.stats().open === 1);
            expect(closeReasons(server)).toEqual({ firstByteTimeoutMs: 1 });
            yield* exchange(active, 'still open');
          },
          { ...OFF, firstByteTimeoutMs: 150 },
        ),
      );
    });

    it('firstByteTimeoutMs does not end a connection while its handler sends', () => {
      const greeter = function* (socket: Socket): Operation<void> {
        for (let i = 0; i < 50; i++) {
          yield* socket.sendAll('.');
          yield* sleep(10);
        }
        yield* sleepForever();
      };
      return backend.run(() =>
        withServer(
          greeter,
          function* (server): Operation<void> {
            using client = yield* connect(server.address);
            yield* receiveExactly(client, 50);
            expect((yield* client.recv()).length).toBe(0);
            client.close();
            yield* untilAllClosed(server);
            expect(closeReasons(server)).toEqual({ firstByteTimeoutMs: 1 });
          },
          { ...OFF, firstByteTimeoutMs: 300 },
        ),
      );
    });

    it('idleTimeoutMs ends a connection without traffic, and not one with some traffic', () => {
      return backend.run(() =>
        withServer(
          echo,
          function* (server): Operation<void> {
            using busy = yield* connect(server.address);
            using idle = yield* connect(server.address);
            yield* exchange(idle, 'once');
            while (server.stats().closed.idleTimeoutMs === 0) {
              yield* exchange(busy, 'more');
              yield* sleep(5);
            }
            expect((yield* idle.recv()).length).toBe(0);
            yield* exchange(busy, 'at the end');
            expect(closeReasons(server)).toEqual({ idleTimeoutMs: 1 });
          },
          { ...OFF, idleTimeoutMs: 400 },
        ),
      );
    });

    it('traffic in one direction is enough for idleTimeoutMs', () => {
      const sides = function* (socket: Socket): Operation<void> {
        const mode = String(yield* socket.recv(1));
        for (;;) {
          if (mode === 's') yield* socket.sendAll('x');
          else yield* socket.recv();
          if (mode === 's') yield* sleep(10);
        }
      };
      return backend.run(() =>
        withServer(
          sides,
          function* (server): Operation<void> {
            using source = yield* connect(server.address);
            using sink = yield* connect(server.address);
            yield* source.sendAll('r');
            yield* sink.sendAll('s');
            for (let i = 0; i < 60; i++) {
              yield* source.sendAll('x');
              yield* sink.recv();
              yield* sleep(10);
            }
            expect([closeReasons(server), server.stats().open]).toEqual([{}, 2]);
          },
          { ...OFF, idleTimeoutMs: 400 },
        ),
      );
    });

    it('a limit is the reason of the cancellation, and finally blocks run', () => {
      const seen: unknown[] = [];
      const onError = vi.fn();
      const handler = function* (socket: Socket): Operation<void> {
        try {
          yield* echo(socket);
        } catch (error) {
          seen.push(isCancelled(error) && error.reason);
          throw error;
        } finally {
          seen.push(currentScope().reason);
        }
      };
      return backend
        .run(() =>
          withServer(
            handler,
            function* (server): Operation<void> {
              using client = yield* connect(server.address);
              yield* exchange(client, 'x');
              yield* untilAllClosed(server);
            },
            { ...OFF, idleTimeoutMs: 150, onError },
          ),
        )
        .then(() => {
          expect(seen).toEqual(['idleTimeoutMs', 'idleTimeoutMs']);
          expect(onError).not.toHaveBeenCalled();
        });
    });

    it('a client that does not close its end is disconnected after a limit', () => {
      const closed: CloseRecord[] = [];
      return backend
        .run(() =>
          withServer(
            echo,
            function* (server): Operation<void> {
              using silent = yield* connect(server.address);
              expect(yield* receiveAll(silent)).toHaveLength(0);
              yield* untilAllClosed(server);
            },
            { ...OFF, firstByteTimeoutMs: 50, onClose: (each) => closed.push(each) },
          ),
        )
        .then(() => expect(closed).toMatchObject([{ reason: 'firstByteTimeoutMs' }]));
    });

    it('a handler that swallows the cancellation of a limit is ended', () => {
      const stubborn = function* (socket: Socket): Operation<void> {
        try {
          yield* socket.recv();
        } catch {
          // Swallow the cancellation.
        }
      };
      return backend.run(() =>
        withServer(
          stubborn,
          function* (server): Operation<void> {
            using client = yield* connect(server.address);
            expect((yield* client.recv()).length).toBe(0);
            yield* untilAllClosed(server);
            expect(closeReasons(server)).toEqual({ firstByteTimeoutMs: 1 });
          },
          { ...OFF, firstByteTimeoutMs: 20 },
        ),
      );
    });

    for (const evenInFinally of [false, true]) {
      const what = evenInFinally ? 'a cancellation also in finally' : 'its cancellation';
      it(`a handler that ignores ${what} by a limit fails alone`, () => {
        const errors: unknown[] = [];
        return backend.run(() =>
          withServer(
            (socket) => ignoreCancellation(socket, evenInFinally),
            function* (server, serving): Operation<void> {
              using client = yield* connect(server.address);
              yield* client.sendAll('ignore');
              yield* eventually('it was ended by force', () => errors.length > 0);
              expect((yield* client.recv()).length).toBe(0);
              expect(errors).toMatchObject([{ code: 'ERR_UNCOOPERATIVE' }]);
              expect([closeReasons(server), server.stats().open]).toEqual([
                { idleTimeoutMs: 1 },
                0,
              ]);
              using other = yield* connect(server.address);
              yield* exchange(other, 'x');
              expect(serving.state).toBe('waiting');
            },
            { ...OFF, idleTimeoutMs: 100, onError: (error) => errors.push(error) },
          ),
        );
      });
    }

    it('an error of a handler that a limit ends is reported', () => {
      const errors: unknown[] = [];
      const handler = function* (socket: Socket): Operation<void> {
        try {
          yield* socket.recv();
        } finally {
          // biome-ignore lint/correctness/noUnsafeFinally: the subject of the test
          throw new Error('in finally');
        }
      };
      return backend.run(() =>
        withServer(
          handler,
          function* (server): Operation<void> {
            using client = yield* connect(server.address);
            expect((yield* client.recv()).length).toBe(0);
            yield* untilAllClosed(server);
            expect(errors.map(String)).toEqual(['Error: in finally']);
            expect(server.stats().failed).toBe(1);
            expect(closeReasons(server)).toEqual({ firstByteTimeoutMs: 1 });
          },
          { ...OFF, firstByteTimeoutMs: 20, onError: (error) => errors.push(error) },
        ),
      );
    });

    it('sendStallTimeoutMs resets clients that do not read', () => {
      return backend.run(() =>
        withServer(
          flood,
          function* (server): Operation<void> {
            const clients: Socket[] = [];
            for (let i = 0; i < 3; i++) clients.push(yield* connect(server.address));
            yield* eventually(
              'all have ended',
              () => server.stats().closed.sendStallTimeoutMs === clients.length,
            );
            expect(closeReasons(server)).toEqual({ sendStallTimeoutMs: 3 });
            for (const client of clients) {
              expect(yield* failure(() => drainOf(client))).toMatchObject({ code: 'ECONNRESET' });
              client.close();
            }
          },
          { ...OFF, sendStallTimeoutMs: 60 },
        ),
      );
    });

    it('idleTimeoutMs does not apply while a handler waits to send', () => {
      return backend.run(() =>
        withServer(
          flood,
          function* (server): Operation<void> {
            using client = yield* connect(server.address);
            yield* eventually('the send waits', () => server.stats().bytesSent > 0);
            yield* sleep(250);
            expect([closeReasons(server), server.stats().open]).toEqual([{}, 1]);
            client.reset();
            yield* untilAllClosed(server);
            expect(closeReasons(server)).toEqual({ peerReset: 1 });
          },
          { ...OFF, idleTimeoutMs: 80 },
        ),
      );
    });

    it('sendStallTimeoutMs does not end a slow transfer that makes progress', () => {
      const limitMs = 1500;
      return backend.run(() =>
        withServer(
          flood,
          function* (server): Operation<void> {
            using client = yield* connect(server.address);
            yield* readSlowly(client, 200_000, 1.6 * limitMs);
            expect([closeReasons(server), server.stats().open]).toEqual([{}, 1]);
          },
          { sendStallTimeoutMs: limitMs, idleTimeoutMs: limitMs, firstByteTimeoutMs: limitMs },
        ),
      );
    });

    // Other networks report progress only when a third of the send buffer is free.
    it.runIf(backend.capabilities.exactTorn)(
      'sendStallTimeoutMs counts the smallest progress',
      () => {
        const limitMs = 2000;
        return backend.run(() =>
          withServer(
            flood,
            function* (server): Operation<void> {
              using client = yield* connect(server.address);
              yield* readSlowly(client, 4000, 1.6 * limitMs);
              expect([closeReasons(server), server.stats().open]).toEqual([{}, 1]);
            },
            { ...OFF, sendStallTimeoutMs: limitMs },
          ),
        );
      },
    );

    it('a process that was blocked does not mistake that for inactivity of its clients', () => {
      return backend.run(() =>
        withServer(
          echo,
          function* (server): Operation<void> {
            using client = yield* connect(server.address);
            yield* exchange(client, 'before');
            yield* sleep(250); // Long after the last input.
            yield* client.sendAll('meanwhile');
            blockFor(1000);
            expect(String(yield* receiveExactly(client, 9))).toBe('meanwhile');
            expect([closeReasons(server), server.stats().open]).toEqual([{}, 1]);
          },
          { ...OFF, idleTimeoutMs: 800 },
        ),
      );
    });

    it('maxLifetimeMs ends a busy connection', () => {
      return backend.run(() =>
        withServer(
          echo,
          function* (server): Operation<void> {
            using client = yield* connect(server.address);
            const end = yield* failure(function* () {
              for (;;) yield* exchange(client, 'x');
            });
            expect(String(end)).toMatch(/bytes early|ECONNRESET|EPIPE/);
            yield* untilAllClosed(server);
            expect(closeReasons(server)).toEqual({ maxLifetimeMs: 1 });
          },
          { ...OFF, maxLifetimeMs: 50 },
        ),
      );
    });
  });
}

/** Blocks the process. */
function blockFor(ms: number): void {
  for (const end = performance.now() + ms; performance.now() < end; );
}

/** Sends indefinitely. */
function* flood(socket: Socket): Operation<void> {
  for (;;) yield* socket.sendAll(Buffer.alloc(1_000_000));
}

/** Receives up to `bytes` at intervals. */
function* readSlowly(socket: Socket, bytes: number, forMs: number): Operation<void> {
  for (const end = now() + forMs; now() < end; ) {
    yield* socket.recv(bytes);
    yield* sleep(5);
  }
}

function* drainOf(socket: Socket): Operation<void> {
  while ((yield* socket.recv()).length > 0);
}

/** An echo that ignores its cancellation after the input 'ignore'. */
function* ignoreCancellation(socket: Socket, evenInFinally: boolean): Operation<void> {
  for (let ignores = false; ; ) {
    try {
      const data = yield* socket.recv();
      if (data.length === 0 && !ignores) return;
      ignores ||= String(data) === 'ignore';
      if (!ignores) yield* socket.sendAll(data);
    } catch {
      // Swallow the cancellation.
    } finally {
      if (ignores && evenInFinally) yield* swallow();
    }
  }
}

function* swallow(): Operation<void> {
  try {
    yield;
  } catch {
    // Swallow the cancellation.
  }
}
