/** Addresses: all valid forms, and invalid ones. */
import { isIP } from 'node:net';
import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import type { Address } from './address.ts';
import { ipFamily, parseAddress, SocketAddress } from './address.ts';

const forms: [Address, unknown][] = [
  [25000, { host: '', port: 25000 }],
  ['25000', { host: '', port: 25000 }],
  [':80', { host: '', port: 80 }],
  ['127.0.0.1:25000', { host: '127.0.0.1', port: 25000 }],
  ['example.org:443', { host: 'example.org', port: 443 }],
  ['[::1]:80', { host: '::1', port: 80 }],
  ['[fe80::1%eth0]:80', { host: 'fe80::1%eth0', port: 80 }],
  ['[::ffff:127.0.0.1]:80', { host: '::ffff:127.0.0.1', port: 80 }],
  ['localhost:00080', { host: 'localhost', port: 80 }],
  ['127.1:80', { host: '127.1', port: 80 }],
  ['_dns.example.org.:53', { host: '_dns.example.org.', port: 53 }],
  ['1.2.3.example:53', { host: '1.2.3.example', port: 53 }],
  ['/run/x.sock', { path: '/run/x.sock' }],
  ['/run/x:80', { path: '/run/x:80' }],
  ['../x.sock', { path: '../x.sock' }],
  ['@name', { path: '\0name' }],
  [{ path: '\0name' }, { path: '\0name' }],
  [{ path: '@name' }, { path: '@name' }],
  [new SocketAddress({ path: '\0name' }), { path: '\0name' }],
  ['./x.sock', { path: './x.sock' }],
  [{ port: 0 }, { host: '', port: 0 }],
  [
    { host: '::', port: 65535 },
    { host: '::', port: 65535 },
  ],
  [{ path: 'x' }, { path: 'x' }],
  [new SocketAddress({ host: '10.0.0.1', port: 7, family: 4 }), { host: '10.0.0.1', port: 7 }],
  [new SocketAddress({ path: '/x' }), { path: '/x' }],
];

describe('parseAddress accepts', () => {
  test.each(forms)('%s', (address, parsed) => {
    expect(parseAddress(address)).toEqual(parsed);
  });
});

const noAddresses: unknown[] = [
  ...[
    '',
    ' ',
    'localhost',
    'host',
    'host:',
    'host:http',
    'a:b',
    'a:b:c',
    'a:b:80',
    '::1',
    '::1:80',
  ],
  ...[
    '[::1]',
    '[]:80',
    '[host]:80',
    '[127.0.0.1]:80',
    '[::1]80',
    '[::1]:',
    '[::1%]:80',
    '127.0.0.1',
  ],
  ...['127.0.0.1:', '1.2.3.4.5:80', '256.0.0.1:80', '010.0.0.1:80', '1.2.3.4.:80', '-1', '+80'],
  ...['host:-1', 'host:1.5', 'host: 80', 'ho st:80', 'http://host:80', 'host/x:80', 'me@host:80'],
  ...['\0name', 'a\0b:80', '/run/\0x', '@', '@a\0b', '~/x.sock', 'x.sock', '.', '..'],
  ...[{}, [], { host: 'a' }, { path: '' }, { path: '\0' }, { path: 'a\0b' }, { path: '\0a\0' }],
  ...[
    { host: 'a:b', port: 1 },
    { host: '[::1]', port: 1 },
    { host: '256.0.0.1', port: 1 },
  ],
];

const wrongTypes: unknown[] = [
  ...[null, undefined, true, 80n, Symbol('port'), () => 80],
  ...[{ host: 1, port: 1 }, { host: null, port: 1 }, { port: '80' }, { port: null }, { path: 5 }],
];

