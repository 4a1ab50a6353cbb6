/** `socket.startTls`: TLS on connections that have carried plain bytes. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import type { Operation, Socket } from '../../../src/index.ts';
import {
  connect,
  fromDuplex,
  group,
  moveOnAfter,
  readable,
  toDuplex,
  until,
} from '../../../src/index.ts';
import { backends, backendsWithTls } from '../../support/backends.ts';
import { digest, pattern } from '../../support/data.ts';
import { expectNothingLeft } from '../../support/leaks.ts';
import { endProcesses, Process } from '../../support/process/process.ts';
import { withServer } from '../../support/servers.ts';
import {
  failure,
  failureCode,
  receiveAll,
  receiveExactly,
  together,
  untilWaiting,
  withPair,
} from '../../support/sockets.ts';
import { CLIENT, SERVER, TRUSTING } from '../../support/tls.ts';

const CERTIFICATES = fileURLToPath(new URL('../../support/certificates/', import.meta.url));
const withoutOpenssl = spawnSync('openssl', ['version']).status !== 0;

/** A server of SMTP as far as STARTTLS needs one. */
function* smtp(socket: Socket): Operation<void> {
  const reader = socket.reader({ max: 512 });
  const writer = socket.writer({ autoFlush: true });
  writer.write('220 mail.test ESMTP\r\n');
  for (;;) {
    const line = yield* reader.readLine();
    const [command] = line?.toUpperCase().split(' ') ?? [];
    if (command === undefined) return;
    if (command === 'EHLO') writer.write('250-mail.test\r\n250 STARTTLS\r\n');
    else if (command === 'STARTTLS') {
      writer.write('220 ready\r\n');
      yield* socket.startTls(SERVER);
    } else writer.write(`250 ${line} over ${socket.tls?.protocol ?? 'nothing'}\r\n`);
  }
}

/** The client of the same. Returns after the response to STARTTLS. */
function* requestTls(client: Socket): Operation<void> {
  const reader = client.reader();
  expect(yield* reader.readLine()).toBe('220 mail.test ESMTP');
  yield* client.sendAll('STARTTLS\r\n');
  expect(yield* reader.readLine()).toBe('220 ready');
}

/** Upgrades both ends. */
function upgrade(near: Socket, far: Socket): Operation<void> {
  return together(
    () => near.startTls(TRUSTING),
    () => far.startTls(SERVER),
  );
}

