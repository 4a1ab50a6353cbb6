/** Headers that `connect` sends: the parser reads what the encoder wrote. */
import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { SocketAddress } from '../address.ts';
import type { ProxyHeaderOptions } from './encode.ts';
import { encodeProxyHeader } from './encode.ts';
import type { ParsedProxyHeader } from './header.ts';
import { parseProxyHeader } from './header.ts';

/** Encodes and parses; the encoder adds nothing after the header. */
function roundTrip(options: ProxyHeaderOptions): ParsedProxyHeader {
  const bytes = encodeProxyHeader(options);
  const parse = parseProxyHeader(bytes, 2 ** 17);
  if (parse.kind !== 'header') throw new Error(`Expected a header, got ${JSON.stringify(parse)}`);
  expect(parse.length).toBe(bytes.length);
  return parse.header;
}

function summary(options: ProxyHeaderOptions): string {
  const { version, local, source, destination } = roundTrip(options);
  return `v${version} ${local ? 'local' : `${source} to ${destination}`}`;
}

const V4 = { source: '192.0.2.1:56324', destination: '198.51.100.2:443' };

const port = fc.nat(65535);
const ipv4 = fc.tuple(fc.ipV4(), port).map(([host, at]) => `${host}:${at}`);
const ipv6 = fc.tuple(fc.ipV6(), port).map(([host, at]) => `[${host}]:${at}`);
/** Up to 108 bytes in UTF-8. */
const path = fc.string({ minLength: 1, maxLength: 26, unit: 'binary' }).map((text) => {
  return { path: `/${text.replaceAll('\0', '0')}` };
});
const ends = fc.oneof(fc.tuple(ipv4, ipv4), fc.tuple(ipv6, ipv6), fc.tuple(path, path));
const fields = fc.array(
  fc.record({
    type: fc.nat(255).filter((type) => type !== 3),
    value: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
  }),
  { maxLength: 5 },
);