/** A typo of `host`. Without a check, these would mean all interfaces. */
const wrongNames: [unknown, RegExp][] = [
  [{ hostname: 'a', port: 1 }, /`address\.hostname` to be absent \(known: host, /],
  [{ address: '::1', family: 'IPv6', port: 1 }, /`address\.address` to be absent \(known: host, /],
];

const wrongPorts: unknown[] = [
  ...[-1, 65536, 70000, 1.5, Number.NaN, Infinity, '65536', '127.0.0.1:70000', '[::1]:99999999999'],
  ...[{ port: -1 }, { host: 'a', port: 1e9 }, { port: Number.NaN }],
];

test('an empty host is rejected, because it would mean all interfaces', () => {
  const empty = expect.objectContaining({
    code: 'ERR_ADDRESS',
    message: expect.stringMatching(/got ''.*\n {2}right: {2}\{ port: 80 \}/),
  });
  expect(() => parseAddress({ host: '', port: 80 })).toThrow(empty);
});

describe('parseAddress rejects, and lists the valid forms,', () => {
  test.each(noAddresses)('%j', (value) => {
    expect(() => parseAddress(value as Address)).toThrow(
      expect.objectContaining({
        code: 'ERR_ADDRESS',
        message: expect.stringContaining("'127.0.0.1:25000'"),
      }),
    );
  });

  test.each(wrongNames)('%j', (value, message) => {
    expect(() => parseAddress(value as Address)).toThrow(message);
  });

  test.each(wrongPorts)('port %j', (address) => {
    expect(() => parseAddress(address as Address)).toThrow(
      expect.objectContaining({
        code: 'ERR_OUT_OF_RANGE',
        message: expect.stringMatching(/`port` to be a whole number from 0 to 65535/),
      }),
    );
  });

  test.each(wrongTypes.map((value) => [inspect(value), value]))('%s', (_, value) => {
    expect(() => parseAddress(value as Address)).toThrow(
      expect.objectContaining({
        name: 'TypeError',
        code: 'ERR_INVALID_ARG_TYPE',
        message: expect.stringMatching(/^Expected `.*` to be .*, got /),
      }),
    );
  });
});

describe('an address that is nearly right', () => {
  test.each([
    ['localhost', 'A port is missing', 'localhost:80'],
    ['localhost:', 'A port is missing', 'localhost:80'],
    ['127.0.0.1', 'A port is missing', '127.0.0.1:80'],
    ['[::1]', 'A port is missing', '[::1]:80'],
    ['::1', 'Brackets and a port are missing', '[::1]:80'],
    ['::1:8080', 'Brackets are missing', '[::1]:8080'],
    ['fe80::1%eth0:53', 'Brackets are missing', '[fe80::1%eth0]:53'],
  ])('%s is rejected with the right form', (text, mistake, right) => {
    expect(() => parseAddress(text)).toThrow(`. ${mistake}.\n  right:  '${right}'`);
    expect(parseAddress(right)).toBeDefined();
  });

  test.each(['', 'a:b:c', '-1', '1.2.3.4.5:80', 'http://host:80', '[host]:80', 'x/y'])(
    '%j is rejected without a guess',
    (text) => {
      expect(() => parseAddress(text)).not.toThrow('missing');
      expect(() => parseAddress(text)).toThrow('Expected an address');
    },
  );
});

describe('a SocketAddress', () => {
  test('a SocketAddress is written in a form that parseAddress accepts', () => {
    for (const text of ['127.0.0.1:25000', '[::1]:80', '/run/x.sock', '@name']) {
      const parsed = parseAddress(text);
      const family = 'host' in parsed && parsed.host.includes(':') ? 6 : 4;
      const endpoint = 'host' in parsed ? { ...parsed, family: family as 4 | 6 } : parsed;
      expect(String(new SocketAddress(endpoint as { path: string }))).toBe(text);
    }
  });

  test('a SocketAddress of a path is written so that it reads as the same path', () => {
    const paths = ['x', '@name', './x', '../x', '80', 'a:1', '\0name'];
    const texts = paths.map((path) => String(new SocketAddress({ path })));
    expect(texts).toEqual(['./x', './@name', './x', '../x', './80', './a:1', '@name']);
    expect(String(new SocketAddress({ path: '' }))).toBe('');
  });

  test('a SocketAddress has a family', () => {
    expect(new SocketAddress({ host: '::1', port: 1, family: 6 }).family).toBe('IPv6');
    expect(new SocketAddress({ host: '1.2.3.4', port: 1, family: 4 }).family).toBe('IPv4');
    expect(new SocketAddress({ path: '/x' })).toMatchObject({
      family: 'unix',
      port: 0,
      path: '/x',
    });
  });
});

describe('ipFamily distinguishes IP addresses from names', () => {
  const v4 = ['1.2.3.4', '0.0.0.0', '255.255.255.255'];
  const v6 = [
    ...[
      '::',
      '::1',
      '1::',
      '1:2:3:4:5:6:7:8',
      '1:2:3:4:5:6:7::',
      '::2:3:4:5:6:7:8',
      'fe80::1%eth0',
    ],
    ...['ABCD::ef01', '::ffff:1.2.3.4', '1:2:3:4:5:6:1.2.3.4', '64:ff9b::192.0.2.1', '::1%1'],
  ];
  const names = [
    ...['', 'localhost', 'a.b', '256.1.1.1', '1.2.3', '1.2.3.4.5', '01.2.3.4', '1.2.3.4%eth0', ':'],
    ...['a:b', ':::', '1::2::3', '1:2:3:4:5:6:7', '1:2:3:4:5:6:7:8:9', '12345::', '::g', '::1%'],
    ...['1:2:3:4:5:6:7:8::', '::1.2.3', '1.2.3.4::', '::1.2.3.4:5', '::1%a%b', '[::1]', ' ::1'],
  ];

  test.each([...v4, ...v6, ...names])('%j', (text) => {
    expect(ipFamily(text)).toBe(v4.includes(text) ? 4 : v6.includes(text) ? 6 : 0);
    expect(ipFamily(text)).toBe(isIP(text));
  });
});
