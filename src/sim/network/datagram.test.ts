import { describe, expect, it } from 'vitest';
import type { TinyOptions } from '../../../test/support/network/simulated-network.ts';
import { TinyWorld } from '../../../test/support/network/simulated-network.ts';
import { failure } from '../../../test/support/sockets.ts';
import type { Datagram, Operation } from '../../index.ts';
import { bindDatagram, moveOnAfter, now, sleep, sleepForever } from '../../index.ts';

/** Everything that comes within a second of silence, as texts with their times. */
function* heardBy(socket: Datagram): Operation<[string, number][]> {
  const heard: [string, number][] = [];
  for (;;) {
    const next = yield* moveOnAfter(1000, () => socket.recvFrom());
    if (next === undefined) return heard;
    heard.push([String(next.data), now()]);
  }
}

/** A host that sends `count` numbers, one each millisecond, and one that hears them. */
function numbers(count: number, options: TinyOptions, meanwhile?: (world: TinyWorld) => void) {
  const world = new TinyWorld(options);
  let heard: [string, number][] = [];
  world.host('far', function* (): Operation<void> {
    using socket = yield* bindDatagram(7);
    heard = yield* heardBy(socket);
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
  return { world, heard, texts: heard.map(([text]) => text) };
}

const ten = Array.from({ length: 10 }, (_, i) => `${i}`);

describe('datagrams between hosts', () => {
  it('take the latency of the link', () => {
    const { heard } = numbers(2, { link: { latencyMs: [20, 20] } });
    expect(heard).toEqual([
      ['0', 20],
      ['1', 21],
    ]);
  });

  it('keep their order whatever their latency, unless the link reorders', () => {
    const link = { latencyMs: [1, 100] as const };
    const inOrder = Array.from({ length: 200 }, (_, i) => `${i}`);
    expect(numbers(200, { link }).texts).toEqual(inOrder);
    const { texts } = numbers(200, { link: { ...link, reorder: 0.3 } });
    expect(texts).not.toEqual(inOrder);
    expect(texts.toSorted((a, b) => Number(a) - Number(b))).toEqual(inOrder);
  });

  it('are lost as often as the link says, and never twice there', () => {
    const { texts, world } = numbers(1000, { link: { latencyMs: [1, 5], loss: 0.2 } });
    expect(texts.length).toBeGreaterThan(740);
    expect(texts.length).toBeLessThan(860);
    expect(new Set(texts).size).toBe(texts.length);
    expect(world.count('drop')).toBe(1000 - texts.length);
  });

  it('are lost in a partition', () => {
    const { texts } = numbers(10, {}, (world) => {
      world.run(3.5);
      world.net.partition('near', 'far');
      world.run(6.5);
      world.net.heal('near', 'far');
    });
    // The fourth was under way when the way was cut.
    expect(texts).toEqual(['0', '1', '2', '7', '8', '9']);
  });

  it('wait while they are held, and are not lost', () => {
    const { heard } = numbers(10, {}, (world) => {
      world.run(3.5);
      world.net.hold('near', 'far');
      world.run(500);
      world.net.release('near', 'far');
    });
    expect(heard.map(([text]) => text)).toEqual(ten);
    expect(heard[9]?.[1]).toBe(501);
  });

  it('to an address that no host has are lost; other networks cannot be reached', () => {
    const world = new TinyWorld();
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

  it('a refusal comes a round trip later, to who is connected', () => {
    const world = new TinyWorld({ link: { latencyMs: [10, 10] } });
    world.host('far', sleepForever);
    world.host('near', function* (): Operation<void> {
      using socket = yield* bindDatagram(0);
      yield* socket.connect('10.0.0.1:7');
      yield* socket.send('anybody?');
      const error = yield* failure(() => socket.recvFrom());
      expect([error.code, now()]).toEqual(['ECONNREFUSED', 20]);
    });
    world.run(1000);
  });

  it('a send waits where the link is slow and the buffer is full', () => {
    const world = new TinyWorld({ link: { latencyMs: [1, 1], bytesPerSecond: 100_000 } });
    let received = 0;
    world.host('far', function* (): Operation<void> {
      using socket = yield* bindDatagram(7);
      received = (yield* heardBy(socket)).length;
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

describe('datagrams for many', () => {
  /** Three hosts; what each of them hears of what the first one sends. */
  function heardByAll(
    send: (socket: Datagram) => Operation<void>,
    join: (socket: Datagram) => void = () => {},
  ): Record<string, string[]> {
    const world = new TinyWorld();
    const all: Record<string, string[]> = {};
    for (const name of ['one', 'two', 'three']) {
      world.host(name, function* (): Operation<void> {
        using socket = yield* bindDatagram(7);
        join(socket);
        if (name === 'one') yield* send(socket);
        all[name] = (yield* heardBy(socket)).map(([text]) => text);
      });
    }
    world.run();
    return all;
  }

  it('a broadcast reaches every host, its own included, and needs permission', () => {
    const heard = heardByAll(function* (socket): Operation<void> {
      const refused = yield* failure(() => socket.sendTo('x', '10.255.255.255:7'));
      expect(refused.code).toBe('EACCES');
      socket.setBroadcast(true);
      yield* socket.sendTo('to all', '255.255.255.255:7');
    });
    expect(heard).toEqual({ one: ['to all'], two: ['to all'], three: ['to all'] });
  });

  it('a group reaches its members', () => {
    const group = '239.1.2.3';
    let members = 0;
    const join = (socket: Datagram): void => {
      if (members++ < 2) socket.joinGroup(group);
    };
    const heard = heardByAll((socket) => socket.sendTo('to some', { host: group, port: 7 }), join);
    expect(heard).toEqual({ one: ['to some'], two: ['to some'], three: [] });
  });

  it('what is not to be heard at home, and what may make no hop, is not', () => {
    const group = 'ff02::7';
    const heard = heardByAll(
      function* (socket): Operation<void> {
        socket.setMulticastLoopback(false);
        yield* socket.sendTo('abroad', { host: group, port: 7 });
        socket.setMulticastLoopback(true);
        socket.setMulticastTtl(0);
        yield* socket.sendTo('at home', { host: group, port: 7 });
      },
      (socket) => socket.joinGroup(group),
    );
    expect(heard).toEqual({ one: ['at home'], two: ['abroad'], three: ['abroad'] });
  });
});

describe('a crash', () => {
  it('leaves no datagram socket, and its port is free after a restart', () => {
    const world = new TinyWorld();
    const serve = function* (): Operation<void> {
      const socket = yield* bindDatagram(7);
      const { data, from } = yield* socket.recvFrom();
      yield* socket.sendTo(`GOT:${data}`, from);
      socket.close();
    };
    world.host('far', serve);
    const heard: string[] = [];
    world.host('near', function* (): Operation<void> {
      using socket = yield* bindDatagram(0);
      yield* sleep(10);
      yield* socket.sendTo('lost', 'far:7');
      yield* sleep(10);
      yield* socket.sendTo('Hello', 'far:7');
      heard.push(String((yield* socket.recvFrom()).data));
    });
    world.run(5);
    world.crash('far');
    world.run(15);
    world.restart('far', serve);
    world.run();
    expect(heard).toEqual(['GOT:Hello']);
  });
});
