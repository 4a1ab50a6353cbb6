/** Handshakes that fail, and the errors at both ends. */
import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type {
  Listener,
  Operation,
  TlsClientOptions,
  TlsInfo,
  TlsServerOptions,
} from '../../../src/index.ts';
import { connect, group, listen, moveOnAfter } from '../../../src/index.ts';
import { currentNetwork } from '../../../src/net/current-world.ts';
import { backends, backendsWithTls } from '../../support/backends.ts';
import { expectNothingLeft } from '../../support/leaks.ts';
import type { Failure } from '../../support/sockets.ts';
import { eventually, failure, LOOPBACK, receiveAll, untilWaiting } from '../../support/sockets.ts';
import {
  CA,
  CLIENT,
  connectTo,
  EXPIRED,
  pem,
  SECOND,
  SELF,
  SERVER,
  securePair,
  withListener,
} from '../../support/tls.ts';

/** The error of a client while the listener accepts. */
function* clientError(
  server: Partial<TlsServerOptions>,
  client: Partial<TlsClientOptions>,
): Operation<Failure> {
  return yield* withListener(
    (listener) =>
      group(function* (tasks): Operation<Failure> {
        tasks.spawn(() => acceptAll(() => listener.accept()), { daemon: true });
        return yield* failure(() => connectTo(listener.address, client));
      }),
    server,
  );
}

/** Accepts, so that handshakes start, and closes every connection. */
function* acceptAll(accept: () => Operation<Disposable>): Operation<void> {
  for (;;) {
    using _accepted = yield* accept();
  }
}

