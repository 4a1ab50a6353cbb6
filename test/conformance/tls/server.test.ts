/** Servers with TLS: handlers, misbehaving peers, draining, streams for other libraries. */
import type { IncomingMessage } from 'node:http';
import { createServer as createHttpServer } from 'node:http';
import { request } from 'node:https';
import { pipeline } from 'node:stream/promises';
import { connect as connectTls } from 'node:tls';
import { describe, expect, test } from 'vitest';
import type { Operation, Server, Socket } from '../../../src/index.ts';
import { connect, group, once, sleep, timeout, toDuplex, until } from '../../../src/index.ts';
import { backendsWithTls } from '../../support/backends.ts';
import { digest, pattern } from '../../support/data.ts';
import { expectNothingLeft } from '../../support/leaks.ts';
import { untilAllClosed, withServer } from '../../support/servers.ts';
import {
  echo,
  eventually,
  failure,
  receiveAll,
  receiveExactly,
  receiveText,
  together,
} from '../../support/sockets.ts';
import {
  CA,
  connectTo,
  SERVER,
  securePair,
  withForeignClient,
  withListener,
} from '../../support/tls.ts';

const TLS = { tls: SERVER };

function* askSecurely(server: Server, text: string): Operation<void> {
  using socket = yield* connectTo(server.address);
  yield* socket.sendAll(text);
  socket.shutdown('send');
  expect(yield* receiveText(socket)).toBe(text);
}

describe.each(backendsWithTls)('a server with TLS, on $name', (backend) => {
  expectNothingLeft(backend);

  test('a server with TLS serves every connection in its own task', () =>
    backend.run(() =>
      withServer(
        echo,
        function* (server): Operation<void> {
          yield* together(...['a', 'b', 'c'].map((text) => () => askSecurely(server, text)));
          yield* untilAllClosed(server);
          expect(server.stats().accepted).toBe(3);
        },
        TLS,
      ),
    ));

  test('silent clients do not block other clients', () =>
    backend.run(() =>
      withServer(
        echo,
        function* (server): Operation<void> {
          const silent: Socket[] = [];
          for (let i = 0; i < 6; i++) silent.push(yield* connect(server.address));
          yield* askSecurely(server, 'x');
          expect(server.stats().handshakes?.timedOut).toBeGreaterThanOrEqual(3);
          for (const each of silent) each.close();
        },
        { tls: { ...SERVER, maxHandshakes: 4 } },
      ),
    ));

  test('the limit per peer includes connections in a handshake', () =>
    backend.run(() =>
      withServer(
        echo,
        function* (server): Operation<void> {
          using silent = yield* connect(server.address);
          yield* eventually(
            'the handshake is pending',
            () => server.stats().handshakes?.pending === 1,
          );
          yield* failure(() => connectTo(server.address));
          expect(server.stats().refused.maxConnectionsPerPeer).toBe(1);
          silent.close();
          yield* eventually(
            'the failure is counted',
            () => server.stats().handshakes?.failed === 1,
          );
          using socket = yield* connectTo(server.address);
          yield* socket.sendAll('x');
          expect(String(yield* socket.recv())).toBe('x');
        },
        { ...TLS, maxConnectionsPerPeer: 1 },
      ),
    ));

  test('a server with TLS serves the queued connections before it ends', () =>
    backend.run(() =>
      withServer(
        echo,
        function* (server): Operation<void> {
          const first = yield* connectTo(server.address);
          yield* first.sendAll('a');
          yield* first.recv();
          const others = ['b', 'c'].map((text) => () => askSecurely(server, text));
          yield* together(...others, function* (): Operation<void> {
            yield* eventually('the connections wait', () => (server.stats().queued ?? 2) >= 2);
            server.stop();
            yield* sleep(20);
            first.close();
          });
          expect(server.stats().accepted).toBe(3);
        },
        { ...TLS, maxConnections: 1 },
      ),
    ));

  test('the last response arrives completely, followed by close_notify', () =>
    backend.run(() =>
      withServer(
        (socket) => socket.sendAll(pattern(100_000)),
        function* (server): Operation<void> {
          using socket = yield* connectTo(server.address);
          expect(digest(yield* receiveAll(socket))).toBe(digest(pattern(100_000)));
        },
        TLS,
      ),
    ));

  test('a peer that ends without close_notify is counted and not reported', () => {
    const errors: unknown[] = [];
    return backend
      .run(() =>
        withServer(
          echo,
          function* (server): Operation<void> {
            using raw = yield* connect(server.address);
            const stream = toDuplex(raw);
            const foreign = connectTls({ socket: stream, ca: CA, host: '127.0.0.1' });
            foreign.on('error', () => {});
            foreign.write('x');
            expect(String((yield* once(foreign, 'data'))[0])).toBe('x');
            raw.shutdown('send');
            yield* eventually('the failure is counted', () => server.stats().resetByPeer === 1);
            expect(server.stats().failed).toBe(0);
            foreign.destroy();
          },
          { ...TLS, onError: (error) => errors.push(error) },
        ),
      )
      .then(() => expect(errors).toEqual([]));
  });

  test('a drain lets a pending handshake complete and ends its connection in order', () =>
    backend.run(() =>
      withServer(
        echo,
        function* (server, serving): Operation<void> {
          yield* group(function* (tasks): Operation<void> {
            using raw = yield* connect(server.address);
            yield* eventually(
              'the raw listener has accepted it',
              () => backend.counters().transports === 2,
            );
            server.stop();
            const foreign = connectTls({ socket: toDuplex(raw), ca: CA, host: '127.0.0.1' });
            const closed = tasks.spawn(() => once(foreign, 'end'));
            foreign.resume();
            yield* closed.join();
            foreign.end();
            yield* serving.join();
            expect(server.stats().accepted).toBe(1);
          });
        },
        TLS,
      ),
    ));

  test('a drain does not wait long for a silent client', () =>
    backend.run(() =>
      withServer(
        echo,
        function* (server, serving): Operation<void> {
          using silent = yield* connect(server.address);
          yield* eventually(
            'the raw listener has accepted it',
            () => backend.counters().transports === 2,
          );
          server.stop();
          yield* timeout(5000, () => serving.join());
          expect((yield* failure(() => silent.recv())).code).toBe('ECONNRESET');
        },
        TLS,
      ),
    ));
});

