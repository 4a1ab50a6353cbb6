/** TLS with other implementations: servers of node:tls, and OpenSSL if it is installed. */
import type { ChildProcess, ChildProcessWithoutNullStreams } from 'node:child_process';
import { spawn, spawnSync } from 'node:child_process';
import { once as onceEvent } from 'node:events';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { createServer } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import type { Operation } from '../../../src/index.ts';
import { connect, once, Reader, until } from '../../../src/index.ts';
import { backendsWithTls } from '../../support/backends.ts';
import { digest, pattern } from '../../support/data.ts';
import { expectNothingLeft } from '../../support/leaks.ts';
import { withServer } from '../../support/servers.ts';
import {
  echo,
  eventually,
  failure,
  receiveAll,
  receiveExactly,
  together,
} from '../../support/sockets.ts';
import { CA, SERVER, TRUSTING } from '../../support/tls.ts';

const CERTIFICATES = fileURLToPath(new URL('../../support/certificates/', import.meta.url));
const withoutCurl = spawnSync('curl', ['--version']).status !== 0;
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

  test.skipIf(withoutOpenssl)('a listener serves openssl s_client across key updates', () =>
    backend.run(() =>
      withServer(
        echo,
        function* (server): Operation<void> {
          const client = openssl(['s_client', '-connect', `${server.address}`]);
          yield* echoed(client, 'one');
          for (const [command, text] of [
            ['K', 'two'], // updates the keys of both directions
            ['k', 'three'], // updates those of the client
          ] as const) {
            const updated = untilPrinted(client, /KEYUPDATE/);
            client.stdin.write(`${command}\n`);
            yield* until(updated);
            yield* echoed(client, text);
          }
          client.kill();
          yield* once(client, 'exit');
        },
        { tls: SERVER },
      ),
    ),
  );

  test.skipIf(withoutOpenssl)('a listener rejects the versions before TLS 1.2', () =>
    backend.run(() =>
      withServer(
        echo,
        function* (server): Operation<void> {
          for (const version of ['-tls1', '-tls1_1']) {
            const weak = ['-cipher', 'DEFAULT@SECLEVEL=0'];
            const address = `${server.address}`;
            const client = openssl(['s_client', version, ...weak, '-connect', address]);
            const [code] = yield* once(client, 'exit');
            expect(code).not.toBe(0);
          }
          yield* eventually('both are counted', () => server.stats().handshakes?.failed === 2);
          expect(server.stats().handshakes?.lastFailure?.code).toMatch(/UNSUPPORTED_PROTOCOL/);
        },
        { tls: SERVER },
      ),
    ),
  );

  const isNative = backend.name.includes('native');
  test.skipIf(withoutOpenssl || !isNative)('a listener rejects a renegotiation', () =>
    backend.run(() =>
      withServer(
        echo,
        function* (server): Operation<void> {
          const client = openssl(['s_client', '-tls1_2', '-connect', `${server.address}`]);
          yield* echoed(client, 'one');
          const rejected = untilPrinted(client, /no renegotiation/);
          client.stdin.write('R\n');
          yield* until(rejected);
          client.kill();
          yield* once(client, 'exit');
        },
        { tls: SERVER },
      ),
    ),
  );

  test.skipIf(withoutCurl)('a listener serves curl', () =>
    backend.run(() =>
      withServer(
        function* (socket): Operation<void> {
          yield* new Reader(socket).readUntil('\r\n\r\n');
          yield* socket.sendAll('HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n');
          yield* socket.sendAll(Buffer.alloc(100_000, 'c'));
        },
        function* (server): Operation<void> {
          const url = `https://localhost:${server.address.port}/`;
          const args = ['--silent', '--cacert', 'ca.cert.pem', '--ipv4', '--noproxy', '*', url];
          const client = spawn('curl', args, { cwd: CERTIFICATES });
          let length = 0;
          client.stdout.on('data', (data: Buffer) => {
            length += data.length;
          });
          const [code] = yield* once(client, 'close');
          expect([code, length]).toEqual([0, 100_000]);
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

function openssl(args: readonly string[]): ChildProcessWithoutNullStreams {
  return spawn('openssl', args, { cwd: CERTIFICATES });
}

/** Sends a line with s_client and waits for its echo. */
function* echoed(client: ChildProcessWithoutNullStreams, text: string): Operation<void> {
  const printed = untilPrinted(client, new RegExp(`^${text}$`, 'm'));
  client.stdin.write(`${text}\n`);
  yield* until(printed);
}

/** Resolves when the process prints a text that matches `pattern`. */
async function untilPrinted(
  { stdout, stderr }: ChildProcessWithoutNullStreams,
  pattern: RegExp,
): Promise<void> {
  let text = '';
  await new Promise<void>((resolve) => {
    const onData = (data: Buffer): void => {
      text += String(data);
      if (pattern.test(text)) resolve();
    };
    for (const stream of [stdout, stderr]) stream.on('data', onData);
  });
}

async function portOf(server: ChildProcess): Promise<number> {
  let text = '';
  for (;;) {
    const [part] = await onceEvent(server.stdout as NonNullable<typeof server.stdout>, 'data');
    text += String(part);
    const port = /ACCEPT [^ ]*:(\d+)/.exec(text)?.[1];
    if (port !== undefined) return Number(port);
  }
}
