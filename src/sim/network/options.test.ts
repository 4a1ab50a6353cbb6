import { describe, expect, it } from 'vitest';
import { TinyWorld } from '../../../test/support/network/simulated-network.ts';
import { failure } from '../../../test/support/sockets.ts';
import type { Operation, Socket } from '../../index.ts';
import { connect, listen, moveOnAfter, now, sleepForever } from '../../index.ts';
import type { SocketOption } from '../../world/network.ts';
import { SocketOptions } from './options.ts';
import type { SimTransport } from './transport.ts';

type Settings = Partial<Record<SocketOption, number>>;

const PROBES: Settings = {
  keepAliveIdleMs: 10_000,
  keepAliveIntervalMs: 5000,
  keepAliveCount: 3,
  keepAlive: 1,
};

function set(socket: Socket, settings: Settings): void {
  const transport = socket.transport as SimTransport;
  for (const [option, value] of Object.entries(settings)) {
    transport.setOption(option as SocketOption, value);
  }
}

/** A server that keeps what it accepts, and a client that is told how its connection ends. */
class Quiet {
  readonly world = new TinyWorld();
  code: unknown;
  endedAt = 0;

  constructor(settings: Settings, send = '') {
    this.world.host('server', function* (): Operation<void> {
      const listener = yield* listen(80);
      yield* listener.accept();
      yield* sleepForever();
    });
    this.world.host('client', () => this.#client(settings, send));
    this.world.run(5000);
  }

  *#client(settings: Settings, send: string): Operation<void> {
    using socket = yield* connect('server:80');
    set(socket, settings);
    yield* moveOnAfter(6000, () => socket.recv());
    if (send !== '') yield* socket.sendAll(send);
    this.code = (yield* failure(() => socket.recv())).code;
    this.endedAt = now();
  }

  cut(): void {
    this.world.net.partition('client', 'server');
    this.world.net.partition('server', 'client');
  }

  heal(): void {
    this.world.net.heal('client', 'server');
    this.world.net.heal('server', 'client');
  }
}

describe('options are kept as Linux keeps them', () => {
  it('sizes of buffers are doubled, within limits; seconds are whole', () => {
    const options = new SocketOptions();
    const kept = (option: SocketOption, value: number): number => {
      options.set(option, value);
      return options.get(option);
    };
    expect(kept('recvBufferSize', 8192)).toBe(16_384);
    expect(kept('recvBufferSize', 1)).toBe(2304);
    expect(kept('sendBufferSize', 10_000_000)).toBe(425_984);
    expect(kept('keepAliveIdleMs', 1001)).toBe(2000);
    expect(kept('keepAliveIntervalMs', 3000)).toBe(3000);
    expect(kept('userTimeoutMs', 1001)).toBe(1001);
    expect(options.get('keepAliveCount')).toBe(9);
    expect(new SocketOptions().get('recvBufferSize')).toBe(262_144);
  });
});

describe('keep-alive', () => {
  it('ends a connection whose peer has not answered so many probes', () => {
    const quiet = new Quiet(PROBES);
    quiet.cut();
    quiet.world.run(100_000);
    // Heard for the last time when it was connected, at 2; probes at 10 002, …, 20 002.
    expect([quiet.code, quiet.endedAt]).toEqual(['ETIMEDOUT', 25_002]);
  });

  it('lets a connection live that was cut off for a while', () => {
    const quiet = new Quiet(PROBES);
    quiet.cut();
    quiet.world.run(20_000);
    quiet.heal();
    quiet.world.run(100_000_000);
    expect(quiet.code).toBe(undefined);
  });

  it('finds out that the peer has crashed in the meantime', () => {
    const quiet = new Quiet(PROBES);
    quiet.cut();
    quiet.world.crash('server');
    quiet.world.run(8000);
    quiet.heal();
    quiet.world.run(100_000);
    expect([quiet.code, quiet.endedAt]).toEqual(['ECONNRESET', 10_002]);
  });

  it('costs nothing as long as nothing is wrong, and does not hold the world', () => {
    const quiet = new Quiet(PROBES);
    const before = quiet.world.events;
    quiet.world.run(100_000_000);
    expect(quiet.world.events).toBe(before);
  });

  it('that is off finds nothing out', () => {
    const quiet = new Quiet({});
    quiet.cut();
    quiet.world.crash('server');
    quiet.world.run(100_000_000);
    expect(quiet.code).toBe(undefined);
  });
});

describe('userTimeoutMs', () => {
  it('is how long sent bytes may stay without an answer', () => {
    const quiet = new Quiet({ userTimeoutMs: 3000 }, 'hello?');
    quiet.cut();
    quiet.world.run(100_000);
    expect([quiet.code, quiet.endedAt]).toEqual(['ETIMEDOUT', 9002]);
  });
});

describe('sizes of buffers', () => {
  it('bound what is sent ahead', () => {
    const world = new TinyWorld();
    world.host('server', function* (): Operation<void> {
      using listener = yield* listen(80);
      using socket = yield* listener.accept();
      yield* moveOnAfter(5000, sleepForever);
      expect((yield* socket.recv(200_000)).length).toBe(131_072);
    });
    world.host('client', function* (): Operation<void> {
      using socket = yield* connect('server:80');
      set(socket, { sendBufferSize: 5000 });
      yield* moveOnAfter(1000, () => socket.sendAll(Buffer.alloc(1_000_000)));
      expect(socket.bytesSent).toBeGreaterThan(131_072);
      expect(socket.bytesSent).toBeLessThanOrEqual(131_072 + 5000);
      yield* moveOnAfter(9000, sleepForever);
    });
    world.run();
  });
});
