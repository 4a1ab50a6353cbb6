/** Address ranges, and IP addresses as text and bytes. */
import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { ipBytes, ipFamily, ipv4Text, ipv6Text, SocketAddress } from '../address.ts';
import { AddressRanges } from './header-stage.ts';

function at(host: string): SocketAddress {
  return new SocketAddress({ host, port: 1, family: ipFamily(host) === 6 ? 6 : 4 });
}

describe('an address range', () => {
  test.each<readonly [string, string, boolean]>([
    ['10.0.0.0/8', '10.255.0.1', true],
    ['10.0.0.0/8', '11.0.0.1', false],
    ['10.0.0.0/8', '::ffff:10.1.2.3', true],
    ['192.0.2.7', '192.0.2.7', true],
    ['192.0.2.7', '192.0.2.8', false],
    ['192.0.2.128/25', '192.0.2.127', false],
    ['192.0.2.128/25', '192.0.2.255', true],
    ['0.0.0.0/0', '203.0.113.9', true],
    ['0.0.0.0/0', '2001:db8::1', false],
    ['::/0', '2001:db8::1', true],
    ['fd00::/8', 'fdff::1', true],
    ['fd00::/8', 'fe00::1', false],
    ['2001:db8::/33', '2001:db8:7fff::1', true],
    ['2001:db8::/33', '2001:db8:8000::1', false],
    ['fe80::/10', 'fe80::1%eth0', true],
    ['::1', '::1', true],
    ['::1', '127.0.0.1', false],
  ])('the range %s contains %s: %s', (range, host, expected) => {
    expect(new AddressRanges('trusted', [range]).has(at(host))).toBe(expected);
  });

  it("the range 'unix' contains Unix sockets and no other address", () => {
    const unix = new SocketAddress({ path: '' });
    expect(new AddressRanges('trusted', ['unix']).has(unix)).toBe(true);
    expect(new AddressRanges('trusted', ['unix']).has(at('127.0.0.1'))).toBe(false);
    expect(new AddressRanges('trusted', ['0.0.0.0/0', '::/0']).has(unix)).toBe(false);
  });

  test.each(['', '10.0.0.0/', '10.0.0.0/33', '::/129', '10.0.0/8', 'localhost', '::1%lo', '1/8'])(
    '%j is not an address range',
    (range) => {
      expect(() => new AddressRanges('trusted', ['::1', range])).toThrow(
        /`trusted\[1\]` to be a range/,
      );
    },
  );

  it('address ranges are texts in an array', () => {
    const wrong = (ranges: unknown) => () =>
      new AddressRanges('trusted', ranges as readonly string[]);
    expect(wrong('10.0.0.0/8')).toThrow(TypeError);
    expect(wrong([10])).toThrow(TypeError);
  });
});

describe('an IPv6 address as text', () => {
  test.each([
    ['2001:0db8:0000:0000:0001:0000:0000:0001', '2001:db8::1:0:0:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['0:0:0:0:0:0:0:0', '::'],
    ['0:0:0:0:0:0:0:1', '::1'],
    ['1:0:0:0:0:0:0:0', '1::'],
    ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
    ['0:0:0:0:0:ffff:c000:0201', '::ffff:192.0.2.1'],
    ['ABCD::', 'abcd::'],
  ])('%s is written as %s (RFC 5952)', (text, expected) => {
    expect(ipv6Text(ipBytes(text))).toBe(expected);
  });

  it('the text of any 16 bytes parses to the same bytes', () => {
    const byte = fc.oneof(fc.constant(0), fc.nat(255));
    const property = fc.property(fc.array(byte, { minLength: 16, maxLength: 16 }), (bytes) => {
      const text = ipv6Text(Uint8Array.from(bytes));
      expect(ipFamily(text)).toBe(6);
      expect([...ipBytes(text)]).toEqual(bytes);
    });
    fc.assert(property);
  });
});

test('an IPv4 address has the bytes of its mapped form', () => {
  expect([...ipBytes('192.0.2.1')]).toEqual([...ipBytes('::ffff:192.0.2.1')]);
  expect(ipv4Text(ipBytes('192.0.2.1').subarray(12))).toBe('192.0.2.1');
});
