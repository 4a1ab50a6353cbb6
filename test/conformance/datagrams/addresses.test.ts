import { describe, expect, it } from 'vitest';
import type { Operation } from '../../../src/index.ts';
import { bindDatagram } from '../../../src/index.ts';
import { backends } from '../../support/backends.ts';
import { pattern } from '../../support/data.ts';
import { hasIpv6, onTwo, receiveDatagrams, withTwo } from '../../support/datagrams.ts';
import { expectNothingLeft } from '../../support/leaks.ts';
import { failure, LOOPBACK } from '../../support/sockets.ts';

for (const backend of backends) {
  describe(`addresses of datagram sockets on ${backend.name}`, () => {
    expectNothingLeft(backend);

    it('port 0 means any free port, which the socket reports', () =>
      backend.run(function* (): Operation<void> {
        using one = yield* bindDatagram(LOOPBACK);
        using two = yield* bindDatagram({ host: '127.0.0.1', port: 0 });
        expect(one.address).toMatchObject({ host: '127.0.0.1', family: 'IPv4' });
        expect(one.address.port).toBeGreaterThan(0);
        expect(two.address.port).not.toBe(one.address.port);
        const { address } = one;
        one.close();
        expect(one.address).toBe(address);
      }));

    it('a port in use fails with EADDRINUSE in the shape of a Node error', () =>
      backend.run(function* (): Operation<void> {
        using one = yield* bindDatagram(LOOPBACK);
        const { port } = one.address;
        const error = yield* failure(() => bindDatagram(one.address));
        expect(error).toMatchObject({
          code: 'EADDRINUSE',
          syscall: 'bind',
          address: '127.0.0.1',
          port,
        });
        one.close();
        using again = yield* bindDatagram({ host: '127.0.0.1', port });
        expect(again.address.port).toBe(port);
      }));

    it('an address of another machine fails with EADDRNOTAVAIL', () =>
      backend.run(function* (): Operation<void> {
        const error = yield* failure(() => bindDatagram('203.0.113.77:0'));
        expect(error).toMatchObject({ code: 'EADDRNOTAVAIL', address: '203.0.113.77' });
      }));

    it('bindDatagram, sendTo and connect look names up', () =>
      backend.run(function* (): Operation<void> {
        using far = yield* bindDatagram('localhost:0');
        using near = yield* bindDatagram('localhost:0');
        const { port } = far.address;
        yield* near.sendTo('one', { host: 'localhost', port });
        yield* near.connect(`localhost:${port}`);
        yield* near.send('two');
        for (const text of ['one', 'two']) expect(`${(yield* far.recvFrom()).data}`).toBe(text);
        const error = yield* failure(() => far.sendTo('x', 'no-such-host.invalid:80'));
        expect(error.code).toMatch(/^(?:ENOTFOUND|EAI_AGAIN)$/);
      }));

    it('an address without a host is this machine', () =>
      onTwo(backend, function* (near, far): Operation<void> {
        yield* near.sendTo('by number', far.address.port);
        expect(near.trySendTo('by text', `:${far.address.port}`)).toBe(true);
        expect(String((yield* far.recvFrom()).data)).toBe('by number');
        expect(String((yield* far.recvFrom()).data)).toBe('by text');
      }));

    it('one socket serves IPv4 and IPv6, and `from` can always be answered', () =>
      backend.run(function* (): Operation<void> {
        using far = yield* bindDatagram(0);
        const { port } = far.address;
        const hosts = far.address.family === 'IPv6' ? ['127.0.0.1', '::1'] : ['127.0.0.1'];
        for (const host of hosts) {
          using near = yield* bindDatagram({ host, port: 0 });
          yield* near.sendTo('question', { host, port });
          const { from } = yield* far.recvFrom();
          expect(from.port).toBe(near.address.port);
          const shown = host === '127.0.0.1' && hosts.length > 1 ? '::ffff:127.0.0.1' : host;
          expect(from.host).toBe(shown);
          yield* far.sendTo('answer', from);
          yield* far.sendTo('to its own address', near.address);
          for (const text of ['answer', 'to its own address']) {
            const answer = yield* near.recvFrom();
            expect([String(answer.data), answer.from]).toMatchObject([text, { host, port }]);
          }
        }
      }));

    it.runIf(hasIpv6 && process.platform === 'linux')(
      'IPv6 carries longer datagrams than IPv4, and reports its addresses the same way',
      () =>
        backend.run(() =>
          withTwo(function* (near, far): Operation<void> {
            const longest = pattern(65_527);
            yield* near.sendTo(longest, far.address);
            const { data, from } = yield* far.recvFrom();
            expect(data.equals(longest)).toBe(true);
            expect(from).toEqual(near.address);
            expect(`${from}`).toBe(`[::1]:${near.address.port}`);
          }, '[::1]:0'),
        ),
    );

    it('an IPv4 socket can send to IPv4-mapped addresses, but not to other IPv6 addresses', () =>
      onTwo(backend, function* (near, far): Operation<void> {
        const { port } = far.address;
        yield* near.sendTo('mapped', { host: '::ffff:127.0.0.1', port });
        expect(String((yield* far.recvFrom()).data)).toBe('mapped');
        const error = yield* failure(() => near.sendTo('x', { host: '::1', port }));
        expect(error).toMatchObject({ code: 'EAFNOSUPPORT', address: '::1', port });
      }));

    it.runIf(hasIpv6)('ipv6Only makes a socket ignore IPv4', () =>
      backend.run(function* (): Operation<void> {
        using six = yield* bindDatagram('[::]:0', { ipv6Only: true });
        using four = yield* bindDatagram({ host: '127.0.0.1', port: six.address.port });
        const error = yield* failure(() => six.sendTo('x', four.address));
        expect(error.code).toMatch(/^(?:ENETUNREACH|EHOSTUNREACH|EINVAL)$/);
      }),
    );

    it('several sockets share a port if the network supports it', () =>
      backend.run(function* (): Operation<void> {
        const { reusePort } = backend.capabilities;
        using one = yield* bindDatagram(LOOPBACK, { reusePort });
        const again = () => bindDatagram(one.address, { reusePort: true });
        if (!reusePort) return expect((yield* failure(again)).code).toBe('EADDRINUSE');
        using two = yield* again();
        using near = yield* bindDatagram(LOOPBACK);
        yield* near.sendTo('for either', one.address);
        const received = [...(yield* receiveDatagrams(one)), ...(yield* receiveDatagrams(two))];
        expect(received.map(({ data }) => String(data))).toEqual(['for either']);
      }));
  });
}
