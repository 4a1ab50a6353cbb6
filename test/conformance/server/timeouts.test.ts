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
import { endings, untilNobodyIsLeft, withServer } from '../../support/servers.ts';
import {
  echo,
  eventually,
  exchange,
  failure,
  receiveAll,
  receiveExactly,
} from '../../support/sockets.ts';

/** The only limits are those of the test; clients that stay are not waited for. */
const OFF = {
  lingerMs: 50,
  firstByteTimeoutMs: Infinity,
  idleTimeoutMs: Infinity,
  sendStallTimeoutMs: Infinity,
} as const;

for (const backend of backends) {
  describe(`limits in time of a server on ${backend.name}`, () => {
    expectNothingLeft(backend);

    it('a client that says nothing is let go, one that has spoken is not', () => {
      return backend.run(() =>
        withServer(
          echo,
          function* (server): Operation<void> {
            using speaker = yield* connect(server.address);
            yield* exchange(speaker, 'hello');
            using silent = yield* connect(server.address);
            expect((yield* silent.recv()).length).toBe(0);
            silent.close();
            yield* eventually('it is gone', () => server.stats().open === 1);
            expect(endings(server)).toEqual({ firstByteTimeoutMs: 1 });
            yield* exchange(speaker, 'still here');
          },
          { ...OFF, firstByteTimeoutMs: 150 },
        ),
      );
    });

    it('a handler that speaks first is not taken for a silent client while it does', () => {
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
            yield* untilNobodyIsLeft(server);
            expect(endings(server)).toEqual({ firstByteTimeoutMs: 1 });
          },
          { ...OFF, firstByteTimeoutMs: 300 },
        ),
      );
    });

    it('a connection without traffic is ended, one with traffic now and then is not', () => {
      return backend.run(() =>
        withServer(
          echo,
          function* (server): Operation<void> {
            using busy = yield* connect(server.address);
            using idle = yield* connect(server.address);
            yield* exchange(idle, 'once');
            while (server.stats().closed.idleTimeoutMs === 0) {
              yield* exchange(busy, 'again and again');
              yield* sleep(5);
            }
            expect((yield* idle.recv()).length).toBe(0);
            yield* exchange(busy, 'at the end');
            expect(endings(server)).toEqual({ idleTimeoutMs: 1 });
          },
          { ...OFF, idleTimeoutMs: 400 },
        ),
      );
    });

    it('what only comes in, or only goes out, is traffic', () => {
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
            expect([endings(server), server.stats().open]).toEqual([{}, 2]);
          },
          { ...OFF, idleTimeoutMs: 400 },
        ),
      );
    });

    it('the limit is the reason that the handler sees, and its finally runs', () => {
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
              yield* untilNobodyIsLeft(server);
            },
            { ...OFF, idleTimeoutMs: 150, onError },
          ),
        )
        .then(() => {
          expect(seen).toEqual(['idleTimeoutMs', 'idleTimeoutMs']);
          expect(onError).not.toHaveBeenCalled();
        });
    });

    it('a client that a limit has ended does not stay, whatever it does', () => {
      const closed: CloseRecord[] = [];
      return backend
        .run(() =>
          withServer(
            echo,
            function* (server): Operation<void> {
              using silent = yield* connect(server.address);
              expect(yield* receiveAll(silent)).toHaveLength(0);
              yield* untilNobodyIsLeft(server);
            },
            { ...OFF, firstByteTimeoutMs: 50, onClose: (each) => closed.push(each) },
          ),
        )
        .then(() => expect(closed).toMatchObject([{ reason: 'firstByteTimeoutMs' }]));
    });

    it('a handler that swallows the end of its time is ended all the same', () => {
      const stubborn = function* (socket: Socket): Operation<void> {
        try {
          yield* socket.recv();
        } catch {
          // As if nothing had happened.
        }
      };
      return backend.run(() =>
        withServer(
          stubborn,
          function* (server): Operation<void> {
            using client = yield* connect(server.address);
            expect((yield* client.recv()).length).toBe(0);
            yield* untilNobodyIsLeft(server);
            expect(endings(server)).toEqual({ firstByteTimeoutMs: 1 });
          },
          { ...OFF, firstByteTimeoutMs: 20 },
        ),
      );
    });

    for (const evenInFinally of [false, true]) {
      const deed = evenInFinally ? 'goes on even in its finally' : 'goes on';
      it(`a handler that ${deed} when a limit has ended it fails alone`, () => {
        const errors: unknown[] = [];
        return backend.run(() =>
          withServer(
            (socket) => deaf(socket, evenInFinally),
            function* (server, serving): Operation<void> {
              using client = yield* connect(server.address);
              yield* client.sendAll('deaf');
              yield* eventually('it was ended by force', () => errors.length > 0);
              expect((yield* client.recv()).length).toBe(0);
              expect(errors).toMatchObject([{ code: 'ERR_UNCOOPERATIVE' }]);
              expect([endings(server), server.stats().open]).toEqual([{ idleTimeoutMs: 1 }, 0]);
              using other = yield* connect(server.address);
              yield* exchange(other, 'x');
              expect(serving.state).toBe('waiting');
            },
            { ...OFF, idleTimeoutMs: 100, onError: (error) => errors.push(error) },
          ),
        );
      });
    }

    it('an error that a handler throws while a limit ends it is told', () => {
      const errors: unknown[] = [];
      const handler = function* (socket: Socket): Operation<void> {
        try {
          yield* socket.recv();
        } finally {
          // biome-ignore lint/correctness/noUnsafeFinally: that is what is tested
          throw new Error('in finally');
        }
      };
      return backend.run(() =>
        withServer(
          handler,
          function* (server): Operation<void> {
            using client = yield* connect(server.address);
            expect((yield* client.recv()).length).toBe(0);
            yield* untilNobodyIsLeft(server);
            expect(errors.map(String)).toEqual(['Error: in finally']);
            expect(server.stats().failed).toBe(1);
            expect(endings(server)).toEqual({ firstByteTimeoutMs: 1 });
          },
          { ...OFF, firstByteTimeoutMs: 20, onError: (error) => errors.push(error) },
        ),
      );
    });

    it('readers that never read are reset, whatever the handler has still to send', () => {
      return backend.run(() =>
        withServer(
          flood,
          function* (server): Operation<void> {
            const clients: Socket[] = [];
            for (let i = 0; i < 3; i++) clients.push(yield* connect(server.address));
            yield* eventually(
              'all are ended',
              () => server.stats().closed.sendStallTimeoutMs === clients.length,
            );
            expect(endings(server)).toEqual({ sendStallTimeoutMs: 3 });
            for (const client of clients) {
              expect(yield* failure(() => drainOf(client))).toMatchObject({ code: 'ECONNRESET' });
              client.close();
            }
          },
          { ...OFF, sendStallTimeoutMs: 60 },
        ),
      );
    });

    it('a handler that waits for room to send is not idle', () => {
      return backend.run(() =>
        withServer(
          flood,
          function* (server): Operation<void> {
            using client = yield* connect(server.address);
            yield* eventually('the send waits', () => server.stats().bytesSent > 0);
            yield* sleep(250);
            expect([endings(server), server.stats().open]).toEqual([{}, 1]);
            client.reset();
            yield* untilNobodyIsLeft(server);
            expect(endings(server)).toEqual({ peerReset: 1 });
          },
          { ...OFF, idleTimeoutMs: 80 },
        ),
      );
    });

    it('an active slow transfer is never cut', () => {
      const limitMs = 1500;
      return backend.run(() =>
        withServer(
          flood,
          function* (server): Operation<void> {
            using client = yield* connect(server.address);
            yield* readSlowly(client, 200_000, 1.6 * limitMs);
            expect([endings(server), server.stats().open]).toEqual([{}, 1]);
          },
          { sendStallTimeoutMs: limitMs, idleTimeoutMs: limitMs, firstByteTimeoutMs: limitMs },
        ),
      );
    });

    // Elsewhere the system tells of room only when a third of its buffer is free.
    it.runIf(backend.capabilities.exactTorn)('a little progress is progress', () => {
      const limitMs = 2000;
      return backend.run(() =>
        withServer(
          flood,
          function* (server): Operation<void> {
            using client = yield* connect(server.address);
            yield* readSlowly(client, 4000, 1.6 * limitMs);
            expect([endings(server), server.stats().open]).toEqual([{}, 1]);
          },
          { ...OFF, sendStallTimeoutMs: limitMs },
        ),
      );
    });

    it('a process that was held up does not take that for the silence of its clients', () => {
      return backend.run(() =>
        withServer(
          echo,
          function* (server): Operation<void> {
            using client = yield* connect(server.address);
            yield* exchange(client, 'before');
            yield* sleep(250); // What came before is long over.
            yield* client.sendAll('meanwhile');
            computeFor(1000);
            expect(String(yield* receiveExactly(client, 9))).toBe('meanwhile');
            expect([endings(server), server.stats().open]).toEqual([{}, 1]);
          },
          { ...OFF, idleTimeoutMs: 800 },
        ),
      );
    });

    it('a connection is ended when its lifetime is over, however busy it is', () => {
      return backend.run(() =>
        withServer(
          echo,
          function* (server): Operation<void> {
            using client = yield* connect(server.address);
            const end = yield* failure(function* () {
              for (;;) yield* exchange(client, 'x');
            });
            expect(String(end)).toMatch(/ends too early|ECONNRESET|EPIPE|too early/);
            yield* untilNobodyIsLeft(server);
            expect(endings(server)).toEqual({ maxLifetimeMs: 1 });
          },
          { ...OFF, maxLifetimeMs: 50 },
        ),
      );
    });
  });
}

