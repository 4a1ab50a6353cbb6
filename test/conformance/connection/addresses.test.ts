import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { describe, expect, it } from 'vitest';
import type { Address, Listener, Operation } from '../../../src/index.ts';
import { connect, listen } from '../../../src/index.ts';
import { backends } from '../../support/backends.ts';
import { expectNothingLeft } from '../../support/leaks.ts';
import { failure, LOOPBACK, onPair, withoutPrivilege, withPair } from '../../support/sockets.ts';

for (const backend of backends) {
  describe(`addresses on ${backend.name}`, () => {
    expectNothingLeft(backend);

    it('both ends report the addresses of each other, also after close', () =>
      onPair(backend, function* (near, far): Operation<void> {
        const ends = [near.localAddress, near.remoteAddress];
        expect([far.remoteAddress, far.localAddress]).toEqual(ends);
        expect(near.remoteAddress).toMatchObject({ host: '127.0.0.1', family: 'IPv4' });
        expect(near.remoteAddress.port).not.toBe(near.localAddress.port);
        near.close();
        far.close();
        expect([near.localAddress, near.remoteAddress]).toEqual(ends);
        expect([far.remoteAddress, far.localAddress]).toEqual(ends);
      }));

    it('the remote address of a connection is one object, which a Map can have as its key', () =>
      onPair(backend, function* (near): Operation<void> {
        expect(near.remoteAddress).toBe(near.remoteAddress);
      }));

    it('both ends report the addresses of each other after a reset', () =>
      onPair(backend, function* (near, far): Operation<void> {
        const ends = [near.localAddress, near.remoteAddress];
        far.reset();
        expect(yield* failure(() => near.recv())).toMatchObject({ code: 'ECONNRESET' });
        expect([near.localAddress, near.remoteAddress]).toEqual(ends);
      }));

    it('port 0 means any free port, which the listener reports', () =>
      backend.run(function* (): Operation<void> {
        using one = yield* listen(LOOPBACK);
        using two = yield* listen({ host: '127.0.0.1', port: 0 });
        expect(one.address.port).toBeGreaterThan(0);
        expect(two.address.port).not.toBe(one.address.port);
        expect(`${one.address}`).toBe(`127.0.0.1:${one.address.port}`);
      }));

    it('the local address of a connection can be chosen', () =>
      backend.run(function* (): Operation<void> {
        using listener = yield* listen(LOOPBACK);
        using near = yield* connect(listener.address, { localAddress: '127.0.0.1:0' });
        using far = yield* listener.accept();
        expect(far.remoteAddress).toEqual(near.localAddress);
        expect(near.localAddress.host).toBe('127.0.0.1');
      }));

    it('IPv6 connects like IPv4', () =>
      backend.run(() =>
        withPair(function* (near, far): Operation<void> {
          expect(near.remoteAddress).toMatchObject({ host: '::1', family: 'IPv6' });
          expect(`${near.remoteAddress}`).toBe(`[::1]:${far.localAddress.port}`);
          yield* near.sendAll('six');
          expect(String(yield* far.recv())).toBe('six');
        }, '[::1]:0'),
      ));

    it('a listener without a host accepts IPv4 and IPv6', () =>
      backend.run(function* (): Operation<void> {
        using listener = yield* listen(0);
        const { port } = listener.address;
        expect(yield* peerOf({ host: '127.0.0.1', port }, listener)).toMatch(/127\.0\.0\.1$/);
        expect(yield* peerOf({ host: '::1', port }, listener)).toBe('::1');
      }));

    it('{ port } and a port are the same', () =>
      backend.run(function* (): Operation<void> {
        using listener = yield* listen({ port: 0 });
        const { port } = listener.address;
        expect(listener.address.host).toBe('::');
        expect(yield* peerOf({ host: '::1', port }, listener)).toBe('::1');
        expect(yield* peerOf(port, listener)).toMatch(/^::1$|127\.0\.0\.1$/);
      }));

    it('ipv6Only makes a listener ignore IPv4', () =>
      backend.run(function* (): Operation<void> {
        using listener = yield* listen('[::]:0', { ipv6Only: true });
        const { port } = listener.address;
        expect(yield* peerOf({ host: '::1', port }, listener)).toBe('::1');
        const error = yield* failure(() => connect({ host: '127.0.0.1', port }));
        expect(error).toMatchObject({ code: 'ECONNREFUSED', address: '127.0.0.1', port });
      }));

    it('a name is looked up, and an unknown name is an error of the task', () =>
      backend.run(function* (): Operation<void> {
        using listener = yield* listen('localhost:0');
        const { port } = listener.address;
        expect(yield* peerOf({ host: 'localhost', port }, listener)).toMatch(/^::1$|127\.0\.0\.1$/);
        const error = yield* failure(() => connect('no-such-host.invalid:80'));
        expect(error.code).toMatch(/^(?:ENOTFOUND|EAI_AGAIN)$/);
        expect(error).toMatchObject({ syscall: 'getaddrinfo', hostname: 'no-such-host.invalid' });
      }));

    it('a port in use fails with EADDRINUSE in the shape of a Node error', () =>
      backend.run(function* (): Operation<void> {
        using listener = yield* listen(LOOPBACK);
        const { port } = listener.address;
        const error = yield* failure(() => listen({ host: '127.0.0.1', port }));
        expect(error).toMatchObject({
          code: 'EADDRINUSE',
          errno: -constants.errno.EADDRINUSE,
          syscall: 'listen',
          address: '127.0.0.1',
          port,
        });
      }));

    it('a port is free again as soon as its listener is closed', () =>
      backend.run(function* (): Operation<void> {
        let port = 0;
        for (let i = 0; i < 5; i++) {
          using listener = yield* listen({ host: '127.0.0.1', port });
          port = listener.address.port;
          expect(yield* peerOf(listener.address, listener)).toBe('127.0.0.1');
        }
      }));

    it('several listeners share a port if the network supports it', () =>
      backend.run(function* (): Operation<void> {
        const { reusePort } = backend.capabilities;
        using one = yield* listen(LOOPBACK, { reusePort });
        const again = () => listen(one.address, { reusePort: true });
        if (reusePort) {
          using two = yield* again();
          expect(two.address).toEqual(one.address);
        } else {
          expect(yield* failure(again)).toMatchObject({ code: 'EADDRINUSE' });
        }
      }));

    it.runIf(backend.real)('a privileged port fails with EACCES without the privilege', () =>
      backend.run(() => withoutPrivilege(listenAtPortOne)),
    );

    it('an address of another machine fails with EADDRNOTAVAIL', () =>
      backend.run(function* (): Operation<void> {
        const error = yield* failure(() => listen('203.0.113.77:0'));
        expect(error).toMatchObject({ code: 'EADDRNOTAVAIL', address: '203.0.113.77' });
      }));
  });
}

/** The host of a client of `listener`, as the server sees it. */
function* peerOf(address: Address, listener: Listener): Operation<string> {
  using near = yield* connect(address);
  using far = yield* listener.accept();
  expect(far.remoteAddress.port).toBe(near.localAddress.port);
  return far.remoteAddress.host;
}

/** The first port that needs no privilege. */
function* listenAtPortOne(): Operation<void> {
  if (lowestFreePort() <= 1) return (yield* listen('127.0.0.1:1')).close();
  expect(yield* failure(() => listen('127.0.0.1:1'))).toMatchObject({
    code: 'EACCES',
    errno: -constants.errno.EACCES,
    syscall: 'listen',
    address: '127.0.0.1',
    port: 1,
  });
}

function lowestFreePort(): number {
  try {
    return Number(readFileSync('/proc/sys/net/ipv4/ip_unprivileged_port_start', 'utf8'));
  } catch {
    return 1024; // Only Linux has a setting for it.
  }
}