describe.each(backendsWithTls)('a TLS handshake fails, on $name', (backend) => {
  expectNothingLeft(backend);

  test('a client rejects a self-signed certificate', () =>
    backend.run(function* (): Operation<void> {
      expect((yield* clientError(SELF, {})).code).toBe('DEPTH_ZERO_SELF_SIGNED_CERT');
    }));

  test('a client rejects an unknown authority', () =>
    backend.run(function* (): Operation<void> {
      const { code } = yield* clientError(SERVER, { ca: SELF.cert });
      expect(code).toMatch(/^UNABLE_TO_/);
    }));

  test('a client rejects an expired certificate', () =>
    backend.run(function* (): Operation<void> {
      expect((yield* clientError(EXPIRED, {})).code).toBe('CERT_HAS_EXPIRED');
    }));

  test('a client rejects a certificate for another name', () =>
    backend.run(function* (): Operation<void> {
      const error = yield* clientError(SERVER, { servername: 'other.test' });
      expect(error.code).toBe('ERR_TLS_CERT_ALTNAME_INVALID');
    }));

  test('a client rejects a certificate that its own check rejects or throws on', () =>
    backend.run(function* (): Operation<void> {
      const answer = Object.assign(new Error('not this one'), { code: 'MINE' });
      const asked: string[] = [];
      const check = (host: string): Error => {
        asked.push(host);
        return answer;
      };
      expect(yield* clientError(SERVER, { checkServerIdentity: check })).toBe(answer);
      const thrower = (): never => {
        throw answer;
      };
      expect(yield* clientError(SERVER, { checkServerIdentity: thrower })).toBe(answer);
      expect(asked).toEqual(['127.0.0.1']);
    }));

  test('a client and a server without a common version fail', () =>
    backend.run(function* (): Operation<void> {
      const server: Partial<TlsServerOptions> = { minVersion: 'TLSv1.3' };
      const { code } = yield* clientError(server, { maxVersion: 'TLSv1.2' });
      expect(code).toMatch(/^ERR_SSL_.*ALERT/);
    }));

  test('a client and a server without a common protocol fail', () =>
    backend.run(function* (): Operation<void> {
      const { code } = yield* clientError({ alpn: ['h2'] }, { alpn: ['http/1.1'] });
      expect(code).toMatch(/^ERR_SSL_.*NO_APPLICATION_PROTOCOL/);
    }));

  test('a client with rejectUnauthorized: false connects, and socket.tls has the reason', () =>
    backend.run(() =>
      withListener(function* (listener): Operation<void> {
        const [near, far] = yield* securePair(listener, { rejectUnauthorized: false });
        expect(near.tls?.authorized).toBe(false);
        expect(near.tls?.authorizationError).toBe('DEPTH_ZERO_SELF_SIGNED_CERT');
        expect(near.tls?.peerCertificate?.subject['CN']).toBe('localhost');
        near.close();
        far.close();
      }, SELF),
    ));

  test('a client rejects a server that does not use TLS', () =>
    backend.run(function* (): Operation<void> {
      using listener = yield* listen(LOOPBACK);
      yield* group(function* (tasks): Operation<void> {
        tasks.spawn(function* (): Operation<void> {
          using far = yield* listener.accept();
          yield* far.sendAll('220 mail.test ESMTP\r\n');
          yield* receiveAll(far);
        });
        const { code } = yield* failure(() => connectTo(listener.address));
        expect(code).toMatch(/^ERR_SSL_/);
      });
    }));

  test.each(['close', 'reset'] as const)(
    'a client fails if the server does %s during the handshake',
    (end) =>
      backend.run(function* (): Operation<void> {
        using listener = yield* listen(LOOPBACK);
        yield* group(function* (tasks): Operation<void> {
          tasks.spawn(function* (): Operation<void> {
            const far = yield* listener.accept();
            yield* far.recv();
            far[end]();
          });
          expect((yield* failure(() => connectTo(listener.address))).code).toBe('ECONNRESET');
        });
      }),
  );

  test('a client times out if the server is silent, and its error names the handshake', () =>
    backend.run(function* (): Operation<void> {
      using listener = yield* listen(LOOPBACK);
      const options = { ca: CA, handshakeTimeoutMs: 20 };
      const error = yield* failure(() => connect(listener.address, { tls: options }));
      expect(error.code).toBe('ERR_TIMEOUT');
      expect(error.message).toContain(`20 ms while waiting for the TLS handshake with 127.0.0.1:`);
    }));

  test('a handshake can be cancelled', () =>
    backend.run(function* (): Operation<void> {
      using listener = yield* listen(LOOPBACK);
      yield* group(function* (tasks): Operation<void> {
        const connecting = tasks.spawn(() => connectTo(listener.address));
        using far = yield* listener.accept();
        expect((yield* far.recv()).length).toBeGreaterThan(0);
        yield* untilWaiting(connecting);
        connecting.cancel();
        expect((yield* failure(() => far.recv())).code).toBe('ECONNRESET');
      });
    }));

  test('the time limit of connect includes the handshake', () =>
    backend.run(function* (): Operation<void> {
      using listener = yield* listen(LOOPBACK);
      const options = { tls: { ca: CA }, timeoutMs: 20 };
      expect((yield* failure(() => connect(listener.address, options))).code).toBe('ERR_TIMEOUT');
      expect(
        yield* moveOnAfter(20, () => connect(listener.address, { tls: true })),
      ).toBeUndefined();
    }));
});

