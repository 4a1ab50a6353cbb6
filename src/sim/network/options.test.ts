import { describe, expect, it } from 'vitest';
import { NetworkTestWorld } from '../../../test/support/network/simulated-network.ts';
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

/** A server that leaves a connection idle, and a client that records how it ends. */
class IdleConnection {
  readonly world = new NetworkTestWorld();
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

describe('socket options', () => {
  it('are stored as on Linux: buffer sizes doubled and limited, times in whole seconds', () => {
    const options = new SocketOptions();
    const effective = (option: SocketOption, value: number): number => {
      options.set(option, value);
      return options.get(option);
    };
    expect(effective('recvBufferSize', 8192)).toBe(16_384);
    expect(effective('recvBufferSize', 1)).toBe(2304);
    expect(effective('sendBufferSize', 10_000_000)).toBe(425_984);
    expect(effective('keepAliveIdleMs', 1001)).toBe(2000);
    expect(effective('keepAliveIntervalMs', 3000)).toBe(3000);
    expect(effective('userTimeoutMs', 1001)).toBe(1001);
    expect(options.get('keepAliveCount')).toBe(9);
    expect(new SocketOptions().get('recvBufferSize')).toBe(262_144);
  });
});

describe('keep-alive', () => {
  it('ends a connection after keepAliveCount probes without an answer', () => {
    const idle = new IdleConnection(PROBES);
    idle.cut();
    idle.world.run(100_000);
    // The last segment from the peer arrived at 2; probes are sent at 10 002, …, 20 002.
    expect([idle.code, idle.endedAt]).toEqual(['ETIMEDOUT', 25_002]);
  });

  it('does not end a connection whose partition is healed in time', () => {
    const idle = new IdleConnection(PROBES);
    idle.cut();
    idle.world.run(20_000);
    idle.heal();
    idle.world.run(100_000_000);
    expect(idle.code).toBe(undefined);
  });

  it('detects that the peer has crashed', () => {
    const idle = new IdleConnection(PROBES);
    idle.cut();
    idle.world.crash('server');
    idle.world.run(8000);
    idle.heal();
    idle.world.run(100_000);
    expect([idle.code, idle.endedAt]).toEqual(['ECONNRESET', 10_002]);
  });

  it('causes no events on a healthy connection', () => {
    const idle = new IdleConnection(PROBES);
    const before = idle.world.events;
    idle.world.run(100_000_000);
    expect(idle.world.events).toBe(before);
  });

  it('does not detect a crash if it is off', () => {
    const idle = new IdleConnection({});
    idle.cut();
    idle.world.crash('server');
    idle.world.run(100_000_000);
    expect(idle.code).toBe(undefined);
  });
});

describe('userTimeoutMs', () => {
  it('limits the time for which sent bytes may be unacknowledged', () => {
    const idle = new IdleConnection({ userTimeoutMs: 3000 }, 'hello?');
    idle.cut();
    idle.world.run(100_000);
    expect([idle.code, idle.endedAt]).toEqual(['ETIMEDOUT', 9002]);
  });
});

describe('buffer sizes', () => {
  it('limit the bytes that are sent and not read', () => {
    const world = new NetworkTestWorld();
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
