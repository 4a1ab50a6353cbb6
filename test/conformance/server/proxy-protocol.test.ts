/** A server behind a proxy that speaks the PROXY protocol. */
import { once as onceEmitted } from 'node:events';
import { connect as connectTls } from 'node:tls';
import { describe, expect, it, test } from 'vitest';
import type {
  Handler,
  Operation,
  ProxyProtocolOptions,
  Server,
  ServerOptions,
  Socket,
  SocketAddress,
} from '../../../src/index.ts';
import {
  connect,
  group,
  listen,
  proxyHeader,
  sleep,
  tcpServer,
  toDuplex,
  until,
} from '../../../src/index.ts';
import { backends, backendsWithTls } from '../../support/backends.ts';
import { expectNothingLeft } from '../../support/leaks.ts';
import { untilNobodyIsLeft, withServer } from '../../support/servers.ts';
import { echo, eventually, failure, LOOPBACK, receiveText } from '../../support/sockets.ts';
import { CA, SERVER } from '../../support/tls.ts';

const LINE = 'PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n';
const TRUSTING: ProxyProtocolOptions = { trusted: ['127.0.0.0/8', '::1'] };

/** Version 2, for the same connection, with a field. */
const BINARY: Buffer = Buffer.from([
  ...[0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a, 0x21, 0x11, 0, 17],
  ...[192, 0, 2, 1, 198, 51, 100, 2, 0xdc, 0x04, 0x01, 0xbb],
  ...[0x02, 0, 2, 0x61, 0x62],
]);

/** Says who the peer is, and what it sends. */
function* tell(socket: Socket, peer: SocketAddress): Operation<void> {
  yield* socket.sendAll(`${peer}: ${yield* receiveText(socket)}`);
}

/** What `tell` says to whom sends the pieces, each by itself. */
function* told(server: Server, ...pieces: readonly (Uint8Array | string)[]): Operation<string> {
  using socket = yield* connect(server.address);
  for (const piece of pieces) {
    yield* socket.sendAll(piece);
    yield* sleep(0);
  }
  socket.shutdown('send');
  return yield* receiveText(socket);
}