describe.each(backendsWithTls)('a stream over a TLS socket, on $name', (backend) => {
  expectNothingLeft(backend);

  test('a stream over a TLS socket serves HTTP to a client of node:https', () =>
    backend.run(function* (): Operation<void> {
      const http = createHttpServer((incoming, response) => {
        response.end(`you asked for ${incoming.url}`);
      });
      const handler = function* (socket: Socket): Operation<void> {
        const stream = toDuplex(socket);
        http.emit('connection', stream);
        yield* once(stream, 'close');
      };
      yield* withServer(
        handler,
        function* (server): Operation<void> {
          const { port } = server.address;
          const answer = yield* until(get(port));
          expect(answer).toBe('you asked for /page');
        },
        TLS,
      );
    }));

  test('a stream over a TLS socket works in a pipeline', () =>
    backend.run(() =>
      withListener(function* (listener): Operation<void> {
        const [near, far] = yield* securePair(listener);
        const stream = toDuplex(far);
        const echoing = pipeline(stream, stream);
        const data = pattern(1_000_000);
        yield* together(
          function* (): Operation<void> {
            yield* near.sendAll(data);
            near.shutdown('send');
          },
          function* (): Operation<void> {
            expect(digest(yield* receiveAll(near))).toBe(digest(data));
          },
        );
        yield* until(echoing);
        near.close();
      }),
    ));

  test('a client of node:tls sends and receives a million bytes', () =>
    backend.run(() =>
      withForeignClient(function* ({ foreign, far }): Operation<void> {
        const data = pattern(1_000_000);
        foreign.write(data);
        expect(digest(yield* receiveExactly(far, data.length))).toBe(digest(data));
        const parts: Buffer[] = [];
        foreign.on('data', (part) => parts.push(part));
        yield* far.sendAll(data);
        yield* eventually(
          'all bytes have arrived',
          () => Buffer.concat(parts).length === data.length,
        );
        expect(digest(Buffer.concat(parts))).toBe(digest(data));
      }),
    ));
});

/** The body of a response over HTTPS. */
function get(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { port, host: '127.0.0.1', path: '/page', ca: CA, agent: false } as const;
    const asking = request(options, async (response: IncomingMessage) => {
      let body = '';
      for await (const part of response) body += String(part);
      resolve(body);
    });
    asking.once('error', reject);
    asking.end();
  });
}
