import { describe, expect, it } from 'vitest';
import type { NetworkTestOptions } from '../../../test/support/network/simulated-network.ts';
import { NetworkTestWorld } from '../../../test/support/network/simulated-network.ts';
import { failure } from '../../../test/support/sockets.ts';
import type { Datagram, Operation } from '../../index.ts';
import { bindDatagram, moveOnAfter, now, sleep, sleepForever } from '../../index.ts';

/** The datagrams that arrive until a second passes without one: texts with their times. */
function* receiveUntilQuiet(socket: Datagram): Operation<[string, number][]> {
  const received: [string, number][] = [];
  for (;;) {
    const next = yield* moveOnAfter(1000, () => socket.recvFrom());
    if (next === undefined) return received;
    received.push([String(next.data), now()]);
  }
}

/** One host sends the numbers below `count`, one per millisecond; another receives them. */
function sendNumbers(
  count: number,
  options: NetworkTestOptions,
  meanwhile?: (world: NetworkTestWorld) => void,
) {
  const world = new NetworkTestWorld(options);
  let received: [string, number][] = [];
  world.host('far', function* (): Operation<void> {
    using socket = yield* bindDatagram(7);
    received = yield* receiveUntilQuiet(socket);
  });
  world.host('near', function* (): Operation<void> {
    using socket = yield* bindDatagram(0);
    for (let i = 0; i < count; i++) {
      yield* socket.sendTo(`${i}`, '10.0.0.1:7');
      yield* sleep(1);
    }
  });
  meanwhile?.(world);
  world.run();
  return { world, received, texts: received.map(([text]) => text) };
}

const ten = Array.from({ length: 10 }, (_, i) => `${i}`);

describe('datagrams between hosts', () => {
  it('take the latency of the link', () => {
    const { received } = sendNumbers(2, { link: { latencyMs: [20, 20] } });
    expect(received).toEqual([
      ['0', 20],
      ['1', 21],
    ]);
  });

  it('keep their order at any latency, unless the link reorders them', () => {
    const link = { latencyMs: [1, 100] as const };
    const inOrder = Array.from({ length: 200 }, (_, i) => `${i}`);
    expect(sendNumbers(200, { link }).texts).toEqual(inOrder);
    const { texts } = sendNumbers(200, { link: { ...link, reorder: 0.3 } });
    expect(texts).not.toEqual(inOrder);
    expect(texts.toSorted((a, b) => Number(a) - Number(b))).toEqual(inOrder);
  });

  it('are lost with the probability of the link, and never duplicated', () => {
    const { texts, world } = sendNumbers(1000, { link: { latencyMs: [1, 5], loss: 0.2 } });
    expect(texts.length).toBeGreaterThan(740);
    expect(texts.length).toBeLessThan(860);
    expect(new Set(texts).size).toBe(texts.length);
    expect(world.count('drop')).toBe(1000 - texts.length);
  });

  it('are lost in a partition', () => {
    const { texts } = sendNumbers(10, {}, (world) => {
      world.run(3.5);
      world.net.partition('near', 'far');
      world.run(6.5);
      world.net.heal('near', 'far');
    });
    // The fourth was in flight when the link was cut.
    expect(texts).toEqual(['0', '1', '2', '7', '8', '9']);
  });

  it('are delayed, but not lost, while the link is held', () => {
    const { received } = sendNumbers(10, {}, (world) => {
      world.run(3.5);
      world.net.hold('near', 'far');
      world.run(500);
      world.net.release('near', 'far');
    });
    expect(received.map(([text]) => text)).toEqual(ten);
    expect(received[9]?.[1]).toBe(501);
  });

  it('are lost without a host at the address; other networks are unreachable', () => {
    const world = new NetworkTestWorld();
    world.host('near', function* (): Operation<void> {
      using socket = yield* bindDatagram(0);
      yield* socket.sendTo('x', '10.0.0.9:7');
      const error = yield* failure(() => socket.sendTo('x', '198.51.100.1:7'));
      expect(error).toMatchObject({ code: 'ENETUNREACH', syscall: 'send' });
      const peer = yield* failure(() => socket.connect('198.51.100.1:7'));
      expect(peer).toMatchObject({ code: 'ENETUNREACH', syscall: 'connect' });
      using inner = yield* bindDatagram('127.0.0.1:0');
      expect((yield* failure(() => inner.sendTo('x', '10.0.0.9:7'))).code).toBe('EINVAL');
    });
    world.run();
    expect(world.count('drop')).toBe(1);
  });

  it('cause ECONNREFUSED on a connected socket a round trip later, if the port is unused', () => {
    const world = new NetworkTestWorld({ link: { latencyMs: [10, 10] } });
    const refusal: unknown[] = [];
    world.host('far', sleepForever);
    world.host('near', function* (): Operation<void> {
      using socket = yield* bindDatagram(0);
      yield* socket.connect('10.0.0.1:7');
      yield* socket.send('unused?');
      const error = yield* failure(() => socket.recvFrom());
      refusal.push(error.code, now());
    });
    world.run(1000);
    expect(refusal).toEqual(['ECONNREFUSED', 20]);
  });

  it('wait for a slow link when the send buffer is full', () => {
    const world = new NetworkTestWorld({ link: { latencyMs: [1, 1], bytesPerSecond: 100_000 } });
    let received = 0;
    world.host('far', function* (): Operation<void> {
      using socket = yield* bindDatagram(7);
      received = (yield* receiveUntilQuiet(socket)).length;
    });
    world.host('near', function* (): Operation<void> {
      using socket = yield* bindDatagram(0, { sendBufferSize: 5000 });
      for (let i = 0; i < 100; i++) yield* socket.sendTo(Buffer.alloc(1000), '10.0.0.1:7');
      expect(now()).toBeGreaterThan(800);
    });
    world.run();
    expect(received).toBe(100);
  });
});

