/** The headers of the specification, headers similar to them, and arbitrary bytes. */
import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import type { ParsedProxyHeader, ProxyParse } from './header.ts';
import { crc32c, parseProxyHeader } from './header.ts';

const MAX_LENGTH = 4096;
const SIGNATURE = [0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a];
const IPV4_BLOCK = [192, 0, 2, 1, 198, 51, 100, 2, 0xdc, 0x04, 0x01, 0xbb];
const LONG = 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff';

function latin1(text: string): Buffer {
  return Buffer.from(text, 'latin1');
}

function binary(command: number, family: number, body: readonly number[], length = body.length) {
  return Buffer.from([...SIGNATURE, command, family, length >> 8, length & 0xff, ...body]);
}

function field(type: number, ...value: readonly number[]): number[] {
  return [type, value.length >> 8, value.length & 0xff, ...value];
}

/** A header with a checksum field: the checksum is computed with zeros in its place. */
function checksummed(...before: readonly number[]): Buffer {
  const zeros = [...IPV4_BLOCK, ...before, ...field(0x03, 0, 0, 0, 0), ...field(0x04, 0)];
  const bytes = binary(0x21, 0x11, zeros);
  bytes.writeUInt32BE(crc32c(bytes), bytes.length - 8);
  return bytes;
}

function headerOf(bytes: Buffer): ParsedProxyHeader {
  const parse = parseProxyHeader(bytes, MAX_LENGTH);
  if (parse.kind !== 'header') throw new Error(`Expected a header, got ${JSON.stringify(parse)}`);
  return parse.header;
}

function summary(header: ParsedProxyHeader): string {
  const { version, local, source, destination } = header;
  return `v${version} ${local ? 'local' : `${source} to ${destination}`}`;
}

const lines: readonly (readonly [string, string])[] = [
  ['PROXY TCP4 192.168.0.1 192.168.0.11 56324 443', 'v1 192.168.0.1:56324 to 192.168.0.11:443'],
  [
    'PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535',
    'v1 255.255.255.255:65535 to 255.255.255.255:65535',
  ],
  ['PROXY TCP4 1.1.1.1 1.1.1.1 0 0', 'v1 1.1.1.1:0 to 1.1.1.1:0'],
  [`PROXY TCP6 ${LONG} ${LONG} 65535 65535`, `v1 [${LONG}]:65535 to [${LONG}]:65535`],
  ['PROXY TCP6 ::1 :: 1 2', 'v1 [::1]:1 to [::]:2'],
  ['PROXY UNKNOWN', 'v1 local'],
  [`PROXY UNKNOWN ${LONG} ${LONG} 65535 65535`, 'v1 local'],
];

describe('a version 1 header', () => {
  test.each(lines)('the parser accepts %s', (text, expected) => {
    const bytes = latin1(`${text}\r\nGET / HTTP/1.1\r\n`);
    expect(summary(headerOf(bytes))).toBe(expected);
    expect(parseProxyHeader(bytes, MAX_LENGTH)).toMatchObject({ length: text.length + 2 });
  });

  it('the parser accepts a line of 107 bytes, the maximum of the specification', () => {
    const longest = `PROXY UNKNOWN ${LONG} ${LONG} 65535 65535\r\n`;
    expect(longest.length).toBe(107);
    expect(parseProxyHeader(latin1(longest), MAX_LENGTH).kind).toBe('header');
    const longer = latin1(`PROXY UNKNOWN ${'x'.repeat(200)}\r\n`);
    expect(parseProxyHeader(longer, MAX_LENGTH).kind).toBe('invalid');
    expect(parseProxyHeader(longer.subarray(0, 107), MAX_LENGTH).kind).toBe('invalid');
    expect(parseProxyHeader(longer.subarray(0, 106), MAX_LENGTH).kind).toBe('more');
  });

  test.each([
    'PROXY TCP4 1.1.1.1 1.1.1.1 1',
    'PROXY TCP4 1.1.1.1 1.1.1.1 1 1 1',
    'PROXY TCP4 1.1.1.1  1.1.1.1 1 1',
    'PROXY TCP4 ::1 ::1 1 1',
    'PROXY TCP6 1.1.1.1 1.1.1.1 1 1',
    'PROXY TCP6 fe80::1%eth0 ::1 1 1',
    'PROXY TCP4 01.1.1.1 1.1.1.1 1 1',
    'PROXY TCP4 1.1.1.1 1.1.1.1 1 65536',
    'PROXY TCP4 1.1.1.1 1.1.1.1 01 1',
    'PROXY TCP4 1.1.1.1 1.1.1.1 -1 1',
    'PROXY TCP4 1.1.1.1 1.1.1.1 1 1 ',
    'PROXY tcp4 1.1.1.1 1.1.1.1 1 1',
    'PROXY UDP4 1.1.1.1 1.1.1.1 1 1',
    'PROXY UNKNOWNS',
    'PROXY ',
  ])('the parser rejects %s', (text) => {
    expect(parseProxyHeader(latin1(`${text}\r\n`), MAX_LENGTH).kind).toBe('invalid');
  });

  it('the parser rejects a line that ends without a carriage return', () => {
    expect(parseProxyHeader(latin1('PROXY UNKNOWN\nGET'), MAX_LENGTH).kind).toBe('invalid');
  });
});