/** Nothing else happens in the process. */
function computeFor(ms: number): void {
  for (const end = performance.now() + ms; performance.now() < end; );
}

/** Sends for ever. */
function* flood(socket: Socket): Operation<void> {
  for (;;) yield* socket.sendAll(Buffer.alloc(1_000_000));
}

/** Receives up to `bytes` every few milliseconds. */
function* readSlowly(socket: Socket, bytes: number, forMs: number): Operation<void> {
  for (const end = now() + forMs; now() < end; ) {
    yield* socket.recv(bytes);
    yield* sleep(5);
  }
}

function* drainOf(socket: Socket): Operation<void> {
  while ((yield* socket.recv()).length > 0);
}

/** An echo that hears of nothing any more once it was told to be deaf. */
function* deaf(socket: Socket, evenInFinally: boolean): Operation<void> {
  for (let isDeaf = false; ; ) {
    try {
      const data = yield* socket.recv();
      if (data.length === 0 && !isDeaf) return;
      isDeaf ||= String(data) === 'deaf';
      if (!isDeaf) yield* socket.sendAll(data);
    } catch {
      // As if nothing had happened.
    } finally {
      if (isDeaf && evenInFinally) yield* unheard();
    }
  }
}

function* unheard(): Operation<void> {
  try {
    yield;
  } catch {
    // As if nothing had happened.
  }
}
