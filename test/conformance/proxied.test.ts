/** A server behind a proxy that speaks the PROXY protocol. */
import { describe, expect, it } from 'vitest';
import type { Handler, Operation, Server, Socket, SocketAddress } from '../../src/index.ts';
import { connect, pipe, proxied, proxyHeader, sleep } from '../../src/index.ts';
import { heardBy, untilNobodyIsLeft, withServer } from './server-support.ts';
import { echo, eventually, expectNothingLeft, failure } from './support.ts';
import { worlds } from './worlds.ts';

const LINE = 'PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n';
const LOOPBACK_RANGES = ['127.0.0.0/8', '::1'];

/** Version 2, for the same connection, with a field. */
const BINARY: Buffer = Buffer.from([
  ...[0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a, 0x21, 0x11, 0, 17],
  ...[192, 0, 2, 1, 198, 51, 100, 2, 0xdc, 0x04, 0x01, 0xbb],
  ...[0x02, 0, 2, 0x61, 0x62],
]);

/** Says who the peer is, and what it sends. */
function* tell(socket: Socket, peer: SocketAddress): Operation<void> {
  yield* socket.sendAll(`${peer}: ${yield* heardBy(socket)}`);
}

/** What `tell` says to whom sends the pieces, each by itself. */
function* told(server: Server, ...pieces: readonly (Uint8Array | string)[]): Operation<string> {
  using socket = yield* connect(server.address);
  for (const piece of pieces) {
    yield* socket.sendAll(piece);
    yield* sleep(0);
  }
  socket.shutdown('send');
  return yield* heardBy(socket);
}

