/** TLS with other implementations: servers of node:tls, and OpenSSL if it is installed. */
import type { ChildProcess } from 'node:child_process';
import { spawn, spawnSync } from 'node:child_process';
import { once as onceEvent } from 'node:events';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { createServer } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import type { Operation } from '../../../src/index.ts';
import { connect, once, until } from '../../../src/index.ts';
import { backendsWithTls } from '../../support/backends.ts';
import { digest, pattern } from '../../support/data.ts';
import { expectNothingLeft } from '../../support/leaks.ts';
import { withServer } from '../../support/servers.ts';
import { echo, failure, receiveAll, receiveExactly, together } from '../../support/sockets.ts';
import { CA, SERVER, TRUSTING } from '../../support/tls.ts';

const CERTIFICATES = fileURLToPath(new URL('../../support/certificates/', import.meta.url));
const withoutOpenssl = spawnSync('openssl', ['version']).status !== 0;

/** Runs `body` with the port of a server of node:tls. */
function* withNodeServer<T>(
  serve: (socket: TLSSocket) => void,
  body: (port: number) => Operation<T>,
): Operation<T> {
  const server = createServer({ ...SERVER, allowHalfOpen: true }, serve);
  server.listen(0, '127.0.0.1');
  yield* once(server, 'listening');
  try {
    return yield* body((server.address() as AddressInfo).port);
  } finally {
    server.close();
  }
}

describe.each(backendsWithTls)('TLS peers of other implementations, on $name', (backend) => {
  expectNothingLeft(backend);

  test('a server of node:tls echoes a million bytes and ends with close_notify', () =>
    backend.run(() =>
      withNodeServer(
        (socket) => socket.pipe(socket),
        function* (port): Operation<void> {
          using near = yield* connect(port, { tls: TRUSTING });
          const data = pattern(1_000_000);
          yield* together(
            () => near.sendAll(data),
            function* (): Operation<void> {
              expect(digest(yield* receiveExactly(near, data.length))).toBe(digest(data));
            },
          );
          near.shutdown('send');
          expect((yield* near.recv()).length).toBe(0);
        },
      ),
    ));

  test('a server of node:tls that is destroyed truncates the stream', () =>
    backend.run(() =>
      withNodeServer(
        (socket) => {
          socket.on('error', () => {});
          socket.write('x', () => socket.destroy());
        },
        function* (port): Operation<void> {
          using near = yield* connect(port, { tls: TRUSTING });
          const error = yield* failure(() => receiveAll(near));
          expect(error.code).toBe('ERR_TLS_TRUNCATED');
        },
      ),
    ));

  test.skipIf(withoutOpenssl)('a listener serves openssl s_client', () =>
    backend.run(() =>
      withServer(
        echo,
        function* (server): Operation<void> {
          const client = spawn(
            'openssl',
            [
              's_client',
              '-quiet',
              '-verify_return_error',
              '-CAfile',
              'ca.cert.pem',
              '-connect',
            ].concat(`${server.address}`),
            { cwd: CERTIFICATES, stdio: ['pipe', 'pipe', 'ignore'] },
          );
          client.stdin.write('Hello\n');
          expect(String((yield* once(client.stdout, 'data'))[0])).toBe('Hello\n');
          client.stdin.end();
          client.kill();
          yield* once(client, 'exit');
        },
        { tls: SERVER },
      ),
    ),
  );

  test.skipIf(withoutOpenssl)('a connection to openssl s_server gets a response', () =>
    backend.run(function* (): Operation<void> {
      const args = 's_server -rev -accept 127.0.0.1:0 -naccept 1'.split(' ');
      const identity = ['-cert', 'server.cert.pem', '-key', 'server.key.pem'];
      const server = spawn('openssl', [...args, ...identity], { cwd: CERTIFICATES });
      try {
        const port = yield* until(portOf(server));
        using near = yield* connect(port, { tls: { ca: CA } });
        yield* near.sendAll('olleH\n');
        expect(String(yield* receiveExactly(near, 6))).toBe('Hello\n');
      } finally {
        server.kill();
      }
    }),
  );
});

async function portOf(server: ChildProcess): Promise<number> {
  let text = '';
  for (;;) {
    const [part] = await onceEvent(server.stdout as NonNullable<typeof server.stdout>, 'data');
    text += String(part);
    const port = /ACCEPT [^ ]*:(\d+)/.exec(text)?.[1];
    if (port !== undefined) return Number(port);
  }
}
