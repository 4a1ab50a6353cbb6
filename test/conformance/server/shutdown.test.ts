/** The close of connections, and the drain of a server. */
import { describe, expect, it } from 'vitest';
import type { Operation, Server, Socket } from '../../../src/index.ts';
import {
  connect,
  Event,
  listen,
  moveOnAfter,
  now,
  readable,
  shield,
  sleep,
  sleepForever,
} from '../../../src/index.ts';
import { backends } from '../../support/backends.ts';
import { digest, pattern } from '../../support/data.ts';
import { expectNothingLeft } from '../../support/leaks.ts';
import { closeReasons, untilAllClosed, withServer } from '../../support/servers.ts';
import {
  echo,
  endOf,
  eventually,
  failure,
  LOOPBACK,
  receiveAll,
  receiveExactly,
  receiveText,
  together,
} from '../../support/sockets.ts';

for (const backend of backends) {
  describe(`the close of connections on ${backend.name}`, () => {
    expectNothingLeft(backend);

    it('unread input does not destroy the last response', () => {
      const reply = pattern(200_000);
      const handler = function* (socket: Socket): Operation<void> {
        yield* receiveExactly(socket, 1);
        yield* socket.sendAll(reply);
      };
      return backend.run(() =>
        withServer(handler, function* (server): Operation<void> {
          using client = yield* connect(server.address);
          yield* client.sendAll(pattern(300_000));
          yield* sleep(20);
          expect(digest(yield* receiveAll(client))).toBe(digest(reply));
          expect(server.stats()).toMatchObject({ failed: 0, resetByPeer: 0 });
        }),
      );
    });

    it('unread input does not destroy the last response after a limit', () => {
      const handler = function* (socket: Socket): Operation<void> {
        try {
          yield* sleepForever();
        } finally {
          yield* shield(() => socket.sendAll('timed out'));
        }
      };
      return backend.run(() =>
        withServer(
          handler,
          function* (server): Operation<void> {
            using client = yield* connect(server.address);
            yield* client.sendAll('a request');
            expect(String(yield* receiveAll(client))).toBe('timed out');
            yield* client.sendAll('another request');
            client.close();
            yield* untilAllClosed(server);
            expect(closeReasons(server)).toEqual({ maxLifetimeMs: 1 });
          },
          { maxLifetimeMs: 50 },
        ),
      );
    });

    it('a client that continues to send receives the last response', () => {
      const handler = function* (socket: Socket): Operation<void> {
        yield* socket.recv(1);
        yield* socket.sendAll('enough');
      };
      return backend.run(() =>
        withServer(handler, function* (server): Operation<void> {
          using client = yield* connect(server.address);
          yield* together(
            function* (): Operation<void> {
              for (let i = 0; i < 50; i++) {
                yield* client.sendAll('more input');
                if (i % 10 === 0) yield* sleep(1);
              }
              client.shutdown('send');
            },
            function* (): Operation<void> {
              expect(yield* receiveText(client)).toBe('enough');
            },
          );
        }),
      );
    });

    it('a client that does not close its end is disconnected after lingerMs', () => {
      const handler = function* (socket: Socket): Operation<void> {
        yield* socket.sendAll('done');
      };
      return backend.run(() =>
        withServer(
          handler,
          function* (server): Operation<void> {
            using client = yield* connect(server.address);
            const begun = now();
            expect(yield* receiveText(client)).toBe('done');
            yield* untilAllClosed(server);
            expect(now() - begun).toBeGreaterThan(50);
            expect(now() - begun).toBeLessThan(1000);
          },
          { lingerMs: 80 },
        ),
      );
    });

    it('a connection that its client has reset is closed without a shutdown', () => {
      const shutdowns: string[] = [];
      const handler = function* (socket: Socket): Operation<void> {
        socket.shutdown = (how = 'both') => shutdowns.push(how);
        yield* echo(socket);
      };
      return backend.run(() =>
        withServer(handler, function* (server): Operation<void> {
          using client = yield* connect(server.address);
          yield* client.sendAll('hello');
          yield* receiveExactly(client, 5);
          client.reset();
          yield* untilAllClosed(server);
          expect([closeReasons(server), shutdowns]).toEqual([{ peerReset: 1 }, []]);
        }),
      );
    });

    it('a handler that is cut during a send ends with a reset', () => {
      const handler = function* (socket: Socket): Operation<void> {
        yield* socket.recv(); // The client is connected.
        yield* moveOnAfter(20, () => socket.sendAll(Buffer.alloc(30_000_000)));
      };
      return backend.run(() =>
        withServer(handler, function* (server): Operation<void> {
          using client = yield* connect(server.address);
          yield* client.sendAll('go');
          yield* eventually('it is served', () => server.stats().accepted === 1);
          yield* untilAllClosed(server);
          expect(yield* failure(() => receiveAll(client))).toMatchObject({ code: 'ECONNRESET' });
        }),
      );
    });
  });

  describe(`stopping a server on ${backend.name}`, () => {
    expectNothingLeft(backend);

    it('idle connections receive end of file, and the server returns', () => {
      return backend.run(() =>
        withServer(echo, function* (server, serving): Operation<void> {
          using fresh = yield* connect(server.address);
          using used = yield* connect(server.address);
          yield* used.sendAll('answered');
          yield* receiveExactly(used, 8);
          yield* eventually('both are open', () => server.stats().open === 2);
          server.stop();
          expect(yield* receiveText(fresh)).toBe('');
          expect(yield* receiveText(used)).toBe('');
          fresh.close();
          used.close();
          yield* serving.join();
          expect(serving.state).toBe('done');
        }),
      );
    });

    it('a busy connection responds before it ends', () => {
      return backend.run(() =>
        withServer(slowEcho, function* (server, serving): Operation<void> {
          using client = yield* connect(server.address);
          yield* client.sendAll('request');
          yield* eventually('the request was received', () => server.stats().open === 1);
          yield* sleep(10);
          server.stop();
          expect(yield* receiveText(client)).toBe('request');
          client.close();
          yield* serving.join();
        }),
      );
    });

    it('bytes that arrived before the stop are answered', () => {
      return backend.run(() =>
        withServer(slowEcho, function* (server, serving): Operation<void> {
          using client = yield* connect(server.address);
          yield* client.sendAll('one');
          yield* sleep(10);
          yield* client.sendAll('two');
          yield* sleep(5);
          server.stop();
          expect(yield* receiveText(client)).toBe('onetwo');
          client.close();
          yield* serving.join();
        }),
      );
    });

    it('open connections are cut at the end of the grace period, and the server returns', () => {
      let cleaned = false;
      const handler = function* (socket: Socket): Operation<void> {
        try {
          yield* socket.recv();
          yield* sleepForever();
        } finally {
          cleaned = true;
        }
      };
      return backend.run(() =>
        withServer(handler, function* (server, serving): Operation<void> {
          using client = yield* connect(server.address);
          yield* client.sendAll('request');
          yield* eventually('the connection is open', () => server.stats().open === 1);
          yield* sleep(10);
          const begun = now();
          server.stop({ graceMs: 100 });
          yield* serving.join();
          expect(now() - begun).toBeGreaterThan(90);
          expect(now() - begun).toBeLessThan(1000);
          expect(cleaned).toBe(true);
          expect(yield* endOf(client)).toMatch(/^(?:end of file|ECONNRESET)$/);
        }),
      );
    });

    it('queued connections are served, later ones are refused', () => {
      return backend.run(() =>
        withServer(echo, function* (server, serving): Operation<void> {
          const queued: Socket[] = [];
          try {
            yield* connectAndSend(server, queued, 10);
            server.stop();
            for (const [i, socket] of queued.entries()) {
              expect(yield* receiveText(socket)).toBe(`queued ${i}`);
            }
          } finally {
            for (const socket of queued) socket.close();
          }
          yield* serving.join();
          const error = yield* failure(() => connect(server.address));
          expect(error).toMatchObject({ code: 'ECONNREFUSED' });
        }),
      );
    });

    // A drained socket that ended the lingering at once would be reset by later input.
    it('a drained connection lingers like any other', () => {
      const handler = function* (socket: Socket): Operation<void> {
        expect((yield* socket.recv()).length).toBe(0);
        yield* socket.sendAll('goodbye');
      };
      return backend.run(() =>
        withServer(
          handler,
          function* (server, serving): Operation<void> {
            using client = yield* connect(server.address);
            yield* eventually('it is served', () => server.stats().open === 1);
            server.stop();
            expect(yield* receiveText(client)).toBe('goodbye');
            yield* client.sendAll('too late');
            yield* sleep(20);
            expect(server.stats().open).toBe(1);
            client.close();
            yield* serving.join();
          },
          { lingerMs: 5000 },
        ),
      );
    });

    it('silent queued connections receive end of file or a reset', () => {
      return backend.run(() =>
        withServer(echo, function* (server, serving): Operation<void> {
          const silent: Socket[] = [];
          try {
            for (let i = 0; i < 10; i++) silent.push(yield* connect(server.address));
            server.stop();
            // A network that accepts by itself cannot empty the system's queue.
            const allowed = backend.capabilities.pausesAccept
              ? /^end of file$/
              : /^(?:end|ECONNRESET)/;
            for (const socket of silent) expect(yield* endOf(socket)).toMatch(allowed);
          } finally {
            for (const socket of silent) socket.close();
          }
          yield* serving.join();
        }),
      );
    });

    it('recv on a drained connection returns end of file again', () => {
      const heard: number[] = [];
      const handler = function* (socket: Socket): Operation<void> {
        for (let i = 0; i < 3; i++) heard.push((yield* socket.recv()).length);
      };
      return backend.run(() =>
        withServer(handler, function* (server, serving): Operation<void> {
          using client = yield* connect(server.address);
          yield* eventually('it is served', () => server.stats().open === 1);
          server.stop();
          expect(yield* receiveText(client)).toBe('');
          client.close();
          yield* serving.join();
          expect(heard).toEqual([0, 0, 0]);
        }),
      );
    });

    it('recv on a drained connection returns end of file although more input arrives', () => {
      const heard: unknown[] = [];
      const more = new Event('more was sent');
      const handler = function* (socket: Socket): Operation<void> {
        const reader = socket.reader();
        heard.push(yield* reader.readLine());
        yield* socket.sendAll('the end was received');
        yield* more.wait();
        yield* sleep(20);
        heard.push((yield* socket.recv()).length, socket.tryRecv()?.length);
        heard.push(yield* reader.readLine());
        yield* readable(socket);
      };
      return backend.run(() =>
        withServer(handler, function* (server, serving): Operation<void> {
          using client = yield* connect(server.address);
          yield* eventually('it is served', () => server.stats().open === 1);
          server.stop();
          expect(String(yield* client.recv())).toBe('the end was received');
          yield* client.sendAll('too late\n');
          more.set();
          expect(yield* receiveText(client)).toBe('');
          client.close();
          yield* serving.join();
          expect(heard).toEqual([null, 0, 0, null]);
          expect(server.drainReport).toMatchObject({ cut: [], drained: 1 });
        }),
      );
    });

    it('a drain does not affect connections that handlers have opened', () => {
      return backend.run(function* (): Operation<void> {
        using behind = yield* listen(LOOPBACK);
        const handler = function* (socket: Socket): Operation<void> {
          yield* socket.recv();
          using upstream = yield* connect(behind.address);
          yield* socket.sendAll(yield* upstream.recv());
        };
        yield* withServer(handler, function* (server, serving): Operation<void> {
          using client = yield* connect(server.address);
          yield* client.sendAll('request');
          using far = yield* behind.accept();
          server.stop();
          yield* sleep(20);
          yield* far.sendAll('from upstream');
          expect(yield* receiveText(client)).toBe('from upstream');
          client.close();
          yield* serving.join();
        });
      });
    });

    it('a second stop has no effect', () => {
      return backend.run(() =>
        withServer(echo, function* (server, serving): Operation<void> {
          server.stop();
          server.stop({ graceMs: 10 });
          yield* serving.join();
          server.stop();
          expect(serving.state).toBe('done');
        }),
      );
    });
  });
}

function* slowEcho(socket: Socket): Operation<void> {
  for (;;) {
    const data = yield* socket.recv();
    if (data.length === 0) return;
    yield* sleep(40);
    yield* socket.sendAll(data);
  }
}

function* connectAndSend(server: Server, sockets: Socket[], count: number): Operation<void> {
  for (let i = 0; i < count; i++) {
    const socket = yield* connect(server.address);
    sockets.push(socket);
    socket.trySend(`queued ${i}`);
  }
}
