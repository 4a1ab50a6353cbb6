/** Addresses: every form in which they are given, and what is none. */
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
  ['/run/x.sock', { path: '/run/x.sock' }],
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

describe('an address is understood', () => {
  test.each(forms)('%s', (address, parsed) => {
    expect(parseAddress(address)).toEqual(parsed);
  });
});

describe('what is no address says which ones there are', () => {
  test.each(['', 'localhost', '::1', '[::1]', '127.0.0.1', 'a:b', '127.0.0.1:'])('%j', (text) => {
    expect(() => parseAddress(text)).toThrow(
      expect.objectContaining({
        code: 'ERR_ADDRESS',
        message: expect.stringContaining("'127.0.0.1:25000'"),
      }),
    );
  });

  test.each([-1, 65536, 1.5, Number.NaN, '127.0.0.1:70000'])('port %s', (address) => {
    expect(() => parseAddress(address)).toThrow(/`port` to be a whole number from 0 to 65535/);
  });

  test.each([null, undefined, true, {}, { host: 1, port: 1 }, { path: '' }])('%j', (value) => {
    expect(() => parseAddress(value as unknown as Address)).toThrow(/Expected/);
  });
});

describe('a SocketAddress', () => {
  test('is written as parseAddress reads it', () => {
    for (const text of ['127.0.0.1:25000', '[::1]:80', '/run/x.sock']) {
      const parsed = parseAddress(text);
      const family = 'host' in parsed && parsed.host.includes(':') ? 6 : 4;
      const endpoint = 'host' in parsed ? { ...parsed, family: family as 4 | 6 } : parsed;
      expect(String(new SocketAddress(endpoint as { path: string }))).toBe(text);
    }
  });

  test('names its family', () => {
    expect(new SocketAddress({ host: '::1', port: 1, family: 6 }).family).toBe('IPv6');
    expect(new SocketAddress({ host: '1.2.3.4', port: 1, family: 4 }).family).toBe('IPv4');
    expect(new SocketAddress({ path: '/x' })).toMatchObject({
      family: 'unix',
      port: 0,
      path: '/x',
    });
  });
});

test('an IP address is told from a name', () => {
  expect(['::1', '1.2.3.4', '256.1.1.1', 'a.b', 'localhost'].map(ipFamily)).toEqual([
    6, 4, 0, 0, 0,
  ]);
});
