import { networkInterfaces } from 'node:os';
import { describe, expect, it } from 'vitest';
import type { Address, Datagram, DatagramOptions, Operation } from '../../../src/index.ts';
import { bindDatagram } from '../../../src/index.ts';
import { backends } from '../../support/backends.ts';
import { asOperation, hasIpv6, onTwo, receiveDatagrams } from '../../support/datagrams.ts';
import { expectNothingLeft } from '../../support/leaks.ts';
import { failure, LOOPBACK } from '../../support/sockets.ts';

/** An organisation-local group (RFC 2365), and an interface-local one (RFC 4291). */
const GROUP = '239.255.77.1';
const GROUP6 = 'ff01::4d:1';

for (const backend of backends) {
  describe(`options of datagram sockets on ${backend.name}`, () => {
    expectNothingLeft(backend);

    it.runIf(process.platform === 'linux')(
      'sending to a broadcast address needs permission, otherwise EACCES',
      () =>
        backend.run(function* (): Operation<void> {
          using far = yield* bindDatagram('0.0.0.0:0');
          using near = yield* bindDatagram(LOOPBACK);
          const everybody = { host: '127.255.255.255', port: far.address.port };
          expect(yield* failure(() => near.sendTo('x', everybody))).toMatchObject({
            code: 'EACCES',
            syscall: 'send',
            address: '127.255.255.255',
          });
          near.setBroadcast(true);
          yield* near.sendTo('to all', everybody);
          expect(String((yield* far.recvFrom()).data)).toBe('to all');
          near.setBroadcast(false);
          expect((yield* failure(() => near.sendTo('x', everybody))).code).toBe('EACCES');
          using allowed = yield* bindDatagram(LOOPBACK, { broadcast: true });
          yield* allowed.sendTo('from the start', everybody);
          expect(String((yield* far.recvFrom()).data)).toBe('from the start');
        }),
    );

    it('queue sizes can be set and read', () =>
      backend.run(function* (): Operation<void> {
        const sizes = { recvBufferSize: 20_000, sendBufferSize: 30_000 };
        const larger = { recvBufferSize: 40_000, sendBufferSize: 60_000 };
        using one = yield* bindDatagram(LOOPBACK, sizes);
        using two = yield* bindDatagram(LOOPBACK, larger);
        expect(one.recvBufferSize).toBeGreaterThanOrEqual(20_000);
        expect(one.sendBufferSize).toBeGreaterThanOrEqual(30_000);
        expect(two.recvBufferSize).toBeGreaterThan(one.recvBufferSize);
        expect(two.sendBufferSize).toBeGreaterThan(one.sendBufferSize);
      }));

    it('a group delivers to its members only while they are joined', (test) =>
      backend.run(function* (): Operation<void> {
        using one = yield* bindDatagram('0.0.0.0:0', { reuseAddress: true });
        const { port } = one.address;
        using two = yield* bindDatagram({ host: '0.0.0.0', port }, { reuseAddress: true });
        using near = yield* bindDatagram(LOOPBACK);
        if (!joined(one, GROUP, '127.0.0.1')) return test.skip('no multicast here');
        near.setMulticastInterface('127.0.0.1');
        near.setMulticastTtl(0);
        near.setMulticastLoopback(true);
        two.joinGroup(GROUP, '127.0.0.1');
        if (!(yield* reachable(near, { host: GROUP, port }))) return test.skip('no route');
        for (const each of [one, two]) {
          const { data, from } = yield* each.recvFrom();
          expect([String(data), from]).toEqual(['probe', near.address]);
        }
        one.leaveGroup(GROUP, '127.0.0.1');
        two.leaveGroup(GROUP, '127.0.0.1');
        yield* near.sendTo('to no member', { host: GROUP, port });
        expect(yield* receiveDatagrams(one)).toEqual([]);
        near.setMulticastLoopback(false);
      }));

    it('an IPv6 group is joined by the name of an interface', (test) =>
      backend.run(function* (): Operation<void> {
        const by = `::%${interfaceOfIpv6()}`;
        if (!hasIpv6) return test.skip('no IPv6 here');
        using far = yield* bindDatagram('[::]:0');
        using near = yield* bindDatagram('[::]:0');
        if (!joined(far, GROUP6, by)) return test.skip('no multicast here');
        near.setMulticastInterface(by);
        near.setMulticastTtl(0); // the datagram does not leave this machine
        const to = { host: GROUP6, port: far.address.port };
        if (!(yield* reachable(near, to))) return test.skip('no route');
        const { data, from } = yield* far.recvFrom();
        expect([String(data), from.port]).toEqual(['probe', near.address.port]);
        far.leaveGroup(GROUP6, by);
      }));

    it('an invalid group, a second join, and a leave without a join are errors', (test) =>
      backend.run(function* (): Operation<void> {
        using socket = yield* bindDatagram('0.0.0.0:0');
        const join = (group: string) =>
          failure(asOperation(() => socket.joinGroup(group, '127.0.0.1')));
        expect((yield* join('127.0.0.1')).code).toBe('EINVAL');
        if (!joined(socket, GROUP, '127.0.0.1')) return test.skip('no multicast here');
        expect(yield* join(GROUP)).toMatchObject({ code: 'EADDRINUSE', syscall: 'addMembership' });
        socket.leaveGroup(GROUP, '127.0.0.1');
        const error = yield* failure(asOperation(() => socket.leaveGroup(GROUP, '127.0.0.1')));
        expect(error).toMatchObject({ code: 'EADDRNOTAVAIL', syscall: 'dropMembership' });
      }));

    it('hop limits have a range', () =>
      onTwo(backend, function* (near, far): Operation<void> {
        near.setTtl(1);
        near.setTtl(255);
        near.setMulticastTtl(0);
        for (const hops of [0, 256, 1.5, Number.NaN]) {
          expect(() => near.setTtl(hops)).toThrow(RangeError);
        }
        expect(() => near.setMulticastTtl(-1)).toThrow(RangeError);
        yield* near.sendTo('one hop', far.address);
        expect(String((yield* far.recvFrom()).data)).toBe('one hop');
      }));

    it('invalid arguments throw when the method is asOperation', () =>
      onTwo(backend, function* (near, far): Operation<void> {
        const wrong = (call: () => unknown, code: string) =>
          expect(call).toThrow(expect.objectContaining({ code }));
        const detached = new Uint8Array(8);
        structuredClone(detached.buffer, { transfer: [detached.buffer] });
        for (const data of [undefined, null, 7, {}, [1], new ArrayBuffer(1), detached]) {
          wrong(() => near.sendTo(data as never, far.address), 'ERR_INVALID_ARG_TYPE');
          wrong(() => near.trySend(data as never), 'ERR_INVALID_ARG_TYPE');
        }
        for (const port of [0, -1, 65536, 1.5]) {
          wrong(() => near.sendTo('x', { host: '127.0.0.1', port }), 'ERR_OUT_OF_RANGE');
        }
        for (const address of ['nonsense', '/run/x.sock', { path: '/x' }, {}] as never[]) {
          wrong(() => near.sendTo('x', address), 'ERR_ADDRESS');
          wrong(() => near.connect(address), 'ERR_ADDRESS');
          wrong(() => bindDatagram(address), 'ERR_ADDRESS');
        }
        wrong(() => near.trySendTo('x', 'localhost:9'), 'ERR_ADDRESS');
        wrong(() => near.sendTo('x', true as never), 'ERR_INVALID_ARG_TYPE');
        wrong(() => near.setBroadcast(1 as never), 'ERR_INVALID_ARG_TYPE');
        wrong(() => near.setMulticastLoopback('yes' as never), 'ERR_INVALID_ARG_TYPE');
        wrong(() => near.joinGroup('a.group'), 'ERR_ADDRESS');
        wrong(() => near.joinGroup(5 as never), 'ERR_INVALID_ARG_TYPE');
        wrong(() => near.leaveGroup(GROUP, 'eth0'), 'ERR_ADDRESS');
        wrong(() => near.setMulticastInterface('eth0'), 'ERR_ADDRESS');
        yield* near.sendTo('unharmed', far.address);
        expect(String((yield* far.recvFrom()).data)).toBe('unharmed');
      }));

    it('invalid options throw when bindDatagram is asOperation', () => {
      const wrong: [DatagramOptions, string][] = [
        [null as never, 'ERR_INVALID_ARG_TYPE'],
        [{ maxLength: 0 }, 'ERR_OUT_OF_RANGE'],
        [{ maxLength: 65_536 }, 'ERR_OUT_OF_RANGE'],
        [{ maxLength: '1' as never }, 'ERR_INVALID_ARG_TYPE'],
        [{ recvBufferSize: 0 }, 'ERR_OUT_OF_RANGE'],
        [{ sendBufferSize: Number.NaN }, 'ERR_OUT_OF_RANGE'],
        [{ reusePort: 1 as never }, 'ERR_INVALID_ARG_TYPE'],
        [{ broadcast: 'yes' as never }, 'ERR_INVALID_ARG_TYPE'],
      ];
      for (const [options, code] of wrong) {
        const call = () => bindDatagram(LOOPBACK, options);
        expect(call).toThrow(expect.objectContaining({ code }));
      }
    });
  });
}

/** False if the system does not support the group. */
function joined(socket: Datagram, group: string, by: string): boolean {
  try {
    socket.joinGroup(group, by);
    return true;
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === 'ENODEV' || code === 'ENOPROTOOPT' || code === 'EADDRNOTAVAIL') return false;
    throw error;
  }
}

/** Sends a probe; false without a route to the group. */
function* reachable(socket: Datagram, to: Address): Operation<boolean> {
  try {
    yield* socket.sendTo('probe', to);
    return true;
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === 'ENETUNREACH' || code === 'EHOSTUNREACH') return false;
    throw error;
  }
}

/** Prefers a real interface: on many systems the loopback interface has no groups. */
function interfaceOfIpv6(): string {
  const all = Object.entries(networkInterfaces());
  const real = all.find(([, addresses]) =>
    addresses?.some(({ family, internal }) => family === 'IPv6' && !internal),
  );
  return real?.[0] ?? all.find(([, addresses]) => addresses?.[0]?.internal)?.[0] ?? 'lo';
}