describe.each(backendsWithTls)('startTls on $name', (backend) => {
  expectNothingLeft(backend);
  endProcesses();

  test('a client upgrades a connection, and its reader and writer stay valid', () =>
    backend.run(() =>
      withServer(smtp, function* ({ address }): Operation<void> {
        using client = yield* connect(`localhost:${address.port}`);
        const reader = client.reader();
        yield* requestTls(client);
        expect(client.tls).toBe(undefined);
        yield* client.startTls(TRUSTING);
        expect(client.tls).toMatchObject({ protocol: 'TLSv1.3', servername: 'localhost' });
        yield* client.sendAll('NOOP\r\n');
        expect(yield* reader.readLine()).toBe('250 NOOP over TLSv1.3');
      }),
    ));

  test.skipIf(withoutOpenssl)('a server upgrades a connection of `openssl s_client`', () =>
    backend.run(() =>
      withServer(smtp, function* ({ address }): Operation<void> {
        const ca = `${CERTIFICATES}ca.cert.pem`;
        const args = ['-starttls', 'smtp', '-quiet', '-verify_return_error', '-CAfile', ca];
        const connecting = ['s_client', ...args, '-connect', `127.0.0.1:${address.port}`];
        const openssl = new Process('openssl', connecting);
        openssl.child.stdin?.write('NOOP\r\n');
        const answered = () => openssl.stdout.includes('250 NOOP over TLSv1.3');
        yield* until(openssl.until('openssl has an answer', answered));
        openssl.kill();
      }),
    ),
  );

  test('a million bytes pass in both directions after the upgrade', () =>
    backend.run(() =>
      withPair(function* (near, far): Operation<void> {
        yield* near.sendAll('x');
        yield* receiveExactly(far, 1);
        yield* upgrade(near, far);
        const data = pattern(1_000_000);
        const transfer = (from: Socket, to: Socket) =>
          together(
            () => from.sendAll(data),
            function* (): Operation<void> {
              expect(digest(yield* receiveExactly(to, data.length))).toBe(digest(data));
            },
          );
        yield* transfer(near, far);
        yield* transfer(far, near);
        near.shutdown();
        expect((yield* far.recv()).length).toBe(0);
      }),
    ));

  test('an end that was connected can be the server of the handshake', () =>
    backend.run(() =>
      withPair(function* (near, far): Operation<void> {
        yield* together(
          () => near.startTls({ ...SERVER, isServer: true }),
          () => far.startTls({ ...TRUSTING, servername: 'localhost', isServer: false }),
        );
        expect(far.tls).toMatchObject({ authorized: true });
        yield* near.sendAll('from the server');
        expect(String(yield* far.recv())).toBe('from the server');
      }),
    ));

  test('a server with requestCert gets the certificate of a client', () =>
    backend.run(() =>
      withPair(function* (near, far): Operation<void> {
        yield* together(
          () => near.startTls({ ...TRUSTING, ...CLIENT }),
          () => far.startTls({ ...SERVER, ...TRUSTING, requestCert: true }),
        );
        expect(far.tls?.authorized).toBe(true);
      }),
    ));

  test('bytes that the reader holds are ERR_BUFFERED, and the connection stays plain', () =>
    backend.run(() =>
      withPair(function* (near, far): Operation<void> {
        yield* near.sendAll('STARTTLS\r\nRSET\r\n');
        const reader = far.reader();
        expect(yield* reader.readLine()).toBe('STARTTLS');
        const error = yield* failure(() => far.startTls(SERVER));
        expect(error).toMatchObject({ code: 'ERR_BUFFERED' });
        expect(error.message).toContain('got 6 that its reader holds');
        expect(yield* reader.readLine()).toBe('RSET');
        yield* far.sendAll('still plain');
        expect(String(yield* near.recv())).toBe('still plain');
      }),
    ));

  test('bytes that were only peeked at belong to the handshake', () =>
    backend.run(() =>
      withPair((near, far) =>
        group(function* (tasks): Operation<void> {
          const connecting = tasks.spawn(() => near.startTls(TRUSTING));
          const first = yield* far.reader().peek(1);
          expect(first?.[0]).toBe(22); // a handshake record
          yield* far.startTls(SERVER);
          yield* connecting.join();
          expect(far.bytesReceived).toBe(0);
          yield* near.sendAll('hello');
          expect(yield* far.reader().readExactly(5)).toEqual(Buffer.from('hello'));
        }),
      ),
    ));

  test('bytes that were only peeked at are ERR_BUFFERED after a greeting', () =>
    backend.run(() =>
      withPair(function* (near, far): Operation<void> {
        yield* far.sendAll('220 mail.test\r\n');
        yield* near.sendAll('STARTTLS\r\n');
        yield* far.reader().peek(1);
        expect(yield* failureCode(() => far.startTls(SERVER))).toBe('ERR_BUFFERED');
      }),
    ));

  test('a response that is injected before the handshake is ERR_BUFFERED at the client', () =>
    backend.run(() =>
      withPair(function* (near, far): Operation<void> {
        yield* far.sendAll('220 ready\r\n250 injected\r\n');
        expect(yield* near.reader().readLine()).toBe('220 ready');
        expect(yield* failureCode(() => near.startTls(TRUSTING))).toBe('ERR_BUFFERED');
      }),
    ));

  test('plain bytes that arrive later fail the handshake and close the connection', () =>
    backend.run(() =>
      withPair(function* (near, far): Operation<void> {
        yield* near.sendAll('RSET\r\n'.repeat(10));
        const error = yield* failure(() => far.startTls(SERVER));
        expect(error.code).toMatch(/^ERR_SSL_/);
        expect(far.closed).toBe(true);
        expect(yield* failureCode(() => far.recv())).toBe('ERR_CLOSED');
      }),
    ));

  test('bytes of a writer are ERR_FLUSH_NEEDED', () =>
    backend.run(() =>
      withPair(function* (near, far): Operation<void> {
        far.writer().write('220 ready\r\n');
        expect(yield* failureCode(() => far.startTls(SERVER))).toBe('ERR_FLUSH_NEEDED');
        yield* far.writer().flush();
        yield* near.reader().readLine();
        yield* upgrade(near, far);
      }),
    ));

  test('an operation in progress, also a raw wait, is ERR_BUSY', () =>
    backend.run(() =>
      withPair((near, far) =>
        group(function* (tasks): Operation<void> {
          const receiving = tasks.spawn(() => near.recv());
          const waiting = tasks.spawn(() => readable(far));
          yield* untilWaiting(receiving);
          yield* untilWaiting(waiting);
          expect(yield* failureCode(() => near.startTls(TRUSTING))).toBe('ERR_BUSY');
          expect(yield* failureCode(() => far.startTls(SERVER))).toBe('ERR_BUSY');
          tasks.cancel();
        }),
      ),
    ));

  test('operations during the handshake are ERR_BUSY, and a raw wait continues after it', () =>
    backend.run(() =>
      withPair((near, far) =>
        group(function* (tasks): Operation<void> {
          const upgrading = tasks.spawn(() => far.startTls(SERVER));
          yield* untilWaiting(upgrading);
          expect(yield* failureCode(() => far.recv())).toBe('ERR_BUSY');
          expect(yield* failureCode(() => far.sendAll('x'))).toBe('ERR_BUSY');
          expect(() => far.tryRecv()).toThrow(expect.objectContaining({ code: 'ERR_BUSY' }));
          expect(() => toDuplex(far)).toThrow(expect.objectContaining({ code: 'ERR_BUSY' }));
          const waiting = tasks.spawn(function* (): Operation<string> {
            yield* readable(far);
            return String(yield* far.recv());
          });
          yield* near.startTls(TRUSTING);
          yield* upgrading.join();
          yield* near.sendAll('secret');
          expect(yield* waiting.join()).toBe('secret');
        }),
      ),
    ));

  test('a connection that is encrypted already is ERR_ALREADY_TLS', () =>
    backend.run(() =>
      withPair(function* (near, far): Operation<void> {
        yield* upgrade(near, far);
        expect(yield* failureCode(() => near.startTls(TRUSTING))).toBe('ERR_ALREADY_TLS');
        expect(yield* failureCode(() => far.startTls(SERVER))).toBe('ERR_ALREADY_TLS');
        yield* near.sendAll('x');
        expect(String(yield* far.recv())).toBe('x');
      }),
    ));

  test('a cancelled startTls resets the connection', () =>
    backend.run(() =>
      withPair(function* (near, far): Operation<void> {
        yield* moveOnAfter(5, () => far.startTls(SERVER));
        expect(far.closed).toBe(true);
        expect(yield* failureCode(() => near.recv())).toBe('ECONNRESET');
      }),
    ));

  test('a cancelled startTls of a client resets the connection', () =>
    backend.run(() =>
      withPair(function* (near, far): Operation<void> {
        yield* moveOnAfter(5, () => near.startTls(TRUSTING));
        expect(near.closed).toBe(true);
        const receivingAll = () => receiveAll(far);
        expect(yield* failureCode(receivingAll)).toBe('ECONNRESET');
      }),
    ));

  test('a peer that does not answer is ERR_TIMEOUT after handshakeTimeoutMs', () =>
    backend.run(() =>
      withPair(function* (near, far): Operation<void> {
        const limit = { handshakeTimeoutMs: 5 };
        expect(yield* failureCode(() => far.startTls({ ...SERVER, ...limit }))).toBe('ERR_TIMEOUT');
        expect(far.closed).toBe(true);
        expect(yield* failureCode(() => near.startTls(TRUSTING))).toBe('ECONNRESET');
      }),
    ));

  test('close by another task ends startTls with ERR_CLOSED, at the server and the client', () =>
    backend.run(() =>
      withPair((near, far) =>
        group(function* (tasks): Operation<void> {
          const server = tasks.spawn(() => failureCode(() => far.startTls(SERVER)));
          yield* untilWaiting(server);
          far.close();
          expect(yield* server.join()).toBe('ERR_CLOSED');
          near.close();
          expect(yield* failureCode(() => near.startTls(TRUSTING))).toBe('ERR_CLOSED');
        }),
      ),
    ));

  test('close by another task ends the startTls of a client with ERR_CLOSED', () =>
    backend.run(() =>
      withPair((near) =>
        group(function* (tasks): Operation<void> {
          const client = tasks.spawn(() => failureCode(() => near.startTls(TRUSTING)));
          yield* untilWaiting(client);
          near.close();
          expect(yield* client.join()).toBe('ERR_CLOSED');
        }),
      ),
    ));

  test('a server without a valid certificate is rejected, and both ends fail', () =>
    backend.run(() =>
      withPair((near, far) =>
        group(function* (tasks): Operation<void> {
          // With TLS 1.3, the handshake of the server may be complete before.
          const serving = tasks.spawn(() =>
            failureCode(function* (): Operation<void> {
              yield* far.startTls(SERVER);
              yield* far.recv();
            }),
          );
          const code = yield* failureCode(() => near.startTls({}));
          expect(code).toMatch(/SELF_SIGNED|UNABLE_TO/);
          expect(near.closed).toBe(true);
          expect(yield* serving.join()).not.toBe(undefined);
        }),
      ),
    ));

  test('a socket over a stream of Node is upgraded too', () =>
    backend.run(() =>
      withPair(function* (near, far): Operation<void> {
        using inner = fromDuplex(toDuplex(near));
        yield* upgrade(inner, far);
        yield* far.sendAll('over a stream');
        expect(String(yield* inner.recv())).toBe('over a stream');
      }),
    ));

  test('options are checked when the operation is made', () =>
    backend.run(() =>
      withPair(function* (near, far): Operation<void> {
        const wrong = (options: unknown) => () => void near.startTls(options as never);
        expect(wrong({ serverName: 'x' })).toThrow(/has no option 'serverName'/);
        expect(wrong({ isServer: 1 })).toThrow(TypeError);
        expect(wrong(null)).toThrow(TypeError);
        expect(() => far.startTls({})).toThrow(/needs a certificate/);
      }),
    ));
});

describe.each(backends.filter(({ capabilities }) => !capabilities.tls))(
  'startTls on $name',
  (backend) => {
    test('is ERR_UNSUPPORTED, and the connection stays as it is', () =>
      backend.run(() =>
        withPair(function* (near, far): Operation<void> {
          expect(yield* failureCode(() => near.startTls())).toBe('ERR_UNSUPPORTED');
          yield* near.sendAll('plain');
          expect(String(yield* far.recv())).toBe('plain');
        }),
      ));
  },
);