for (const backend of backends) {
  describe(`the PROXY protocol on ${backend.name}`, () => {
    expectNothingLeft(backend);

    /** Runs `body` beside a server whose connections come from a trusted proxy. */
    function behind(
      body: (server: Server, errors: readonly unknown[]) => Operation<void>,
      proxyProtocol: Partial<ProxyProtocolOptions> = {},
      { handler = tell, ...options }: { readonly handler?: Handler } & ServerOptions = {},
    ): Promise<void> {
      const errors: unknown[] = [];
      return backend.run(() =>
        withServer(handler, (server) => body(server, errors), {
          onError: (error) => errors.push(error),
          proxyProtocol: { ...TRUSTING, ...proxyProtocol },
          ...options,
        }),
      );
    }

    it('names the peer to the handler, in both versions, and loses nothing behind it', () =>
      behind(function* (server): Operation<void> {
        expect(yield* told(server, `${LINE}Hello`)).toBe('192.0.2.1:56324: Hello');
        const both = Buffer.concat([BINARY, Buffer.from('Hello')]);
        expect(yield* told(server, both)).toBe('192.0.2.1:56324: Hello');
        expect(yield* told(server, LINE)).toBe('192.0.2.1:56324: ');
        expect(server.stats().proxyHeaders).toMatchObject({ completed: 3, failed: 0, pending: 0 });
      }));

    it('is read however it is split', () =>
      behind(function* (server): Operation<void> {
        for (const header of [Buffer.from(LINE), BINARY]) {
          const bytes = Buffer.concat([header, Buffer.from('Hi')]);
          for (let at = 1; at < bytes.length; at++) {
            const pieces = [bytes.subarray(0, at), bytes.subarray(at)];
            expect(yield* told(server, ...pieces)).toBe('192.0.2.1:56324: Hi');
          }
        }
      }));

    it('makes the peer the remote address, and leaves what the proxy said to be asked for', () => {
      const seen: unknown[] = [];
      const handler = function* (socket: Socket, peer: SocketAddress): Operation<void> {
        const header = proxyHeader(socket);
        seen.push(`${peer}`, `${socket.remoteAddress}`, header?.proxy.host);
        seen.push(`${header?.destination}`, header?.fields);
        yield* echo(socket);
      };
      const expected = ['192.0.2.1:56324', '192.0.2.1:56324', '127.0.0.1', '198.51.100.2:443'];
      return behind(
        function* (server): Operation<void> {
          expect(yield* told(server, BINARY, 'x')).toBe('x');
          expect(seen).toEqual([...expected, [{ type: 2, value: Buffer.from('ab') }]]);
        },
        {},
        { handler },
      );
    });

    it('that speaks for the proxy itself leaves it as the peer', () =>
      behind(function* (server): Operation<void> {
        expect(yield* told(server, 'PROXY UNKNOWN\r\nx')).toMatch(/^127\.0\.0\.1:\d+: x$/);
      }));

    it('is not among the bytes of the connection', () => {
      const closed: unknown[] = [];
      return behind(
        function* (server): Operation<void> {
          yield* told(server, LINE, 'abc');
          yield* untilNobodyIsLeft(server);
          expect(closed).toEqual([
            expect.objectContaining({
              bytesReceived: 3,
              peer: expect.objectContaining({ host: '192.0.2.1' }),
            }),
          ]);
        },
        {},
        { onClose: (record) => closed.push(record) },
      );
    });

    it('gives limits of a peer the real one to count', () =>
      behind(
        function* (server): Operation<void> {
          using first = yield* connect(server.address);
          yield* first.sendAll(`${LINE}x`);
          yield* eventually('it is served', () => server.stats().open === 1);
          expect((yield* failure(() => told(server, LINE))).code).toMatch(/ECONNRESET|EPIPE/);
          const other = LINE.replace('192.0.2.1', '192.0.2.2');
          expect(yield* told(server, other, 'y')).toBe('192.0.2.2:56324: y');
          expect(server.stats().refused).toMatchObject({ maxConnectionsPerPeer: 1 });
        },
        {},
        { maxConnectionsPerPeer: 1 },
      ));

    it('of somebody who is not trusted is not looked at: the connection is reset', () =>
      behind(
        function* (server, errors): Operation<void> {
          expect((yield* failure(() => told(server, LINE))).code).toMatch(/ECONNRESET|EPIPE/);
          yield* eventually('it is counted', () => server.stats().refused.untrusted === 1);
          const { accepted, proxyHeaders } = server.stats();
          expect([accepted, proxyHeaders?.lastFailure?.code]).toEqual([0, 'ERR_PROXY_UNTRUSTED']);
          expect(errors).toEqual([]);
        },
        { trusted: ['192.0.2.0/24', 'unix'] },
      ));

    it('of others may be one of their own: they are served as they are, with every byte', () =>
      behind(
        function* (server): Operation<void> {
          expect(yield* told(server, LINE)).toMatch(/^127\.0\.0\.1:\d+: PROXY TCP4 192\.0\.2\.1 /);
        },
        { trusted: [], untrusted: 'accept' },
      ));

    it('that is wrong, missing or cut off is told, and the connection is reset', () =>
      behind(function* (server, errors): Operation<void> {
        const wrong = ['PROXY TCP4 x y 1 2\r\n', 'GET / HTTP/1.1\r\n\r\n', 'PROXY TC', '\r\n\r\n'];
        for (const text of wrong) {
          expect((yield* failure(() => told(server, text))).code).toMatch(/ECONNRESET|EPIPE/);
        }
        yield* eventually('all are told', () => errors.length === wrong.length);
        const code = 'ERR_PROXY_HEADER';
        expect(errors).toEqual(wrong.map(() => expect.objectContaining({ code })));
        const { refused, accepted, failed } = server.stats();
        expect([refused.proxyHeader, accepted, failed]).toEqual([wrong.length, 0, 0]);
      }));

    it('that does not come in time is told, too', () =>
      behind(
        function* (server, errors): Operation<void> {
          using socket = yield* connect(server.address);
          yield* socket.sendAll('PROXY ');
          expect((yield* failure(() => socket.recv())).code).toBe('ECONNRESET');
          yield* eventually('it is told', () => errors.length === 1);
          expect(`${errors[0]}`).toMatch(/20 ms .* the header of the PROXY protocol from 127/);
          expect(server.stats().proxyHeaders).toMatchObject({ failed: 1, timedOut: 1 });
        },
        { timeoutMs: 20 },
      ));

    it('that is late holds up nobody else', () =>
      behind(function* (server): Operation<void> {
        using silent = yield* connect(server.address);
        yield* silent.sendAll('PROX');
        expect(yield* told(server, LINE, 'x')).toBe('192.0.2.1:56324: x');
        expect(server.stats().proxyHeaders).toMatchObject({ pending: 1, completed: 1 });
      }));

    it('of which nothing comes before the end is nobody who wanted something', () =>
      behind(function* (server, errors): Operation<void> {
        expect(yield* told(server)).toBe('');
        using rude = yield* connect(server.address);
        rude.reset();
        expect(yield* told(server, LINE, 'x')).toBe('192.0.2.1:56324: x');
        expect([errors, server.stats().refused.proxyHeader]).toEqual([[], 0]);
      }));

    it('makes nobody busy: a drain ends a connection that has sent nothing else', () => {
      let handled = false;
      return behind(
        function* (server): Operation<void> {
          using socket = yield* connect(server.address);
          yield* socket.sendAll(LINE);
          yield* eventually('the handler runs', () => handled);
          server.stop();
          expect(yield* receiveText(socket)).toBe('');
        },
        {},
        {
          *handler(socket): Operation<void> {
            handled = true;
            yield* echo(socket);
          },
        },
      );
    });

    it('that is under way when the server is stopped may be completed', () =>
      behind(function* (server): Operation<void> {
        using socket = yield* connect(server.address);
        yield* socket.sendAll(LINE.slice(0, 20));
        yield* eventually('it is under way', () => server.stats().proxyHeaders?.pending === 1);
        server.stop();
        yield* sleep(1);
        yield* socket.sendAll(`${LINE.slice(20)}x`);
        socket.shutdown('send');
        expect(yield* receiveText(socket)).toBe('192.0.2.1:56324: x');
      }));

    it('is read at a listener of its own as well, and its end ends the passages', () =>
      backend.run(function* (): Operation<void> {
        using listener = yield* listen(LOOPBACK, { proxyProtocol: TRUSTING });
        using near = yield* connect(listener.address);
        using slow = yield* connect(listener.address);
        yield* near.sendAll(`${LINE}x`);
        yield* slow.sendAll('PROXY ');
        using far = yield* listener.accept();
        expect([`${far.remoteAddress}`, String(yield* far.recv())]).toEqual([
          '192.0.2.1:56324',
          'x',
        ]);
        yield* group(function* (tasks): Operation<void> {
          tasks.spawn(() => listener.accept(), { daemon: true });
          yield* eventually('it is under way', () => listener.proxyHeaders?.pending === 1);
        });
        listener.close();
        expect((yield* failure(() => slow.recv())).code).toBe('ECONNRESET');
      }));

    it('says what is wrong with its options, before anything is opened', () => {
      const server = (wrong: object) => () =>
        tcpServer(LOOPBACK, tell, { proxyProtocol: { ...TRUSTING, ...wrong } });
      expect(server({ trusted: ['nobody'] })).toThrow(/`proxyProtocol.trusted\[0\]` to be a range/);
      expect(server({ timeoutMs: -1 })).toThrow(/`proxyProtocol.timeoutMs`/);
      expect(server({ untrusted: 'ask' })).toThrow(
        /`proxyProtocol.untrusted`.*'reset' or 'accept'/,
      );
      expect(server({ truested: [] })).toThrow(/did you mean `trusted`/);
      expect(() => listen(LOOPBACK, { proxyProtocol: { trusted: ['x'] } })).toThrow(/range/);
    });
  });
}