describe('a datagram to many hosts', () => {
  /** The datagrams that each of three hosts receives when the first one sends. */
  function receivedByAll(
    send: (socket: Datagram) => Operation<void>,
    join: (socket: Datagram) => void = () => {},
  ): Record<string, string[]> {
    const world = new NetworkTestWorld();
    const all: Record<string, string[]> = {};
    for (const name of ['one', 'two', 'three']) {
      world.host(name, function* (): Operation<void> {
        using socket = yield* bindDatagram(7);
        join(socket);
        if (name === 'one') yield* send(socket);
        all[name] = (yield* receiveUntilQuiet(socket)).map(([text]) => text);
      });
    }
    world.run();
    return all;
  }

  it('reaches every host, including the sender, as a broadcast, which needs permission', () => {
    const received = receivedByAll(function* (socket): Operation<void> {
      const denied = yield* failure(() => socket.sendTo('x', '10.255.255.255:7'));
      expect(denied.code).toBe('EACCES');
      socket.setBroadcast(true);
      yield* socket.sendTo('to all', '255.255.255.255:7');
    });
    expect(received).toEqual({ one: ['to all'], two: ['to all'], three: ['to all'] });
  });

  it('reaches the members of a multicast group', () => {
    const group = '239.1.2.3';
    let members = 0;
    const join = (socket: Datagram): void => {
      if (members++ < 2) socket.joinGroup(group);
    };
    const received = receivedByAll(
      (socket) => socket.sendTo('to some', { host: group, port: 7 }),
      join,
    );
    expect(received).toEqual({ one: ['to some'], two: ['to some'], three: [] });
  });

  it('respects the loopback and TTL options of multicast', () => {
    const group = 'ff02::7';
    const received = receivedByAll(
      function* (socket): Operation<void> {
        socket.setMulticastLoopback(false);
        yield* socket.sendTo('remote', { host: group, port: 7 });
        socket.setMulticastLoopback(true);
        socket.setMulticastTtl(0);
        yield* socket.sendTo('local', { host: group, port: 7 });
      },
      (socket) => socket.joinGroup(group),
    );
    expect(received).toEqual({ one: ['local'], two: ['remote'], three: ['remote'] });
  });
});

describe('a crash of a host', () => {
  it('closes its datagram sockets, and the port is free after a restart', () => {
    const world = new NetworkTestWorld();
    const serve = function* (): Operation<void> {
      const socket = yield* bindDatagram(7);
      const { data, from } = yield* socket.recvFrom();
      yield* socket.sendTo(`GOT:${data}`, from);
      socket.close();
    };
    world.host('far', serve);
    const received: string[] = [];
    world.host('near', function* (): Operation<void> {
      using socket = yield* bindDatagram(0);
      yield* sleep(10);
      yield* socket.sendTo('lost', 'far:7');
      yield* sleep(10);
      yield* socket.sendTo('Hello', 'far:7');
      received.push(String((yield* socket.recvFrom()).data));
    });
    world.run(5);
    world.crash('far');
    world.run(15);
    world.restart('far', serve);
    world.run();
    expect(received).toEqual(['GOT:Hello']);
  });
});
