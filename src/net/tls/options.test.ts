import { describe, expect, test } from 'vitest';
import { connect, listen, tcpServer } from '../../index.ts';
import type { TlsClientOptions, TlsServerOptions } from '../../world/tls.ts';
import { checkTlsClient, checkTlsServer } from './options.ts';

const OWN = { cert: 'c', key: 'k' };

function server(options: unknown): () => void {
  return () => checkTlsServer(options as TlsServerOptions);
}

function client(options: unknown): () => void {
  return () => checkTlsClient(options as TlsClientOptions);
}

describe('TLS options of a listener', () => {
  test.each([
    [true, 'Expected `tls` to be an object such as { cert, key }, got true (boolean)'],
    [{ ...OWN, cert: 7 }, 'Expected `tls.cert` to be a string, a Uint8Array or an array of these'],
    [{ ...OWN, key: [{ pem: 7 }] }, 'Expected `tls.key[0]` to be a string, a Uint8Array, { pem,'],
    [{ ...OWN, passphrase: 7 }, 'Expected `tls.passphrase` to be a string, got 7 (number)'],
    [{ ...OWN, requestCert: 1 }, 'Expected `tls.requestCert` to be true or false, got 1 (number)'],
    [{ ...OWN, SNICallback: 1 }, 'Expected `tls.SNICallback` to be a function, got 1 (number)'],
    [{ ...OWN, minVersion: 'SSLv3' }, "Expected `tls.minVersion` to be one of 'TLSv1', 'TLSv1.1'"],
    [{ ...OWN, alpn: 'h2' }, "Expected `tls.alpn` to be an array such as ['h2', 'http/1.1']"],
    [{ ...OWN, alpn: ['h2', 3] }, 'Expected `tls.alpn[1]` to be a string, got 3 (number)'],
    [{ ...OWN, contexts: 'a' }, 'Expected `tls.contexts` to be an object such as { cert, key }'],
    [{ ...OWN, ticketKeys: 'k' }, 'Expected `tls.ticketKeys` to be a Uint8Array, got "k" (string)'],
  ])('%o: a TypeError that states the expected value', (options, message) => {
    expect(server(options)).toThrow(TypeError);
    expect(server(options)).toThrow(message);
  });

  test.each([
    [{ ...OWN, alpn: [''] }, '`tls.alpn[0]` to be a name of 1 to 255 bytes, got ""'],
    [{ ...OWN, alpn: ['ä'.repeat(128)] }, '`tls.alpn[0]` to be a name of 1 to 255 bytes'],
    [{ ...OWN, ticketKeys: new Uint8Array(47) }, '`tls.ticketKeys.length` to be 48 bytes, got 47'],
    [{ ...OWN, handshakeTimeoutMs: -1 }, '`tls.handshakeTimeoutMs` to be a number ≥ 0, got -1'],
    [{ ...OWN, maxHandshakes: 0 }, '`tls.maxHandshakes` to be a whole number from 1 to 65536'],
  ])('%o: a RangeError that states the expected value', (options, message) => {
    expect(server(options)).toThrow(RangeError);
    expect(server(options)).toThrow(message);
  });

  test.each([
    [{}, 'A listener with TLS needs a certificate and its key'],
    [{ cert: 'c' }, '`tls.cert` is given without `tls.key`: both are needed'],
    [{ key: 'k' }, 'needs a certificate'],
    [
      { ...OWN, contexts: { 'a.test': { key: 'k' } } },
      '`tls.contexts["a.test"].key` is given without',
    ],
    [{ ...OWN, contexts: { 'a.test': { alpn: [] } } }, "has no option 'alpn'"],
    [{ ...OWN, certs: 'c' }, "`tls` has no option 'certs'. Expected one of: cert, key, pfx"],
    [{ ...OWN, servername: 'a' }, "`tls` has no option 'servername'"],
  ])('%o: a UsageError that names the missing or unknown option', (options, message) => {
    expect(server(options)).toThrow(expect.objectContaining({ code: 'ERR_TLS_OPTIONS' }));
    expect(server(options)).toThrow(message);
  });

  test('the forms of node:tls and absent options are accepted', () => {
    const valid = [
      { ...OWN, cert: [Buffer.from('a'), 'b'], ca: undefined, alpn: [] },
      { ...OWN, key: [{ pem: 'k', passphrase: 'p' }], handshakeTimeoutMs: Infinity },
      { pfx: [{ buf: Buffer.from('p') }], maxHandshakes: 1 },
      { SNICallback: () => {} },
      { contexts: { 'a.test': OWN } },
    ];
    for (const options of valid) expect(server(options)).not.toThrow();
  });
});

describe('TLS options of a connection', () => {
  test.each([
    [{ servername: 7 }, 'Expected `tls.servername` to be a string, got 7 (number)'],
    [{ session: 'x' }, 'Expected `tls.session` to be a Uint8Array, got "x" (string)'],
    [{ checkServerIdentity: true }, 'Expected `tls.checkServerIdentity` to be a function'],
    [{ cert: 'c' }, '`tls.cert` is given without `tls.key`'],
    [{ requestCert: true }, "`tls` has no option 'requestCert'"],
  ])('%o is rejected', (options, message) => {
    expect(client(options)).toThrow(message);
  });
});

test('TLS options are checked when the operation is created', () => {
  const wrong = { tls: { alpn: 'h2' } } as unknown as { tls: TlsServerOptions & TlsClientOptions };
  expect(() => listen(0, wrong)).toThrow(TypeError);
  expect(() => tcpServer(0, function* () {}, wrong)).toThrow(TypeError);
  expect(() => connect(1, wrong)).toThrow(TypeError);
});
