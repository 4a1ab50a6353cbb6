/** Server names, protocols, sessions and certificate reloads. */
import { randomBytes } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { describe, expect, test } from 'vitest';
import type {
  Listener,
  Operation,
  Socket,
  TlsClientOptions,
  TlsInfo,
  TlsServerOptions,
} from '../../../src/index.ts';
import { connect, group, listen } from '../../../src/index.ts';
import { backendsWithTls } from '../../support/backends.ts';
import { expectNothingLeft } from '../../support/leaks.ts';
import { eventually, failure, LOOPBACK, receiveExactly } from '../../support/sockets.ts';
import { CA, CLIENT, RSA, SECOND, SERVER, securePair, withListener } from '../../support/tls.ts';

/** The TLS facts at both ends of a connection. */
function* known(
  listener: Listener,
  client: Partial<TlsClientOptions> = {},
): Operation<{ near: TlsInfo; far: TlsInfo; name: unknown }> {
  const [near, far] = yield* securePair(listener, client);
  const name = near.tls?.peerCertificate?.subject['CN'];
  near.close();
  far.close();
  return { near: near.tls as TlsInfo, far: far.tls as TlsInfo, name };
}

describe.each(backendsWithTls)('TLS names and protocols, on $name', (backend) => {
  expectNothingLeft(backend);

  test('both ends report version, cipher and protocol, also after close', () =>
    backend.run(() =>
      withListener(
        function* (listener): Operation<void> {
          const { near, far } = yield* known(listener, { alpn: ['http/1.1', 'h2'] });
          expect(near.protocol).toBe('TLSv1.3');
          expect(far.protocol).toBe('TLSv1.3');
          expect(near.cipher).toMatch(/^TLS_/);
          expect([near.alpn, far.alpn]).toEqual(['h2', 'h2']);
          expect(near.authorized).toBe(true);
          expect(near.authorizationError).toBeUndefined();
        },
        { alpn: ['h2', 'http/1.1'] },
      ),
    ));

  test('protocols can be passed under the name of node:tls', () =>
    backend.run(() =>
      withListener(
        function* (listener): Operation<void> {
          expect((yield* known(listener, { ALPNProtocols: ['mine'] })).far.alpn).toBe('mine');
          expect((yield* known(listener)).far.alpn).toBeUndefined();
        },
        { ALPNProtocols: ['mine'] },
      ),
    ));

  test('a client requests no server name for an IP address', () =>
    backend.run(() =>
      withListener(function* (listener): Operation<void> {
        expect((yield* known(listener)).far.servername).toBeUndefined();
        const { far } = yield* known(listener, { servername: 'localhost' });
        expect(far.servername).toBe('localhost');
      }),
    ));

  test('a client requests the host name, which the certificate must be valid for', () =>
    backend.run(function* (): Operation<void> {
      using listener = yield* listen('localhost:0', { tls: SERVER });
      yield* group(function* (tasks): Operation<void> {
        const accepting = tasks.spawn(() => listener.accept());
        const at = { host: 'localhost', port: listener.address.port };
        using near = yield* connect(at, { tls: { ca: CA } });
        using far = yield* accepting.join();
        expect(far.tls?.servername).toBe('localhost');
        expect(near.tls?.authorized).toBe(true);
      });
    }));

  test('the server name selects the certificate, with wildcards and ignoring case', () =>
    backend.run(() =>
      withListener(
        function* (listener): Operation<void> {
          expect((yield* known(listener, { servername: 'localhost' })).name).toBe('localhost');
          for (const servername of ['second.test', 'Second.Test', 'a.second.test']) {
            expect((yield* known(listener, { servername })).name).toBe('second');
          }
        },
        { contexts: { 'second.test': SECOND, '*.second.test': SECOND } },
      ),
    ));

  test.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'the server name selects the certificate also if the keys are RSA and EC (%s)',
    (maxVersion) =>
      backend.run(function* (): Operation<void> {
        const cases = [
          { own: SERVER, contexts: { 'rsa.test': RSA }, names: ['localhost', 'rsa'] },
          { own: RSA, contexts: { 'rsa.test': SECOND }, names: ['rsa', 'second'] },
        ];
        for (const { own, contexts, names } of cases) {
          yield* withListener(
            function* (listener): Operation<void> {
              for (const [i, servername] of ['localhost', 'rsa.test'].entries()) {
                const client = { servername, maxVersion, checkServerIdentity: () => undefined };
                expect((yield* known(listener, client)).name).toBe(names[i]);
              }
              expect((yield* known(listener, { maxVersion })).name).toBe(names[0]);
            },
            { ...own, contexts },
          );
        }
      }),
  );

  test('SNICallback selects the certificate for names that are not listed', () =>
    backend.run(() =>
      withListener(
        function* (listener): Operation<void> {
          expect((yield* known(listener, { servername: 'second.test' })).name).toBe('second');
          expect((yield* known(listener, { servername: 'localhost' })).name).toBe('localhost');
        },
        {
          SNICallback: (name, done) =>
            done(null, name === 'localhost' ? undefined : createSecureContext(SECOND)),
        },
      ),
    ));

  test.each([
    ['gives an error', (_name: string, done: (error: Error) => void) => done(new Error('no'))],
    [
      'throws',
      (): void => {
        throw new Error('no');
      },
    ],
    ['gives nonsense', (_n: string, done: (e: null, c: unknown) => void) => done(null, 'nonsense')],
  ])('an SNICallback that %s fails only the handshake', (_what, callback) =>
    backend.run(() =>
      withListener(
        function* (listener): Operation<void> {
          const attempt = () => securePair(listener, { servername: 'second.test' });
          yield* failure(attempt);
          yield* eventually('the failure is counted', () => listener.handshakes?.failed === 1);
          expect(yield* known(listener)).toHaveProperty('name', 'localhost');
        },
        { SNICallback: callback as NonNullable<TlsServerOptions['SNICallback']> },
      ),
    ),
  );
});

