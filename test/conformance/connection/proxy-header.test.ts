/** `connect` sends a PROXY header, and a listener on any backend reads it. */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, test } from 'vitest';
import type {
  Address,
  ConnectOptions,
  ListenOptions,
  Operation,
  ProxyHeader,
  ProxyHeaderOptions,
} from '../../../src/index.ts';
import { all, connect, listen, proxyHeader } from '../../../src/index.ts';
import type { TestBackend } from '../../support/backends.ts';
import { backends, backendsWithTls } from '../../support/backends.ts';
import { expectNothingLeft } from '../../support/leaks.ts';
import { failure, LOOPBACK, receiveText } from '../../support/sockets.ts';
import { SERVER, TRUSTING } from '../../support/tls.ts';

const proxyProtocol = { trusted: ['127.0.0.0/8', '::1', 'unix'] };
const SOURCE = '192.0.2.1:56324';
const DESTINATION = '[2001:db8::1]:443';

interface Seen {
  readonly text: string;
  readonly peer: string;
  readonly header: ProxyHeader | undefined;
}

/** Connects with `options` to a listener, sends 'Hello', and returns what the other end sees. */
function* seenBy(
  options: ConnectOptions,
  listenOptions: ListenOptions = {},
  address: Address = LOOPBACK,
): Operation<Seen> {
  using listener = yield* listen(address, { proxyProtocol, ...listenOptions });
  const ends = yield* all([connect(listener.address, options), listener.accept()]);
  using near = ends[0];
  using far = ends[1];
  yield* near.sendAll('Hello');
  near.shutdown('send');
  expect(near.bytesSent).toBe(5);
  const text = yield* receiveText(far);
  return { text, peer: `${far.remoteAddress}`, header: proxyHeader(far) };
}

function socketPath(backend: TestBackend): string {
  return join(tmpdir(), `coronet-${process.pid}-proxy-header-${backend.name}.sock`);
}

for (const backend of backends) {
  describe(`a PROXY header of connect on ${backend.name}`, () => {
    expectNothingLeft(backend);

    it('states the client to the listener, in both versions, before the first byte', () =>
      backend.run(function* (): Operation<void> {
        for (const version of [1, 2] as const) {
          const header = { version, source: SOURCE, destination: '198.51.100.2:443' };
          const seen = yield* seenBy({ proxyProtocol: header });
          expect(seen).toMatchObject({ text: 'Hello', peer: SOURCE, header: { version } });
          expect(`${seen.header?.destination}`).toBe('198.51.100.2:443');
        }
      }));

    it('passes additional fields on', () =>
      backend.run(function* (): Operation<void> {
        const fields = [{ type: 2, value: Buffer.from('example.org') }];
        const header = { source: SOURCE, destination: DESTINATION, fields };
        const seen = yield* seenBy({ proxyProtocol: header });
        expect([seen.peer, seen.header?.fields]).toEqual(['[::ffff:192.0.2.1]:56324', fields]);
      }));

    it('without addresses leaves the proxy as the peer', () =>
      backend.run(function* (): Operation<void> {
        for (const header of [{}, { version: 1 }] as const) {
          const seen = yield* seenBy({ proxyProtocol: header });
          expect(seen).toMatchObject({ text: 'Hello', header: { local: true } });
          expect(seen.peer).toBe(`${seen.header?.proxy}`);
        }
      }));

    it('is sent over a Unix socket, and may state Unix sockets', () =>
      backend.run(function* (): Operation<void> {
        const address = { path: socketPath(backend) };
        const statements: readonly (readonly [ProxyHeaderOptions, string])[] = [
          [{ source: SOURCE, destination: '198.51.100.2:443' }, SOURCE],
          [{ source: '/run/a.sock', destination: '/run/b.sock' }, '/run/a.sock'],
          [{ source: { path: '' }, destination: '/run/b.sock' }, ''],
        ];
        for (const [header, peer] of statements) {
          const seen = yield* seenBy({ proxyProtocol: header }, {}, address);
          expect([seen.text, seen.peer]).toEqual(['Hello', peer]);
        }
      }));

    it('is checked before anything is opened', () => {
      const wrong: ProxyHeaderOptions = { source: 'example.org:80', destination: SOURCE };
      expect(() => connect(LOOPBACK, { proxyProtocol: wrong })).toThrow(
        /`proxyProtocol.source` to be an IP address with a port/,
      );
    });

    it.runIf(backend.capabilities.options.includes('sendBufferSize'))(
      'is subject to timeoutMs if the server does not read it',
      () =>
        backend.run(function* (): Operation<void> {
          using listener = yield* listen(LOOPBACK, { recvBufferSize: 2304 });
          const fields = [{ type: 0xe0, value: Buffer.alloc(60_000) }];
          const options: ConnectOptions = {
            sendBufferSize: 4608,
            timeoutMs: 50,
            proxyProtocol: { source: SOURCE, destination: DESTINATION, fields },
          };
          const error = yield* failure(() => connect(listener.address, options));
          expect(error.code).toBe('ERR_TIMEOUT');
          expect(error.message).toContain(`the PROXY header with ${listener.address}`);
        }),
    );
  });
}

describe.each(backendsWithTls)('a PROXY header of connect with TLS on $name:', (backend) => {
  expectNothingLeft(backend);

  test('the header is sent in clear text, before the TLS handshake', () =>
    backend.run(function* (): Operation<void> {
      const header = { source: SOURCE, destination: '198.51.100.2:443' };
      const options: ConnectOptions = { proxyProtocol: header, tls: TRUSTING };
      const seen = yield* seenBy(options, { tls: SERVER });
      expect([seen.text, seen.peer]).toEqual(['Hello', SOURCE]);
    }));
});