describe.each(backendsWithTls)('the PROXY protocol in front of TLS, on $name', (backend) => {
  expectNothingLeft(backend);

  /** What a client hears that comes through a proxy which passes TLS on as it is. */
  function* toldInside(server: Server, header: string, text: string): Operation<string> {
    using raw = yield* connect(server.address);
    yield* raw.sendAll(header);
    const client = connectTls({ socket: toDuplex(raw), ca: CA, host: '127.0.0.1' });
    client.on('error', () => {});
    try {
      client.end(text);
      const [data] = (yield* until(onceEmitted(client, 'data'))) as Buffer[];
      return String(data);
    } finally {
      client.destroy();
    }
  }

  const options: ServerOptions = { tls: SERVER, proxyProtocol: TRUSTING };

  test('is read in clear, and the handshake follows it', () =>
    backend.run(() =>
      withServer(
        tell,
        function* (server): Operation<void> {
          expect(yield* toldInside(server, LINE, 'Hello')).toBe('192.0.2.1:56324: Hello');
          const { handshakes, proxyHeaders } = server.stats();
          expect([handshakes?.completed, proxyHeaders?.completed]).toEqual([1, 1]);
        },
        options,
      ),
    ));

  test('names the peer of a handshake that fails', () =>
    backend.run(() =>
      withServer(
        tell,
        function* (server): Operation<void> {
          using socket = yield* connect(server.address);
          yield* socket.sendAll(`${LINE}this is no TLS`);
          yield* eventually('it has failed', () => server.stats().handshakes?.failed === 1);
          expect(server.stats().handshakes?.lastFailure?.peer).toBe('192.0.2.1:56324');
        },
        options,
      ),
    ));

  test('lets a drain wait for both', () =>
    backend.run(() =>
      withServer(
        tell,
        function* (server): Operation<void> {
          using raw = yield* connect(server.address);
          yield* raw.sendAll(LINE.slice(0, 30));
          yield* eventually('it is under way', () => server.stats().proxyHeaders?.pending === 1);
          server.stop();
          yield* raw.sendAll(LINE.slice(30));
          const client = connectTls({ socket: toDuplex(raw), ca: CA, host: '127.0.0.1' });
          client.on('error', () => {});
          client.end('late');
          const [data] = (yield* until(onceEmitted(client, 'data'))) as Buffer[];
          expect(String(data)).toBe('192.0.2.1:56324: late');
          client.destroy();
        },
        options,
      ),
    ));
});