describe.each(backendsWithTls)('TLS clients with certificates, on $name', (backend) => {
  expectNothingLeft(backend);

  test('a listener reports the certificate of a client', () =>
    backend.run(() =>
      withListener(
        function* (listener): Operation<void> {
          const [near, far] = yield* securePair(listener, CLIENT);
          expect(far.tls?.authorized).toBe(true);
          expect(far.tls?.peerCertificate?.subject['CN']).toBe('a client');
          near.close();
          far.close();
        },
        { requestCert: true, ca: CA },
      ),
    ));

  test.each([
    ['without one', {}],
    ['with an unknown one', SELF],
  ])('a client %s is rejected and counted', (_what, identity) =>
    backend.run(() =>
      withListener(
        (listener) =>
          group(function* (tasks): Operation<void> {
            tasks.spawn(() => acceptAll(() => listener.accept()), { daemon: true });
            yield* failure(function* (): Operation<void> {
              // A TLS 1.3 client learns it only after its own handshake is complete.
              using near = yield* connectTo(listener.address, identity);
              yield* near.recv();
            });
            yield* eventually('the failure was counted', () => listener.handshakes?.failed === 1);
            expect(listener.handshakes?.lastFailure?.code).toMatch(/^[A-Z_0-9]+$/);
          }),
        { requestCert: true, ca: CA },
      ),
    ),
  );

  test.each([
    ['without one', {}, undefined],
    ['with an unknown one', SELF, 'DEPTH_ZERO_SELF_SIGNED_CERT'],
  ])(
    'a client %s is accepted by a listener with rejectUnauthorized: false',
    (_what, identity, reason) =>
      backend.run(() =>
        withListener(
          function* (listener): Operation<void> {
            const [near, far] = yield* securePair(listener, identity);
            expect(far.tls?.authorized).toBe(false);
            if (reason !== undefined) expect(far.tls?.authorizationError).toBe(reason);
            expect(far.tls?.peerCertificate === undefined).toBe(reason === undefined);
            near.close();
            far.close();
          },
          { requestCert: true, rejectUnauthorized: false, ca: CA },
        ),
      ),
  );
});

describe.each(backendsWithTls)('authorities and sessions of TLS clients, on $name', (backend) => {
  expectNothingLeft(backend);

  /** The facts at the listener's end. */
  function* far(listener: Listener, client: Partial<TlsClientOptions>): Operation<TlsInfo> {
    const [near, accepted] = yield* securePair(listener, client);
    near.close();
    accepted.close();
    return accepted.tls as TlsInfo;
  }

  test('the authorities of a name check the certificates of its clients', () =>
    backend.run(() =>
      withListener(
        function* (listener): Operation<void> {
          const named = yield* far(listener, { ...CLIENT, servername: 'second.test' });
          expect([named.authorized, named.authorizationError]).toEqual([true, undefined]);
          const other = yield* far(listener, { ...CLIENT, servername: 'localhost' });
          expect(other.authorized).toBe(false);
          expect(other.authorizationError).toMatch(/^SELF_SIGNED_CERT_IN_CHAIN$|^UNABLE_TO_/);
        },
        {
          requestCert: true,
          rejectUnauthorized: false,
          ca: SELF.cert,
          contexts: { 'second.test': { ...SECOND, ca: CA } },
        },
      ),
    ));

  test.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'a client that resumes a session without a certificate is not authorized (%s)',
    (maxVersion) =>
      backend.run(() =>
        withListener(
          function* (listener): Operation<void> {
            const [near, accepted] = yield* securePair(listener, { maxVersion });
            yield* accepted.sendAll('x');
            yield* near.recv();
            yield* eventually('a ticket has arrived', () => near.tls?.session !== undefined);
            near.close();
            accepted.close();
            const session = near.tls?.session as Buffer;
            const resumed = yield* far(listener, { maxVersion, session });
            expect([resumed.sessionReused, resumed.authorized]).toEqual([true, false]);
          },
          { requestCert: true, rejectUnauthorized: false, ca: CA },
        ),
      ),
  );

  test.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'a client cannot resume a session to evade a request for its certificate (%s)',
    (maxVersion) =>
      backend.run(() => {
        const ticketKeys = randomBytes(48);
        return withListener(
          (listener) =>
            group(function* (tasks): Operation<void> {
              const [near, accepted] = yield* securePair(listener, { maxVersion });
              yield* accepted.sendAll('x');
              yield* near.recv();
              yield* eventually('a ticket has arrived', () => near.tls?.session !== undefined);
              near.close();
              accepted.close();
              listener.reloadTls({ ...SERVER, ticketKeys, requestCert: true, ca: CA });
              tasks.spawn(() => acceptAll(() => listener.accept()), { daemon: true });
              const session = near.tls?.session as Buffer;
              yield* failure(function* (): Operation<void> {
                using again = yield* connectTo(listener.address, { maxVersion, session });
                if ((yield* again.recv()).length === 0) throw new Error('the listener has closed');
              });
              yield* eventually('a failure is counted', () => listener.handshakes?.failed === 1);
            }),
          { ticketKeys },
        );
      }),
  );

  test('a client that resumes a session with a certificate is authorized', () =>
    backend.run(() =>
      withListener(
        function* (listener): Operation<void> {
          const [near, accepted] = yield* securePair(listener, CLIENT);
          yield* accepted.sendAll('x');
          yield* near.recv();
          yield* eventually('a ticket has arrived', () => near.tls?.session !== undefined);
          near.close();
          accepted.close();
          const session = near.tls?.session as Buffer;
          const resumed = yield* far(listener, { ...CLIENT, session });
          expect([resumed.sessionReused, resumed.authorized]).toEqual([true, true]);
        },
        { requestCert: true, ca: CA },
      ),
    ));
});