const paths = [...Buffer.alloc(216)];
paths.splice(0, 4, ...Buffer.from('/a/b'));
paths.splice(108, 2, 0, 0x6e);

const headers: readonly (readonly [string, Buffer, string])[] = [
  ['IPv4', binary(0x21, 0x11, IPV4_BLOCK), 'v2 192.0.2.1:56324 to 198.51.100.2:443'],
  ['IPv4 over UDP', binary(0x21, 0x12, IPV4_BLOCK), 'v2 192.0.2.1:56324 to 198.51.100.2:443'],
  [
    'IPv6',
    binary(0x21, 0x21, [
      ...[0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
      ...[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 9],
      ...[0, 80, 1, 0],
    ]),
    'v2 [2001:db8::1]:80 to [::ffff:192.0.2.9]:256',
  ],
  ['Unix paths', binary(0x21, 0x31, paths), 'v2 /a/b to @n'],
  ['the proxy itself', binary(0x20, 0x00, []), 'v2 local'],
  ['the proxy itself with what is to be skipped', binary(0x20, 0xff, [1, 2, 3]), 'v2 local'],
  ['an unknown family', binary(0x21, 0x00, []), 'v2 local'],
];

describe('a version 2 header', () => {
  test.each(headers)('the parser accepts %s', (_, bytes, expected) => {
    const followed = Buffer.concat([bytes, Buffer.from('Hello')]);
    expect(summary(headerOf(followed))).toBe(expected);
    expect(parseProxyHeader(followed, MAX_LENGTH)).toMatchObject({ length: bytes.length });
  });

  it('the parser returns the additional fields, up to the maximum length', () => {
    const body = [...IPV4_BLOCK, ...field(0x02, 0x61, 0x62), ...field(0xe0), ...field(0x04, 0, 0)];
    const bytes = binary(0x21, 0x11, body);
    expect(headerOf(bytes).fields).toEqual([
      { type: 0x02, value: Buffer.from('ab') },
      { type: 0xe0, value: Buffer.alloc(0) },
      { type: 0x04, value: Buffer.alloc(2) },
    ]);
    expect(parseProxyHeader(bytes, bytes.length).kind).toBe('header');
    expect(parseProxyHeader(bytes, bytes.length - 1).kind).toBe('invalid');
  });

  it('the parser verifies the checksum over the whole header', () => {
    const bytes = checksummed(...field(0x02, 0x61));
    expect(headerOf(bytes).fields.map(({ type }) => type)).toEqual([0x02, 0x03, 0x04]);
    const typeOfChecksum = bytes.length - 11; // With another type it is not a checksum.
    for (let at = 16; at < bytes.length; at++) {
      if (at === typeOfChecksum) continue;
      const altered = Buffer.from(bytes);
      altered[at] = (altered[at] as number) ^ 1;
      expect(parseProxyHeader(altered, MAX_LENGTH).kind, `byte ${at}`).not.toBe('header');
    }
  });

  test.each<readonly [string, Buffer]>([
    ['version 1 in binary', binary(0x11, 0x11, IPV4_BLOCK)],
    ['an unknown command', binary(0x22, 0x11, IPV4_BLOCK)],
    ['an unknown family', binary(0x21, 0x41, IPV4_BLOCK)],
    ['an unknown protocol', binary(0x21, 0x13, IPV4_BLOCK)],
    ['too few bytes for the addresses', binary(0x21, 0x11, IPV4_BLOCK.slice(1))],
    ['a field without its length', binary(0x21, 0x11, [...IPV4_BLOCK, 1, 0])],
    ['a field that is cut off', binary(0x21, 0x11, [...IPV4_BLOCK, 1, 0, 2, 9])],
    ['a checksum of three bytes', binary(0x21, 0x11, [...IPV4_BLOCK, ...field(3, 0, 0, 0)])],
    ['a length beyond the limit', binary(0x21, 0x11, IPV4_BLOCK, 0xffff)],
  ])('the parser rejects %s', (_, bytes) => {
    expect(parseProxyHeader(bytes, MAX_LENGTH).kind).toBe('invalid');
  });
});

describe('the first bytes of a connection', () => {
  test.each(['GET / HTTP/1.1\r\n', 'PROXZ', 'proxy TCP4', '\r\n\r\nX', '\0', '\x16\x03\x01', 'P '])(
    '%j is not a PROXY header',
    (text) => {
      expect(parseProxyHeader(latin1(text), MAX_LENGTH)).toEqual({ kind: 'absent' });
    },
  );

  const whole = [
    ...lines.map(([text]) => latin1(`${text}\r\n`)),
    ...headers.map(([, bytes]) => bytes),
    checksummed(),
  ];

  it('a header can be split at any byte, and the parser requests no bytes after it', () => {
    for (const bytes of whole) {
      for (let length = 0; length < bytes.length; length++) {
        const parse = parseProxyHeader(bytes.subarray(0, length), MAX_LENGTH);
        if (parse.kind !== 'more') throw new Error(`${length}: ${JSON.stringify(parse)}`);
        expect(parse.atLeast).toBeGreaterThan(length);
        expect(parse.atLeast).toBeLessThanOrEqual(bytes.length);
      }
    }
  });

  it('a header takes fewer reads than half the number of its bytes', () => {
    for (const bytes of whole) expect(readsFor(bytes)).toBeLessThan(bytes.length / 2);
  });

  it('the parser returns a valid result for any bytes, and never throws', () => {
    const begins = fc.constantFrom(...whole, Buffer.from(SIGNATURE), latin1('PROXY '), latin1(''));
    const input = fc.tuple(begins, fc.nat(60), fc.uint8Array({ maxLength: 300 }));
    const property = fc.property(input, ([begin, keep, rest]) => {
      const bytes = Buffer.concat([begin.subarray(0, keep), rest]);
      expectSound(parseProxyHeader(bytes, MAX_LENGTH), bytes);
    });
    fc.assert(property, { numRuns: 2000 });
  });

  it('a header with a flipped bit parses to a consistent header or is rejected', () => {
    const flip = fc.tuple(fc.constantFrom(...whole), fc.nat(300), fc.nat(7));
    const property = fc.property(flip, ([original, at, bit]) => {
      const bytes = Buffer.from(original);
      bytes[at % bytes.length] = (bytes[at % bytes.length] as number) ^ (1 << bit);
      expectSound(parseProxyHeader(bytes, MAX_LENGTH), bytes);
    });
    fc.assert(property, { numRuns: 2000 });
  });
});

/** The number of reads that receive exactly the bytes that the parser requests. */
function readsFor(bytes: Buffer): number {
  let reads = 0;
  for (let length = 0; ; reads++) {
    const parse = parseProxyHeader(bytes.subarray(0, length), MAX_LENGTH);
    if (parse.kind !== 'more') return reads;
    length = parse.atLeast;
  }
}

function expectSound(parse: ProxyParse, bytes: Buffer): void {
  if (parse.kind === 'more') expect(parse.atLeast).toBeGreaterThan(bytes.length);
  if (parse.kind === 'invalid') expect(parse.why).not.toBe('');
  if (parse.kind !== 'header') return;
  expect(parse.length).toBeLessThanOrEqual(bytes.length);
  expect(parse.header.local).toBe(parse.header.source === undefined);
  // The bytes after a header do not affect it.
  expect(parseProxyHeader(bytes.subarray(0, parse.length), MAX_LENGTH)).toEqual(parse);
}

test('crc32c matches the CRC-32C test vectors', () => {
  expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283);
  expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
  expect(crc32c(Buffer.from('1234'), Buffer.from('56789'))).toBe(0xe3069283);
});
