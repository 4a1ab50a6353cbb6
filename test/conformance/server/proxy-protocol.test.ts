/** A server behind a proxy that speaks the PROXY protocol. */
import { once as onceEmitted } from 'node:events';
import { connect as connectTls } from 'node:tls';
import { afterEach, describe, expect, it, test, vi } from 'vitest';
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
import { untilAllClosed, withServer } from '../../support/servers.ts';
import { echo, eventually, failure, LOOPBACK, receiveText } from '../../support/sockets.ts';
import { CA, SERVER } from '../../support/tls.ts';

const LINE = 'PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n';
const TRUSTING: ProxyProtocolOptions = { trusted: ['127.0.0.0/8', '::1'] };

/** The same header in version 2, with a field. */
const BINARY: Buffer = Buffer.from([
  ...[0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a, 0x21, 0x11, 0, 17],
  ...[192, 0, 2, 1, 198, 51, 100, 2, 0xdc, 0x04, 0x01, 0xbb],
  ...[0x02, 0, 2, 0x61, 0x62],
]);

/** Sends back the address of the peer, and its input. */
function* reply(socket: Socket, peer: SocketAddress): Operation<void> {
  yield* socket.sendAll(`${peer}: ${yield* receiveText(socket)}`);
}

/** Sends the pieces one by one, and returns the response. */
function* send(server: Server, ...pieces: readonly (Uint8Array | string)[]): Operation<string> {
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
    afterEach(() => void vi.restoreAllMocks());

    /** Runs `body` while a server trusts proxies on loopback. */
    function withProxy(
      body: (server: Server, errors: readonly unknown[]) => Operation<void>,
      proxyProtocol: Partial<ProxyProtocolOptions> = {},
      { handler = reply, ...options }: { readonly handler?: Handler } & ServerOptions = {},
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

    it('a header of either version sets the peer, and no byte after it is lost', () =>
      withProxy(function* (server): Operation<void> {
        expect(yield* send(server, `${LINE}Hello`)).toBe('192.0.2.1:56324: Hello');
        const both = Buffer.concat([BINARY, Buffer.from('Hello')]);
        expect(yield* send(server, both)).toBe('192.0.2.1:56324: Hello');
        expect(yield* send(server, LINE)).toBe('192.0.2.1:56324: ');
        expect(server.stats().proxyHeaders).toMatchObject({ completed: 3, failed: 0, pending: 0 });
      }));

    it('a header may be split at any byte', () =>
      withProxy(function* (server): Operation<void> {
        for (const header of [Buffer.from(LINE), BINARY]) {
          const bytes = Buffer.concat([header, Buffer.from('Hi')]);
          for (let at = 1; at < bytes.length; at++) {
            const pieces = [bytes.subarray(0, at), bytes.subarray(at)];
            expect(yield* send(server, ...pieces)).toBe('192.0.2.1:56324: Hi');
          }
        }
      }));

    it('remoteAddress is the peer, and proxyHeader() returns the whole header', () => {
      const seen: unknown[] = [];
      const handler = function* (socket: Socket, peer: SocketAddress): Operation<void> {
        const header = proxyHeader(socket);
        seen.push(`${peer}`, `${socket.remoteAddress}`, header?.proxy.host);
        seen.push(`${header?.destination}`, header?.fields);
        yield* echo(socket);
      };
      const expected = ['192.0.2.1:56324', '192.0.2.1:56324', '127.0.0.1', '198.51.100.2:443'];
      return withProxy(
        function* (server): Operation<void> {
          expect(yield* send(server, BINARY, 'x')).toBe('x');
          expect(seen).toEqual([...expected, [{ type: 2, value: Buffer.from('ab') }]]);
        },
        {},
        { handler },
      );
    });

    it('after PROXY UNKNOWN the peer is the proxy', () =>
      withProxy(function* (server): Operation<void> {
        expect(yield* send(server, 'PROXY UNKNOWN\r\nx')).toMatch(/^127\.0\.0\.1:\d+: x$/);
      }));

    it('the bytes of the header are not counted as received', () => {
      const closed: unknown[] = [];
      return withProxy(
        function* (server): Operation<void> {
          yield* send(server, LINE, 'abc');
          yield* untilAllClosed(server);
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

    it('limits per peer count the peer in the header', () =>
      withProxy(
        function* (server): Operation<void> {
          using first = yield* connect(server.address);
          yield* first.sendAll(`${LINE}x`);
          yield* eventually('it is served', () => server.stats().open === 1);
          expect((yield* failure(() => send(server, LINE))).code).toMatch(/ECONNRESET|EPIPE/);
          const other = LINE.replace('192.0.2.1', '192.0.2.2');
          expect(yield* send(server, other, 'y')).toBe('192.0.2.2:56324: y');
          expect(server.stats().refused).toMatchObject({ maxConnectionsPerPeer: 1 });
        },
        {},
        { maxConnectionsPerPeer: 1 },
      ));

    it('a connection from an untrusted address is reset', () =>
      withProxy(
        function* (server, errors): Operation<void> {
          const write = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
          expect((yield* failure(() => send(server, LINE))).code).toMatch(/ECONNRESET|EPIPE/);
          yield* eventually('it is counted', () => server.stats().refused.untrusted === 1);
          const { accepted, proxyHeaders } = server.stats();
          expect([accepted, proxyHeaders?.lastFailure?.code]).toEqual([0, 'ERR_PROXY_UNTRUSTED']);
          expect(errors).toEqual([]);
          const text = 'is not in `trusted` of `proxyProtocol`: the connection was reset';
          if (backend.real) expect(write.mock.calls.join()).toContain(text);
        },
        { trusted: ['192.0.2.0/24', 'unix'] },
      ));

    it("untrusted: 'accept' serves other connections with every byte", () =>
      withProxy(
        function* (server): Operation<void> {
          expect(yield* send(server, LINE)).toMatch(/^127\.0\.0\.1:\d+: PROXY TCP4 192\.0\.2\.1 /);
        },
        { trusted: [], untrusted: 'accept' },
      ));

    it('an invalid, missing or truncated header is reported, and the connection is reset', () =>
      withProxy(function* (server, errors): Operation<void> {
        const wrong = ['PROXY TCP4 x y 1 2\r\n', 'GET / HTTP/1.1\r\n\r\n', 'PROXY TC', '\r\n\r\n'];
        for (const text of wrong) {
          expect((yield* failure(() => send(server, text))).code).toMatch(/ECONNRESET|EPIPE/);
        }
        yield* eventually('all are reported', () => errors.length === wrong.length);
        const code = 'ERR_PROXY_HEADER';
        expect(errors).toEqual(wrong.map(() => expect.objectContaining({ code })));
        const { refused, accepted, failed } = server.stats();
        expect([refused.proxyHeader, accepted, failed]).toEqual([wrong.length, 0, 0]);
      }));

    it('a header that exceeds timeoutMs is reported', () =>
      withProxy(
        function* (server, errors): Operation<void> {
          using socket = yield* connect(server.address);
          yield* socket.sendAll('PROXY ');
          expect((yield* failure(() => socket.recv())).code).toBe('ECONNRESET');
          yield* eventually('it is reported', () => errors.length === 1);
          expect(`${errors[0]}`).toMatch(/20 ms .* the PROXY protocol header from 127/);
          expect(server.stats().proxyHeaders).toMatchObject({ failed: 1, timedOut: 1 });
        },
        { timeoutMs: 20 },
      ));

    it('a pending header does not delay other connections', () =>
      withProxy(function* (server): Operation<void> {
        using silent = yield* connect(server.address);
        yield* silent.sendAll('PROX');
        expect(yield* send(server, LINE, 'x')).toBe('192.0.2.1:56324: x');
        expect(server.stats().proxyHeaders).toMatchObject({ pending: 1, completed: 1 });
      }));

    it('a connection that ends without a byte is neither counted nor reported', () =>
      withProxy(function* (server, errors): Operation<void> {
        expect(yield* send(server)).toBe('');
        using aborted = yield* connect(server.address);
        aborted.reset();
        expect(yield* send(server, LINE, 'x')).toBe('192.0.2.1:56324: x');
        expect([errors, server.stats().refused.proxyHeader]).toEqual([[], 0]);
      }));

    it('a connection that has sent only a header is idle in a drain', () => {
      let handled = false;
      return withProxy(
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

    it('a header that is pending when the server is stopped may complete', () =>
      withProxy(function* (server): Operation<void> {
        using socket = yield* connect(server.address);
        yield* socket.sendAll(LINE.slice(0, 20));
        yield* eventually('it is pending', () => server.stats().proxyHeaders?.pending === 1);
        server.stop();
        yield* sleep(1);
        yield* socket.sendAll(`${LINE.slice(20)}x`);
        socket.shutdown('send');
        expect(yield* receiveText(socket)).toBe('192.0.2.1:56324: x');
      }));

    it('a listener reads headers too, and its close resets pending ones', () =>
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
          yield* eventually('it is pending', () => listener.proxyHeaders?.pending === 1);
        });
        listener.close();
        expect((yield* failure(() => slow.recv())).code).toBe('ECONNRESET');
      }));

    it('invalid options are rejected before a listener is opened', () => {
      const server = (wrong: object) => () =>
        tcpServer(LOOPBACK, reply, { proxyProtocol: { ...TRUSTING, ...wrong } });
      expect(server({ trusted: ['invalid'] })).toThrow(
        /`proxyProtocol.trusted\[0\]` to be a range/,
      );
      expect(server({ timeoutMs: -1 })).toThrow(/`proxyProtocol.timeoutMs`/);
      expect(server({ untrusted: 'ask' })).toThrow(
        /`proxyProtocol.untrusted`.*'reset' or 'accept'/,
      );
      expect(server({ truested: [] })).toThrow(/did you mean `trusted`/);
      expect(() => listen(LOOPBACK, { proxyProtocol: { trusted: ['x'] } })).toThrow(/range/);
    });
  });
}

describe.each(backendsWithTls)('the PROXY protocol before TLS on $name:', (backend) => {
  expectNothingLeft(backend);

  /** Sends a header and then `text` over TLS, like a proxy that forwards TLS; the response. */
  function* sendOverTls(server: Server, header: string, text: string): Operation<string> {
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

  test('the header is read in clear text, before the TLS handshake', () =>
    backend.run(() =>
      withServer(
        reply,
        function* (server): Operation<void> {
          expect(yield* sendOverTls(server, LINE, 'Hello')).toBe('192.0.2.1:56324: Hello');
          const { handshakes, proxyHeaders } = server.stats();
          expect([handshakes?.completed, proxyHeaders?.completed]).toEqual([1, 1]);
        },
        options,
      ),
    ));

  test('a failed TLS handshake is reported with the peer of the header', () =>
    backend.run(() =>
      withServer(
        reply,
        function* (server): Operation<void> {
          using socket = yield* connect(server.address);
          yield* socket.sendAll(`${LINE}not TLS`);
          yield* eventually('it has failed', () => server.stats().handshakes?.failed === 1);
          expect(server.stats().handshakes?.lastFailure?.peer).toBe('192.0.2.1:56324');
        },
        options,
      ),
    ));

  test('a drain waits for a pending header and for the TLS handshake after it', () =>
    backend.run(() =>
      withServer(
        reply,
        function* (server): Operation<void> {
          using raw = yield* connect(server.address);
          yield* raw.sendAll(LINE.slice(0, 30));
          yield* eventually('it is pending', () => server.stats().proxyHeaders?.pending === 1);
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
