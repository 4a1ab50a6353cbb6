/** `handOver`: connections that libraries of Node serve as streams. */
import type { Duplex } from 'node:stream';
import { describe, expect, test } from 'vitest';
import type { HandedOverStream, Operation, Server } from '../../../src/index.ts';
import { connect, handOver } from '../../../src/index.ts';
import { backends, backendsWithTls } from '../../support/backends.ts';
import { expectNothingLeft } from '../../support/leaks.ts';
import { ask, closeReasons, untilAllClosed, withServer } from '../../support/servers.ts';
import { endOf, fill, receiveText } from '../../support/sockets.ts';
import { SERVER, TRUSTING } from '../../support/tls.ts';

type Options = Parameters<typeof withServer>[2];

/** Runs `body` with a server that hands its connections over to `fn`. */
function serving(
  fn: Parameters<typeof handOver>[0],
  body: (server: Server, errors: unknown[]) => Operation<void>,
  options: Options = {},
): Operation<void> {
  const errors: unknown[] = [];
  const onError = (error: unknown): void => void errors.push(error);
  return withServer(handOver(fn), (server) => body(server, errors), { onError, ...options });
}

const echo = (stream: Duplex): void => void stream.pipe(stream);

describe.each(backends.filter(({ real }) => real))('handOver on $name', (backend) => {
  expectNothingLeft(backend);

  test('a stream echoes, and the handler ends when the peer has ended', () =>
    backend.run(() =>
      serving(echo, function* (server, errors): Operation<void> {
        expect(yield* ask(server, 'there and back')).toBe('there and back');
        yield* untilAllClosed(server);
        expect(closeReasons(server)).toEqual({ handler: 1 });
        expect(server.stats()).toMatchObject({ bytesReceived: 14, bytesSent: 14 });
        expect(errors).toEqual([]);
      }),
    ));

  test('bytes that the reader holds are the first of the stream', () =>
    backend.run(() => {
      const handler = handOver(echo);
      return withServer(
        function* (socket, peer): Operation<void> {
          yield* socket.reader().readLine();
          yield* socket.reader().peek(3);
          yield* handler(socket, peer);
        },
        function* (server): Operation<void> {
          expect(yield* ask(server, 'echo\nabcdef')).toBe('abcdef');
          expect(server.stats().bytesReceived).toBe(11);
        },
      );
    }));

  test('the function gets the address of the peer, which the stream has too', () => {
    const seen: unknown[] = [];
    return backend.run(() =>
      serving(
        (stream, peer) => {
          seen.push([peer.host, peer.port], [stream.remoteAddress, stream.remotePort]);
          seen.push([stream.encrypted, stream.alpnProtocol]);
          expect(stream.setNoDelay(true)).toBe(stream);
          stream.end('bye');
        },
        function* ({ address }): Operation<void> {
          using client = yield* connect(address);
          expect(yield* receiveText(client)).toBe('bye');
          const { host, port } = client.localAddress;
          expect(seen).toEqual([
            [host, port],
            [host, port],
            [false, undefined],
          ]);
        },
      ),
    );
  });

  test('a stream that is destroyed ends the connection after its last bytes', () =>
    backend.run(() =>
      serving(
        (stream) => {
          stream.write('response');
          stream.destroy();
        },
        function* (server): Operation<void> {
          expect(yield* ask(server, 'x'.repeat(1000))).toBe('response');
          yield* untilAllClosed(server);
          expect(closeReasons(server)).toEqual({ handler: 1 });
        },
      ),
    ));

  test.each([
    ['an error of the library', (stream: Duplex) => void stream.destroy(new Error('because'))],
    [
      'an exception of the function',
      () => {
        throw new Error('because');
      },
    ],
    ['a rejection of its promise', () => Promise.reject(new Error('because'))],
  ])('%s is the failure of one handler', (_what, fail) =>
    backend.run(() => {
      let count = 0;
      return serving(
        (stream) => (++count === 1 ? fail(stream) : echo(stream)),
        function* (server, errors): Operation<void> {
          using first = yield* connect(server.address);
          yield* endOf(first);
          first.close();
          expect(yield* ask(server, 'fine')).toBe('fine');
          yield* untilAllClosed(server);
          expect(errors).toMatchObject([{ message: 'because' }]);
          expect(server.stats()).toMatchObject({ failed: 1 });
        },
      );
    }),
  );

  test('a reset by the peer is not a failure of the program', () =>
    backend.run(() =>
      serving(echo, function* (server, errors): Operation<void> {
        const client = yield* connect(server.address);
        yield* client.sendAll('x');
        yield* client.recv();
        client.reset();
        yield* untilAllClosed(server);
        expect(closeReasons(server)).toEqual({ peerReset: 1 });
        expect(errors).toEqual([]);
      }),
    ));

  test('a limit of the server destroys the stream', () => {
    let stream: HandedOverStream | undefined;
    return backend.run(() =>
      serving(
        (handed) => {
          stream = handed;
          echo(handed);
        },
        function* (server, errors): Operation<void> {
          using client = yield* connect(server.address);
          expect(yield* endOf(client)).toBe('end of file');
          client.close();
          yield* untilAllClosed(server);
          expect(closeReasons(server)).toEqual({ firstByteTimeoutMs: 1 });
          expect(stream?.destroyed).toBe(true);
          expect(errors).toEqual([]);
        },
        { firstByteTimeoutMs: 20 },
      ),
    );
  });

  test('a drain ends an idle stream, and the end of the grace period one that does not end', () =>
    backend.run(() =>
      serving(echo, function* (server): Operation<void> {
        using idle = yield* connect(server.address);
        yield* idle.sendAll('x');
        yield* idle.recv();
        using stuck = yield* connect(server.address);
        yield* fill(stuck);
        server.stop({ graceMs: 200 });
        expect(yield* endOf(idle)).toBe('end of file');
        idle.close();
        yield* untilAllClosed(server);
        expect(closeReasons(server)).toEqual({ drained: 1, cut: 1 });
      }),
    ));

  test('a stream emits "timeout" after setTimeout without a byte', () =>
    backend.run(() =>
      serving(
        (stream) => {
          const ended = (): void => void stream.end('timeout');
          stream.setTimeout(60_000, ended).setTimeout(0, ended);
          stream.setTimeout(5, ended);
        },
        function* (server): Operation<void> {
          using client = yield* connect(server.address);
          expect(yield* receiveText(client)).toBe('timeout');
        },
      ),
    ));
});

describe.each(backendsWithTls)('handOver with TLS on $name', (backend) => {
  test('the stream is decrypted, and has the negotiated protocol', () =>
    backend.run(() => {
      const tls = { ...SERVER, alpn: ['mqtt'] };
      return serving(
        (stream) => stream.end(`${stream.encrypted} ${stream.alpnProtocol}`),
        function* ({ address }): Operation<void> {
          using client = yield* connect(address, { tls: { ...TRUSTING, alpn: ['mqtt'] } });
          expect(yield* receiveText(client)).toBe('true mqtt');
          using other = yield* connect(address, { tls: TRUSTING });
          expect(yield* receiveText(other)).toBe('true false');
        },
        { tls },
      );
    }));
});

test('handOver throws a TypeError for a value that is not a function', () => {
  expect(() => handOver(5 as never)).toThrow('Expected `fn` to be a function, got 5 (number)');
});