describe('the encoder of PROXY headers', () => {
  it('writes version 2 headers that the parser reads back, for any addresses and fields', () => {
    const property = fc.property(ends, fields, ([source, destination], sent) => {
      const header = roundTrip({ source, destination, fields: sent });
      expect(header).toMatchObject({ version: 2, local: false, fields: sent });
      expect(sameAddress(header.source, source)).toBe(true);
      expect(sameAddress(header.destination, destination)).toBe(true);
    });
    fc.assert(property, { numRuns: 500 });
  });

  it('writes version 1 headers that the parser reads back, for any IP addresses', () => {
    const property = fc.property(ends, ([source, destination]) => {
      const header = roundTrip({ version: 1, source, destination });
      const isUnix = typeof source !== 'string';
      expect(header).toMatchObject({ version: 1, local: isUnix, fields: [] });
      if (isUnix) return;
      expect(sameAddress(header.source, source)).toBe(true);
      expect(sameAddress(header.destination, destination)).toBe(true);
    });
    fc.assert(property, { numRuns: 500 });
  });

  test.each<readonly [ProxyHeaderOptions, string]>([
    [{}, 'v2 local'],
    [{ version: 1 }, 'v1 local'],
    [{ ...V4 }, 'v2 192.0.2.1:56324 to 198.51.100.2:443'],
    [{ version: 1, ...V4 }, 'v1 192.0.2.1:56324 to 198.51.100.2:443'],
    [{ source: '@n', destination: { path: '\0m' } }, 'v2 @n to @m'],
    [{ version: 1, source: '/a', destination: '/b' }, 'v1 local'],
  ])('%j is read back as %j', (options, expected) => {
    expect(summary(options)).toBe(expected);
  });

  it('accepts an unnamed Unix socket, and no other empty path', () => {
    const source = new SocketAddress({ path: '' });
    expect(summary({ source, destination: '/run/a.sock' })).toBe('v2  to /run/a.sock');
  });

  test.each([1, 2] as const)(
    'maps the IPv4 address to IPv6 if only one address is IPv4, in version %i',
    (version) => {
      const mixed = { version, source: '192.0.2.1:1', destination: '[2001:db8::1%eth0]:2' };
      expect(summary(mixed)).toBe(`v${version} [::ffff:192.0.2.1]:1 to [2001:db8::1]:2`);
    },
  );

  it('writes the known bytes of both versions', () => {
    const line = 'PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n';
    expect(String(encodeProxyHeader({ version: 1, ...V4 }))).toBe(line);
    const binary = '0d0a0d0a000d0a515549540a2111000cc0000201c6336402dc0401bb';
    expect(encodeProxyHeader(V4).toString('hex')).toBe(binary);
    expect(encodeProxyHeader({}).toString('hex')).toBe('0d0a0d0a000d0a515549540a20000000');
  });

  it('replaces a checksum by that of the header that it writes, which the parser verifies', () => {
    const stale = { type: 3, value: Buffer.from('old!') };
    const other = { type: 2, value: Buffer.from('example.org') };
    const { fields: read } = roundTrip({ ...V4, fields: [stale, other] });
    expect(read.map(({ type }) => type)).toEqual([2, 3]);
  });

  test.each<readonly [object, string, RegExp]>([
    [{ version: 3 }, 'ERR_OUT_OF_RANGE', /`proxyProtocol.version` to be 1 or 2, got 3/],
    [{ sorce: '/a' }, 'ERR_INVALID_ARG_TYPE', /did you mean `source`/],
    [{ source: '192.0.2.1:1' }, 'ERR_INVALID_ARG_TYPE', /`proxyProtocol.destination`/],
    [{ destination: '192.0.2.1:1' }, 'ERR_INVALID_ARG_TYPE', /`proxyProtocol.source`/],
    [{ ...V4, source: 'example.org:80' }, 'ERR_OUT_OF_RANGE', /to be an IP address with a port/],
    [{ ...V4, source: 80 }, 'ERR_OUT_OF_RANGE', /to be an IP address with a port/],
    [{ ...V4, source: '192.0.2.1' }, 'ERR_ADDRESS', /Expected an address/],
    [{ ...V4, source: '/a' }, 'ERR_ADDRESS', /both IP addresses or both Unix sockets/],
    [{ source: '/a', destination: `/${'ä'.repeat(54)}` }, 'ERR_OUT_OF_RANGE', /108 bytes/],
    [{ ...V4, fields: {} }, 'ERR_INVALID_ARG_TYPE', /`proxyProtocol.fields` to be an array/],
    [{ ...V4, fields: [{ type: 256, value: Buffer.alloc(0) }] }, 'ERR_OUT_OF_RANGE', /0 to 255/],
    [{ ...V4, fields: [{ type: 1, value: 'h2' }] }, 'ERR_INVALID_ARG_TYPE', /a Uint8Array/],
    [{ ...V4, fields: [{ type: 1, value: Buffer.alloc(65535) }] }, 'ERR_OUT_OF_RANGE', /at most/],
    [{ fields: [{ type: 1, value: Buffer.alloc(1) }] }, 'ERR_INVALID_ARG_TYPE', /absent/],
    [
      { ...V4, version: 1, fields: [{ type: 1, value: Buffer.alloc(1) }] },
      'ERR_INVALID_ARG_TYPE',
      /absent/,
    ],
  ])('rejects %j with %s', (options, code, message) => {
    expect(() => encodeProxyHeader(options)).toThrow(expect.objectContaining({ code }));
    expect(() => encodeProxyHeader(options)).toThrow(message);
  });
});

/** Compares in one notation: an IPv6 address has several. */
function sameAddress(
  read: SocketAddress | undefined,
  sent: string | { readonly path: string },
): boolean {
  if (typeof sent !== 'string') return read?.path === sent.path;
  const url = (text: string) => new URL(`http://${text}/`).host;
  return read !== undefined && url(`${read}`) === url(sent);
}