for (const world of worlds) {
  describe(`the PROXY protocol on ${world.name}`, () => {
    expectNothingLeft(world);

    /** Runs `body` beside a server whose handler is behind a trusted proxy. */
    function behind(
      body: (server: Server, errors: readonly unknown[]) => Operation<void>,
      options: object = {},
      handler: Handler = tell,
    ): Promise<void> {
      const errors: unknown[] = [];
      const wrapped = proxied(handler, { trusted: LOOPBACK_RANGES, ...options });
      return world.run(() =>
        withServer(wrapped, (server) => body(server, errors), {
          onError: (error) => errors.push(error),
        }),
      );
    }

    it('names the peer to the handler, in both versions, and loses nothing behind it', () =>
      behind(function* (server): Operation<void> {
        expect(yield* told(server, `${LINE}Hello`)).toBe('192.0.2.1:56324: Hello');
        const both = Buffer.concat([BINARY, Buffer.from('Hello')]);
        expect(yield* told(server, both)).toBe('192.0.2.1:56324: Hello');
        expect(yield* told(server, LINE)).toBe('192.0.2.1:56324: ');
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

    it('leaves the address of the proxy, and what it said, to be asked for', () => {
      const seen: unknown[] = [];
      const handler = function* (socket: Socket, peer: SocketAddress): Operation<void> {
        const header = proxyHeader(socket);
        seen.push(`${peer}`, socket.remoteAddress.host, `${header?.destination}`, header?.fields);
        yield* echo(socket);
      };
      const expected = ['192.0.2.1:56324', '127.0.0.1', '198.51.100.2:443'];
      return behind(
        function* (server): Operation<void> {
          expect(yield* told(server, BINARY, 'x')).toBe('x');
          expect(seen).toEqual([...expected, [{ type: 2, value: Buffer.from('ab') }]]);
        },
        {},
        handler,
      );
    });

    it('that speaks for the proxy itself leaves it as the peer', () =>
      behind(function* (server): Operation<void> {
        expect(yield* told(server, 'PROXY UNKNOWN\r\nx')).toMatch(/^127\.0\.0\.1:\d+: x$/);
      }));

    it('may be followed by what a reader reads', () =>
      behind(
        function* (server): Operation<void> {
          expect(yield* told(server, `${LINE}one\ntwo\n`)).toBe('two,one');
        },
        {},
        function* (socket): Operation<void> {
          const reader = socket.reader();
          const [one, two] = [yield* reader.readLine(), yield* reader.readLine()];
          yield* socket.sendAll(`${two},${one}`);
        },
      ));

    it('of somebody who is not trusted is not looked at: the connection is reset', () =>
      behind(
        function* (server, errors): Operation<void> {
          const error = yield* failure(() => told(server, LINE));
          expect(error.code).toMatch(/ECONNRESET|EPIPE/);
          yield* untilNobodyIsLeft(server);
          expect(errors).toEqual([]);
        },
        { trusted: ['192.0.2.0/24', 'unix'] },
      ));

    it('that is not required leaves others as they are, with every byte', () =>
      behind(
        function* (server): Operation<void> {
          expect(yield* told(server, LINE)).toMatch(/^127\.0\.0\.1:\d+: PROXY TCP4 192\.0\.2\.1 /);
        },
        { trusted: [], required: false },
      ));

    it('may be left out by a proxy where it is not required, and no byte is lost', () =>
      behind(
        function* (server): Operation<void> {
          for (const text of [
            'x',
            'PROXIED',
            'GET / HTTP/1.1\r\n\r\n',
            '\r\n\r\nx',
            'y'.repeat(99),
          ]) {
            const heard = yield* told(server, text);
            expect(heard.replace(/^[^ ]+ /, '')).toBe(text);
          }
          expect(yield* told(server, LINE, 'z')).toBe('192.0.2.1:56324: z');
        },
        { required: false },
      ));

    it('given back in part goes on with what the connection brings, in a reader too', () =>
      behind(
        function* (server): Operation<void> {
          expect(yield* told(server, 'PROXY', '!one\n', 'two\n')).toBe('PROXY!one,two');
        },
        { required: false },
        function* (socket): Operation<void> {
          const first = yield* socket.recv(3);
          const reader = socket.reader();
          const [one, two] = [yield* reader.readLine(), yield* reader.readLine()];
          yield* socket.sendAll(`${first}${one},${two}`);
        },
      ));

    it('given back goes through a pipe as well', () =>
      behind(
        function* (server): Operation<void> {
          expect(yield* told(server, 'PRO', 'FIT and more')).toBe('PROFIT and more');
        },
        { required: false },
        (socket) => pipe(socket, socket),
      ));

    it('that is wrong, missing or cut off is a failure, and the connection is reset', () =>
      behind(function* (server, errors): Operation<void> {
        const wrong = ['PROXY TCP4 x y 1 2\r\n', 'GET / HTTP/1.1\r\n\r\n', 'PROXY TC', '\r\n\r\n'];
        for (const text of wrong) {
          expect((yield* failure(() => told(server, text))).code).toMatch(/ECONNRESET|EPIPE/);
        }
        yield* untilNobodyIsLeft(server);
        const code = 'ERR_PROXY_HEADER';
        expect(errors).toEqual(wrong.map(() => expect.objectContaining({ code })));
        expect(server.stats()).toMatchObject({ failed: wrong.length });
      }));

    it('that does not come in time is one, too', () =>
      behind(
        function* (server, errors): Operation<void> {
          using socket = yield* connect(server.address);
          yield* socket.sendAll('PROXY ');
          expect((yield* failure(() => socket.recv())).code).toBe('ECONNRESET');
          yield* untilNobodyIsLeft(server);
          expect(errors.map(String)).toEqual([expect.stringMatching(/within 20 ms/)]);
        },
        { timeoutMs: 20 },
      ));

    it('of which nothing comes before the end is nobody who wanted something', () =>
      behind(function* (server, errors): Operation<void> {
        expect(yield* told(server)).toBe('');
        yield* untilNobodyIsLeft(server);
        expect(errors).toEqual([]);
      }));

    it('makes nobody busy: a drain ends a connection that has sent nothing else', () => {
      let handled = false;
      return behind(
        function* (server): Operation<void> {
          using socket = yield* connect(server.address);
          yield* socket.sendAll(LINE);
          yield* eventually('the handler runs', () => handled);
          server.stop();
          expect(yield* heardBy(socket)).toBe('');
        },
        {},
        function* (socket): Operation<void> {
          handled = true;
          yield* echo(socket);
        },
      );
    });

    it('is the business of the handler: what it throws is its failure', () =>
      behind(
        function* (server, errors): Operation<void> {
          expect(yield* told(server, LINE)).toBe('');
          yield* untilNobodyIsLeft(server);
          expect(errors).toEqual([expect.objectContaining({ message: 'on purpose' })]);
        },
        {},
        function* (socket): Operation<void> {
          yield* heardBy(socket);
          throw new Error('on purpose');
        },
      ));
  });
}

describe('proxied', () => {
  it('says what is wrong with its options', () => {
    const options = (wrong: object) => () => proxied(tell, { trusted: ['::1'], ...wrong });
    expect(options({ trusted: ['nobody'] })).toThrow(/`options.trusted\[0\]` to be a range/);
    expect(options({ timeoutMs: -1 })).toThrow(/`options.timeoutMs`/);
    expect(options({ required: 1 })).toThrow(/`options.required`/);
    expect(options({ truested: [] })).toThrow(/did you mean `trusted`/);
    expect(() => proxied(1 as unknown as Handler, { trusted: [] })).toThrow(/`handler`/);
  });
});
