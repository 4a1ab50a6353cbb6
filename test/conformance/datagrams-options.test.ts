import { networkInterfaces } from 'node:os';
import { describe, expect, it } from 'vitest';
import type { Address, Datagram, DatagramOptions, Operation } from '../../src/index.ts';
import { bindDatagram, isCancelled, UsageError } from '../../src/index.ts';
import { receiveAll, withTwo } from './datagram-support.ts';
import { expectNothingLeft, failure, LOOPBACK, pattern } from './support.ts';
import { worlds } from './worlds.ts';

/** A group for use inside an organisation (RFC 2365), and one of this machine alone (RFC 4291). */
const GROUP = '239.255.77.1';
const GROUP6 = 'ff01::4d:1';

const hasIpv6 = Object.values(networkInterfaces()).some((all) =>
  all?.some(({ address }) => address === '::1'),
);

for (const world of worlds) {
  describe(`addresses of datagram sockets on ${world.name}`, () => {
    expectNothingLeft(world);

    it('port 0 is any free port, and the socket tells which', () =>
      world.run(function* (): Operation<void> {
        using one = yield* bindDatagram(LOOPBACK);
        using two = yield* bindDatagram({ host: '127.0.0.1', port: 0 });
        expect(one.address).toMatchObject({ host: '127.0.0.1', family: 'IPv4' });
        expect(one.address.port).toBeGreaterThan(0);
        expect(two.address.port).not.toBe(one.address.port);
        const { address } = one;
        one.close();
        expect(one.address).toBe(address);
      }));

    it('a taken port fails with EADDRINUSE in the shape of Node', () =>
      world.run(function* (): Operation<void> {
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

    it('an address of another machine is refused with EADDRNOTAVAIL', () =>
      world.run(function* (): Operation<void> {
        const error = yield* failure(() => bindDatagram('203.0.113.77:0'));
        expect(error).toMatchObject({ code: 'EADDRNOTAVAIL', address: '203.0.113.77' });
      }));

    it('a name is looked up, to bind, to send and to connect', () =>
      world.run(function* (): Operation<void> {
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
      world.run(() =>
        withTwo(function* (near, far): Operation<void> {
          yield* near.sendTo('by number', far.address.port);
          expect(near.trySendTo('by text', `:${far.address.port}`)).toBe(true);
          expect(String((yield* far.recvFrom()).data)).toBe('by number');
          expect(String((yield* far.recvFrom()).data)).toBe('by text');
        }),
      ));

    it('one socket serves IPv4 and IPv6, and `from` can always be answered', () =>
      world.run(function* (): Operation<void> {
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

    it.runIf(hasIpv6)('IPv6 carries more than IPv4, and names its addresses alike', () =>
      world.run(() =>
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

    it('a socket of IPv4 takes the mapped form of an address, and no other of IPv6', () =>
      world.run(() =>
        withTwo(function* (near, far): Operation<void> {
          const { port } = far.address;
          yield* near.sendTo('mapped', { host: '::ffff:127.0.0.1', port });
          expect(String((yield* far.recvFrom()).data)).toBe('mapped');
          const error = yield* failure(() => near.sendTo('x', { host: '::1', port }));
          expect(error).toMatchObject({ code: 'EAFNOSUPPORT', address: '::1', port });
        }),
      ));

    it.runIf(hasIpv6)('ipv6Only leaves IPv4 alone', () =>
      world.run(function* (): Operation<void> {
        using six = yield* bindDatagram('[::]:0', { ipv6Only: true });
        using four = yield* bindDatagram({ host: '127.0.0.1', port: six.address.port });
        const error = yield* failure(() => six.sendTo('x', four.address));
        expect(error.code).toMatch(/^(?:ENETUNREACH|EHOSTUNREACH|EINVAL)$/);
      }),
    );

    it('several sockets share a port where the network can', () =>
      world.run(function* (): Operation<void> {
        const { reusePort } = world.capabilities;
        using one = yield* bindDatagram(LOOPBACK, { reusePort });
        const again = () => bindDatagram(one.address, { reusePort: true });
        if (!reusePort) return expect((yield* failure(again)).code).toBe('EADDRINUSE');
        using two = yield* again();
        using near = yield* bindDatagram(LOOPBACK);
        yield* near.sendTo('for either', one.address);
        const received = [...(yield* receiveAll(one)), ...(yield* receiveAll(two))];
        expect(received.map(({ data }) => String(data))).toEqual(['for either']);
      }));
  });

  describe(`connected datagram sockets on ${world.name}`, () => {
    expectNothingLeft(world);

    it('send to their peer', () =>
      world.run(() =>
        withTwo(function* (near, far): Operation<void> {
          expect(near.remoteAddress).toBe(undefined);
          yield* near.connect(far.address);
          expect(near.remoteAddress).toEqual(far.address);
          yield* near.send('by send');
          expect(near.trySend('by trySend')).toBe(true);
          const first = yield* far.recvFrom();
          expect([String(first.data), first.from]).toEqual(['by send', near.address]);
          expect(String((yield* far.recvFrom()).data)).toBe('by trySend');
          yield* far.sendTo('back', near.address);
          expect(String((yield* near.recvFrom()).data)).toBe('back');
          near.close();
          expect(near.remoteAddress).toEqual(far.address);
        }),
      ));

    it('hear nobody else, not even what was there before', () =>
      world.run(function* (): Operation<void> {
        using near = yield* bindDatagram(LOOPBACK);
        using peer = yield* bindDatagram(LOOPBACK);
        using other = yield* bindDatagram(LOOPBACK);
        for (let i = 0; i < 5; i++) yield* other.sendTo('before', near.address);
        yield* near.connect(peer.address);
        yield* other.sendTo('after', near.address);
        yield* peer.sendTo('peer', near.address);
        expect((yield* receiveAll(near)).map(({ data }) => String(data))).toEqual(['peer']);
        expect(near.datagramsReceived).toBe(1);
      }));

    it('a send without a peer is refused, and so is a second peer', () =>
      world.run(() =>
        withTwo(function* (near, far): Operation<void> {
          const refused = function* (code: string, uses: (() => Operation<unknown>)[]) {
            for (const use of uses) {
              const error = yield* failure(use);
              expect([error.code, error instanceof UsageError]).toEqual([code, true]);
              expect(error.message).toContain('right:');
            }
          };
          yield* refused('ERR_NOT_CONNECTED', [() => near.send('x'), trySend(near)]);
          yield* near.connect(far.address);
          const again = [() => near.sendTo('x', far.address), () => near.connect(far.address)];
          yield* refused('ERR_CONNECTED', again);
          yield* near.send('still works');
          expect(String((yield* far.recvFrom()).data)).toBe('still works');
        }),
      ));

    it.runIf(process.platform === 'linux')('a refusal is thrown once, by whoever tries next', () =>
      world.run(() =>
        withTwo(function* (near, far): Operation<void> {
          yield* near.connect(far.address);
          far.close();
          yield* near.send('to nobody');
          expect(yield* failure(() => near.recvFrom())).toMatchObject({ code: 'ECONNREFUSED' });
          expect(near.tryRecvFrom()).toBe(undefined);
          using again = yield* bindDatagram(far.address);
          yield* near.send('to somebody');
          expect(String((yield* again.recvFrom()).data)).toBe('to somebody');
          yield* again.sendTo('and back', near.address);
          expect(String((yield* near.recvFrom()).data)).toBe('and back');
        }),
      ),
    );

    it.runIf(process.platform === 'linux')('a refusal reaches a sender, too', () =>
      world.run(() =>
        withTwo(function* (near, far): Operation<void> {
          yield* near.connect(far.address);
          far.close();
          const errors: unknown[] = [];
          for (let i = 0; i < 6; i++) {
            try {
              yield* near.send('to nobody');
            } catch (error) {
              if (isCancelled(error)) throw error;
              errors.push((error as { code?: unknown }).code);
            }
          }
          // Every other one: each that went out brings an answer, which the next one meets.
          expect(errors.length).toBeGreaterThan(1);
          expect(new Set(errors)).toEqual(new Set(['ECONNREFUSED']));
        }),
      ),
    );

    it('an unconnected socket is told of no refusal', () =>
      world.run(() =>
        withTwo(function* (near, far): Operation<void> {
          const nobody = far.address;
          far.close();
          for (let i = 0; i < 3; i++) yield* near.sendTo('to nobody', nobody);
          expect(yield* receiveAll(near)).toEqual([]);
        }),
      ));

    it('serve a client that asks and is answered', () =>
      world.run(() =>
        withTwo(function* (near, far): Operation<void> {
          yield* near.connect(far.address);
          yield* far.connect(near.address);
          yield* near.send('ping');
          const { data } = yield* far.recvFrom();
          yield* far.send(data);
          expect(String((yield* near.recvFrom()).data)).toBe('ping');
        }),
      ));
  });

  describe(`options of datagram sockets on ${world.name}`, () => {
    expectNothingLeft(world);

    it.runIf(process.platform === 'linux')('a broadcast needs permission: EACCES without it', () =>
      world.run(function* (): Operation<void> {
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

    it('the sizes of the queues can be asked for, and are told', () =>
      world.run(function* (): Operation<void> {
        const options = { recvBufferSize: 20_000, sendBufferSize: 30_000 };
        using tuned = yield* bindDatagram(LOOPBACK, options);
        using plain = yield* bindDatagram(LOOPBACK);
        expect(tuned.recvBufferSize).toBeGreaterThanOrEqual(20_000);
        expect(tuned.recvBufferSize).toBeLessThan(plain.recvBufferSize);
        expect(tuned.sendBufferSize).toBeGreaterThanOrEqual(30_000);
        expect(tuned.sendBufferSize).toBeLessThan(plain.sendBufferSize);
      }));

    it('a group reaches its members while they are in it', (test) =>
      world.run(function* (): Operation<void> {
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
        yield* near.sendTo('to nobody', { host: GROUP, port });
        expect(yield* receiveAll(one)).toEqual([]);
        near.setMulticastLoopback(false);
      }));

    it('a group of IPv6 is joined by the name of an interface', (test) =>
      world.run(function* (): Operation<void> {
        const by = `::%${interfaceOfIpv6()}`;
        if (!hasIpv6) return test.skip('no IPv6 here');
        using far = yield* bindDatagram('[::]:0');
        using near = yield* bindDatagram('[::]:0');
        if (!joined(far, GROUP6, by)) return test.skip('no multicast here');
        near.setMulticastInterface(by);
        near.setMulticastTtl(0); // it does not leave this machine
        const to = { host: GROUP6, port: far.address.port };
        if (!(yield* reachable(near, to))) return test.skip('no route');
        const { data, from } = yield* far.recvFrom();
        expect([String(data), from.port]).toEqual(['probe', near.address.port]);
        far.leaveGroup(GROUP6, by);
      }));

    it('groups: what is none, twice, and never joined are errors', (test) =>
      world.run(function* (): Operation<void> {
        using socket = yield* bindDatagram('0.0.0.0:0');
        const join = (group: string) => failure(called(() => socket.joinGroup(group, '127.0.0.1')));
        expect((yield* join('127.0.0.1')).code).toBe('EINVAL');
        if (!joined(socket, GROUP, '127.0.0.1')) return test.skip('no multicast here');
        expect(yield* join(GROUP)).toMatchObject({ code: 'EADDRINUSE', syscall: 'addMembership' });
        socket.leaveGroup(GROUP, '127.0.0.1');
        const error = yield* failure(called(() => socket.leaveGroup(GROUP, '127.0.0.1')));
        expect(error).toMatchObject({ code: 'EADDRNOTAVAIL', syscall: 'dropMembership' });
      }));

    it('hops have a range', () =>
      world.run(() =>
        withTwo(function* (near, far): Operation<void> {
          near.setTtl(1);
          near.setTtl(255);
          near.setMulticastTtl(0);
          for (const hops of [0, 256, 1.5, Number.NaN]) {
            expect(() => near.setTtl(hops)).toThrow(RangeError);
          }
          expect(() => near.setMulticastTtl(-1)).toThrow(RangeError);
          yield* near.sendTo('one hop', far.address);
          expect(String((yield* far.recvFrom()).data)).toBe('one hop');
        }),
      ));

    it('wrong arguments are told at the call', () =>
      world.run(() =>
        withTwo(function* (near, far): Operation<void> {
          const wrong = (call: () => unknown, code: string) =>
            expect(call).toThrow(expect.objectContaining({ code }));
          const gone = new Uint8Array(8);
          structuredClone(gone.buffer, { transfer: [gone.buffer] });
          for (const data of [undefined, null, 7, {}, [1], new ArrayBuffer(1), gone]) {
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
        }),
      ));

    it('wrong options are told at the call', () => {
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

function trySend(socket: Datagram): () => Operation<unknown> {
  return called(() => socket.trySend('x'));
}

/** A plain call, where an operation is expected. */
function called(call: () => unknown): () => Operation<unknown> {
  return function* (): Operation<unknown> {
    return call();
  };
}

/** False where the system has no such group to offer. */
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

/** Sends a probe; false where no route leads to the group. */
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

/** A real one if there is one: on many systems the loopback interface has no groups. */
function interfaceOfIpv6(): string {
  const all = Object.entries(networkInterfaces());
  const real = all.find(([, addresses]) =>
    addresses?.some(({ family, internal }) => family === 'IPv6' && !internal),
  );
  return real?.[0] ?? all.find(([, addresses]) => addresses?.[0]?.internal)?.[0] ?? 'lo';
}