describe.each(backendsWithTls)('unusable TLS options, on $name', (backend) => {
  expectNothingLeft(backend);

  const cases: [string, Partial<TlsServerOptions>, RegExp][] = [
    [
      'a key of another certificate',
      { ...SERVER, key: SECOND.key },
      /`cert` and `key` do not match/,
    ],
    [
      'a wrong passphrase',
      { cert: SERVER.cert, key: pem('server.encrypted'), passphrase: 'wrong' },
      /`passphrase` is missing or wrong/,
    ],
    [
      'a missing passphrase',
      { cert: SERVER.cert, key: pem('server.encrypted') },
      /`passphrase` is missing or wrong/,
    ],
    ['an invalid certificate', { ...SERVER, cert: 'no PEM' }, /not in PEM/],
    ['an invalid key', { ...SERVER, key: 'no PEM' }, /not in PEM/],
    ['an invalid container', { pfx: Buffer.from('none') }, /`tls` cannot be used/],
    ['unknown ciphers', { ...SERVER, ciphers: 'NONE-SUCH' }, /no such cipher/],
    [
      'a bad certificate for a name',
      { contexts: { 'a.test': { ...SELF, key: SERVER.key } } },
      /a\.test/,
    ],
  ];

  test.each(cases)('listen fails for %s and leaves nothing open', (_what, tls, message) =>
    backend.run(function* (): Operation<void> {
      const error = yield* failure(() => listen(LOOPBACK, { tls }));
      expect(error.code).toBe('ERR_TLS_OPTIONS');
      expect(error.message).toMatch(message);
    }),
  );

  test('the correct passphrase decrypts the key', () =>
    backend.run(() =>
      withListener(
        function* (listener): Operation<void> {
          const [near, far] = yield* securePair(listener);
          expect(near.tls?.authorized).toBe(true);
          near.close();
          far.close();
        },
        { key: pem('server.encrypted'), passphrase: 'correct' },
      ),
    ));

  test('an unusable certificate of a client fails before anything is opened', () =>
    backend.run(function* (): Operation<void> {
      using listener = yield* listen(LOOPBACK);
      const tls = { ...CLIENT, key: SERVER.key };
      expect((yield* failure(() => connect(listener.address, { tls }))).code).toBe(
        'ERR_TLS_OPTIONS',
      );
      expect(listener.tryAccept()).toBeUndefined();
    }));
});

describe.each(backends)('a network without TLS, on $name', (backend) => {
  expectNothingLeft(backend);

  test('TLS fails with ERR_UNSUPPORTED before anything is opened', () =>
    backend.run(function* (): Operation<void> {
      const network = currentNetwork();
      const capabilities = Object.getOwnPropertyDescriptor(network, 'capabilities');
      const less = { ...network.capabilities, tls: false };
      Object.defineProperty(network, 'capabilities', { value: less, configurable: true });
      try {
        const error = yield* failure(() => listen(LOOPBACK, { tls: SERVER }));
        expect(error.code).toBe('ERR_UNSUPPORTED');
        expect(error.message).toContain(backend.name);
        expect((yield* failure(() => connect(1, { tls: true }))).code).toBe('ERR_UNSUPPORTED');
      } finally {
        Object.defineProperty(network, 'capabilities', capabilities as PropertyDescriptor);
      }
    }));
});
