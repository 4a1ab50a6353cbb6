/** The table of peers: keys, the number of connections, and the rate of connections. */
import { describe, expect, test } from 'vitest';
import { SocketAddress } from '../net/address.ts';
import type { Limits } from './options.ts';
import { PeerTable, peerKey } from './peer-table.ts';

function keyOf(host: string, family: 4 | 6): string | undefined {
  return peerKey(new SocketAddress({ host, port: 1, family }));
}

function table(limits: Partial<Limits>): PeerTable {
  return new PeerTable({ maxPerPeer: Infinity, acceptRate: null, ...limits } as Limits);
}

describe('the key of a peer', () => {
  test('is an IPv4 address, also on a dual-stack listener', () => {
    expect(keyOf('192.0.2.7', 4)).toBe('192.0.2.7');
    expect(keyOf('::ffff:192.0.2.7', 6)).toBe('192.0.2.7');
    expect(keyOf('192.0.2.8', 4)).not.toBe(keyOf('192.0.2.7', 4));
  });

  test.each([
    ['2001:db8:1:2::1', '2001:db8:1:2'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
    ['2001:db8::1', '2001:db8:0:0'],
    ['2001:db8::2:3:4:5:6', '2001:db8:0:2'],
    ['::1', '0:0:0:0'],
    ['::', '0:0:0:0'],
    ['fe80::1%eth0', 'fe80:0:0:0'],
    ['64:ff9b::192.0.2.7', '64:ff9b:0:0'],
  ])('is the first 64 bits of the IPv6 address %s', (host, key) => {
    expect(keyOf(host, 6)).toBe(key);
  });

  test('is undefined for a Unix socket', () => {
    expect(peerKey(new SocketAddress({ path: '' }))).toBeUndefined();
  });
});

describe('the table of peers', () => {
  test('refuses a peer at its maximum number of connections, until one ends', () => {
    const peers = table({ maxPerPeer: 2 });
    expect([peers.admit('a', 0), peers.admit('a', 0)]).toEqual([null, null]);
    expect(peers.admit('a', 0)).toBe('maxConnectionsPerPeer');
    expect(peers.admit('b', 0)).toBeNull();
    peers.release('a');
    expect(peers.admit('a', 0)).toBeNull();
    expect(peers.admit('a', 0)).toBe('maxConnectionsPerPeer');
  });

  test('drops a peer without connections if no rate is limited', () => {
    const peers = table({ maxPerPeer: 2 });
    peers.admit('a', 0);
    expect(peers.size).toBe(1);
    peers.release('a');
    expect(peers.size).toBe(0);
  });

  test('refuses a peer that connects too fast, until its bucket has refilled', () => {
    const peers = table({ acceptRate: { count: 2, perMs: 100 } });
    const admitAndRelease = (now: number) => {
      const refusal = peers.admit('a', now);
      if (refusal === null) peers.release('a');
      return refusal;
    };
    expect([admitAndRelease(0), admitAndRelease(0)]).toEqual([null, null]);
    expect(admitAndRelease(0)).toBe('maxAcceptRatePerPeer');
    expect(admitAndRelease(49)).toBe('maxAcceptRatePerPeer');
    expect(admitAndRelease(50)).toBeNull();
    expect(admitAndRelease(51)).toBe('maxAcceptRatePerPeer');
    // The bucket holds at most `count`, however long the peer was absent.
    expect([1e6, 1e6, 1e6].map(admitAndRelease)).toEqual([null, null, 'maxAcceptRatePerPeer']);
  });

  test('keeps a bounded number of peers without connections', () => {
    const peers = table({ acceptRate: { count: 1, perMs: 1e9 } });
    for (let i = 0; i < 20_000; i++) {
      peers.admit(`${i}`, 0);
      peers.release(`${i}`);
    }
    expect(peers.size).toBe(16_384);
    expect(peers.admit('19999', 0)).toBe('maxAcceptRatePerPeer');
    expect(peers.admit('0', 0)).toBeNull();
    expect(peers.size).toBe(16_385);
    peers.release('0');
    expect(peers.size).toBe(16_384);
  });
});