const VERSIONS = ['TLSv1.2', 'TLSv1.3'] as const;

/** Connects, waits for a session ticket, and returns it. */
function* ticket(listener: Listener, client: Partial<TlsClientOptions>): Operation<Buffer> {
  const [near, far] = yield* securePair(listener, client);
  yield* exchange(near, far);
  yield* eventually('a ticket has arrived', () => near.tls?.session !== undefined);
  near.close();
  far.close();
  return near.tls?.session as Buffer;
}

/** TLS 1.3 sends tickets after the handshake. */
function* exchange(near: Socket, far: Socket): Operation<void> {
  yield* far.sendAll('x');
  yield* receiveExactly(near, 1);
}

describe.each(backendsWithTls)('TLS sessions, on $name', (backend) => {
  expectNothingLeft(backend);

  test.each(VERSIONS)('a session is resumed with %s', (version) =>
    backend.run(() =>
      withListener(function* (listener): Operation<void> {
        const client = { maxVersion: version };
        const session = yield* ticket(listener, client);
        const { near, far } = yield* known(listener, { ...client, session });
        expect(near.protocol).toBe(version);
        expect([near.sessionReused, far.sessionReused]).toEqual([true, true]);
        expect((yield* known(listener, client)).near.sessionReused).toBe(false);
      }),
    ),
  );

  test.each(VERSIONS)(
    'a session of a client with a certificate and a name is resumed, %s',
    (version) =>
      backend.run(() =>
        withListener(
          function* (listener): Operation<void> {
            const client = { ...CLIENT, servername: 'second.test', maxVersion: version };
            const session = yield* ticket(listener, client);
            const { far } = yield* known(listener, { ...client, session });
            expect([far.sessionReused, far.authorized]).toEqual([true, true]);
          },
          { ca: CA, requestCert: true, contexts: { 'second.test': SECOND } },
        ),
      ),
  );

  test('an invalid session is ignored', () =>
    backend.run(() =>
      withListener(function* (listener): Operation<void> {
        const session = Buffer.from('no session');
        const { near } = yield* known(listener, { session });
        expect([near.authorized, near.sessionReused]).toEqual([true, false]);
      }),
    ));

  test.each(VERSIONS)('sessions survive a reload with the same ticket keys, with %s', (version) =>
    backend.run(() => {
      const ticketKeys = randomBytes(48);
      return withListener(
        function* (listener): Operation<void> {
          const client = { maxVersion: version };
          const session = yield* ticket(listener, client);
          listener.reloadTls({ ...SERVER, ticketKeys });
          expect((yield* known(listener, { ...client, session })).far.sessionReused).toBe(true);
          listener.reloadTls(SERVER);
          expect((yield* known(listener, { ...client, session })).far.sessionReused).toBe(false);
        },
        { ticketKeys },
      );
    }),
  );
});

describe.each(backendsWithTls)('reloadTls, on $name', (backend) => {
  expectNothingLeft(backend);

  test('reloadTls applies to new connections; open ones continue', () =>
    backend.run(() =>
      withListener(function* (listener): Operation<void> {
        const [near, far] = yield* securePair(listener);
        listener.reloadTls(SECOND);
        expect((yield* known(listener)).name).toBe('second');
        yield* exchange(near, far);
        yield* exchange(far, near);
        expect(near.tls?.peerCertificate?.subject['CN']).toBe('localhost');
        near.close();
        far.close();
      }),
    ));

  test('reloadTls with an invalid certificate changes nothing', () =>
    backend.run(() =>
      withListener(function* (listener): Operation<void> {
        expect(() => listener.reloadTls({ ...SECOND, key: SERVER.key })).toThrow(/do not match/);
        expect(() => listener.reloadTls({})).toThrow(/needs a certificate/);
        expect((yield* known(listener)).name).toBe('localhost');
      }),
    ));

  test('reloadTls replaces the names', () =>
    backend.run(() =>
      withListener(
        function* (listener): Operation<void> {
          const asking = { servername: 'second.test', rejectUnauthorized: false };
          expect((yield* known(listener, asking)).name).toBe('second');
          listener.reloadTls(SERVER);
          expect((yield* known(listener, asking)).name).toBe('localhost');
          listener.reloadTls({ ...SERVER, contexts: { 'second.test': SECOND } });
          expect((yield* known(listener, asking)).name).toBe('second');
        },
        { contexts: { 'second.test': SECOND } },
      ),
    ));

  test('reloadTls fails on a listener without TLS', () =>
    backend.run(function* (): Operation<void> {
      using listener = yield* listen(LOOPBACK);
      const error = yield* failure(function* (): Operation<void> {
        listener.reloadTls(SERVER);
      });
      expect(error.code).toBe('ERR_TLS_OPTIONS');
    }));
});
