import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type {
  ConnectOptions,
  KeepAliveOptions,
  ListenOptions,
  Operation,
  Socket,
} from '../../../src/index.ts';
import { backend, connect, listen } from '../../../src/index.ts';
import type { SocketOption } from '../../../src/lowlevel.ts';
import type { TestBackend } from '../../support/backends.ts';
import { backends } from '../../support/backends.ts';
import { expectNothingLeft } from '../../support/leaks.ts';
import { failure, fill, LOOPBACK, withPair } from '../../support/sockets.ts';

/** The keep-alive timer in /proc/net/tcp, and the tick of its clock in milliseconds. */
const KEEP_ALIVE = 2;
const TICK_MS = 10;

for (const testBackend of backends) {
  describe(`socket options on ${testBackend.name}`, () => {
    expectNothingLeft(testBackend);

    it('noDelay is on initially at both ends, and can be changed', () =>
      testBackend.run(() =>
        withPair(function* (near, far): Operation<void> {
          expect([near.noDelay, far.noDelay]).toEqual([true, true]);
          near.noDelay = false;
          expect([near.noDelay, far.noDelay]).toEqual([false, true]);
          yield* near.sendAll('slow');
          near.noDelay = true;
          yield* near.sendAll(' and fast');
          expect(String(yield* far.recv())).toMatch(/^slow/);
        }),
      ));

    it('connect can turn noDelay off', () =>
      testBackend.run(function* (): Operation<void> {
        using listener = yield* listen(LOOPBACK);
        using near = yield* connect(listener.address, { noDelay: false });
        using far = yield* listener.accept();
        expect([near.noDelay, far.noDelay]).toEqual([false, true]);
      }));

    it("keep-alive arms the system's timer", () =>
      testBackend.run(() =>
        withPair(function* (near, far): Operation<void> {
          far.setKeepAlive({ enable: true, idleMs: 7000 });
          if (!testBackend.real || process.platform !== 'linux') return;
          expect(timerOf(near).kind).not.toBe(KEEP_ALIVE);
          const { kind, dueMs } = timerOf(far);
          expect(kind).toBe(KEEP_ALIVE);
          expect(dueMs).toBeGreaterThan(5000);
          expect(dueMs).toBeLessThanOrEqual(7000);
          far.setKeepAlive({ enable: false });
        }),
      ));

    it('every option that the network can set reads as the value that the system uses', () =>
      testBackend.run(() =>
        withPair(function* (near, far): Operation<void> {
          const { options } = testBackend.capabilities;
          for (const option of options) changes[option].set(near);
          const read = options.map((option) => changes[option].get(near));
          expect(read).toEqual(options.map((option) => changes[option].taken));
          const untouched = [far.noDelay, far.keepAlive.enable, far.userTimeoutMs ?? 0];
          expect(untouched).toEqual([true, false, 0]);
        }),
      ));

    it('an option that the network cannot set is rejected and reads as undefined', () =>
      testBackend.run(() =>
        withPair(function* (near): Operation<void> {
          for (const option of everyOption) {
            if (testBackend.capabilities.options.includes(option)) continue;
            const { set, get } = changes[option];
            expect(() => set(near), option).toThrow(
              expect.objectContaining({
                code: 'ERR_UNSUPPORTED',
                message: expect.stringContaining(`${backend()} network cannot set \`${option}\``),
              }),
            );
            expect(get(near), option).toBeUndefined();
          }
          expect(near.keepAlive).toMatchObject({ enable: false });
        }),
      ));

    it('the keep-alive options are set together or not at all', () =>
      testBackend.run(() =>
        withPair(function* (near): Operation<void> {
          const all = { enable: true, idleMs: 9000, intervalMs: 3000, count: 5 };
          if (can(testBackend, 'keepAliveIntervalMs')) {
            near.setKeepAlive(all);
            expect(near.keepAlive).toEqual(all);
            near.setKeepAlive({ enable: false });
            expect(near.keepAlive).toEqual({ ...all, enable: false });
          } else {
            expect(() => near.setKeepAlive(all)).toThrow(/keepAliveCount/);
            expect(near.keepAlive).toEqual({ enable: false });
          }
        }),
      ));

    it('times are rounded up to the unit of the system', () =>
      testBackend.run(() =>
        withPair(function* (near): Operation<void> {
          near.setKeepAlive({ enable: true, idleMs: 1001 });
          expect(near.keepAlive).toMatchObject({ enable: true, idleMs: 2000 });
          if (!can(testBackend, 'userTimeoutMs')) return;
          near.userTimeoutMs = 1001;
          expect(near.userTimeoutMs).toBe(1001);
          near.userTimeoutMs = 0;
          expect(near.userTimeoutMs).toBe(0);
        }),
      ));

    it('values of a wrong range or type are rejected by every network', () =>
      testBackend.run(() =>
        withPair(function* (near): Operation<void> {
          for (const [code, attempt] of wrongValues(near)) {
            expect(attempt, String(attempt)).toThrow(expect.objectContaining({ code }));
          }
          expect([near.noDelay, near.keepAlive.enable]).toEqual([true, false]);
        }),
      ));

    it('connect can turn keep-alive on', () =>
      testBackend.run(function* (): Operation<void> {
        using listener = yield* listen(LOOPBACK);
        const keepAlive = { enable: true, idleMs: 8000 };
        using near = yield* connect(listener.address, { keepAlive });
        using far = yield* listener.accept();
        expect(near.keepAlive).toMatchObject(keepAlive);
        expect(far.keepAlive.enable).toBe(false);
        if (testBackend.real && process.platform === 'linux') {
          expect(timerOf(near).kind).toBe(KEEP_ALIVE);
        }
      }));

    it('buffer sizes are set before the connection exists, and inherited from the listener', () =>
      testBackend.run(function* (): Operation<void> {
        const sizes = { recvBufferSize: 8192, sendBufferSize: 16_384 };
        if (!can(testBackend, 'recvBufferSize')) {
          for (const refused of [() => listen(LOOPBACK, sizes), () => connect(1, sizes)]) {
            const error = yield* failure(refused);
            expect(error).toMatchObject({ name: 'UsageError', code: 'ERR_UNSUPPORTED' });
          }
          return;
        }
        using listener = yield* listen(LOOPBACK, sizes);
        using near = yield* connect(listener.address, { recvBufferSize: 12_288 });
        using far = yield* listener.accept();
        expect([far.recvBufferSize, far.sendBufferSize]).toEqual(memoryOf(far, [16_384, 32_768]));
        expect(near.recvBufferSize).toBe(24_576);
        expect(near.sendBufferSize).toBeGreaterThan(0);
        yield* near.sendAll('fits');
        expect(String(yield* far.recv())).toBe('fits');
      }));

    it('a receive buffer size limits the bytes that a peer can send ahead', () =>
      testBackend.run(function* (): Operation<void> {
        if (!can(testBackend, 'recvBufferSize')) return;
        using listener = yield* listen(LOOPBACK, { recvBufferSize: 4096 });
        using near = yield* connect(listener.address, { sendBufferSize: 4096 });
        using far = yield* listener.accept();
        const ahead = yield* fill(near);
        expect(ahead).toBeLessThan(64 * 1024);
        expect((yield* far.recv()).length).toBeGreaterThan(0);
      }));

    it('TCP options do nothing on a Unix socket', () => {
      const path = join(tmpdir(), `coronet-options-${process.pid}.sock`);
      return testBackend.run(() =>
        withPair(
          function* (near): Operation<void> {
            near.noDelay = false;
            near.setKeepAlive({ enable: true, idleMs: 7000 });
            expect([near.noDelay, near.keepAlive]).toEqual([true, { enable: false }]);
            if (!can(testBackend, 'sendBufferSize')) return;
            near.userTimeoutMs = 5;
            near.sendBufferSize = 8192;
            expect([near.userTimeoutMs, near.sendBufferSize]).toEqual([undefined, 16_384]);
          },
          { path },
        ),
      );
    });

    it('after close, options read as undefined and cannot be set', () =>
      testBackend.run(() =>
        withPair(function* (near, far): Operation<void> {
          near.noDelay = false;
          near.setKeepAlive({ enable: true });
          near.close();
          far.reset();
          for (const socket of [near, far]) {
            for (const option of testBackend.capabilities.options) {
              const { set } = changes[option];
              expect(() => set(socket), option).toThrow(/closed by this program/);
              expect(() => set(socket)).toThrow(expect.objectContaining({ code: 'ERR_CLOSED' }));
            }
            expect([socket.noDelay, socket.keepAlive]).toEqual([true, { enable: false }]);
            const { userTimeoutMs, recvBufferSize, sendBufferSize } = socket;
            expect([userTimeoutMs, recvBufferSize, sendBufferSize]).toEqual([
              ...[undefined, undefined, undefined],
            ]);
          }
        }),
      ));

    it('a misspelled option of listen or connect names the intended one', () =>
      testBackend.run(function* (): Operation<void> {
        expect(() => listen(LOOPBACK, { reuseport: true } as ListenOptions)).toThrow(
          expect.objectContaining({
            name: 'TypeError',
            message: expect.stringContaining('did you mean `reusePort`?'),
          }),
        );
        expect(() => connect(LOOPBACK, { timeout: 5 } as ConnectOptions)).toThrow(/`timeoutMs`/);
        expect(() => connect(LOOPBACK, null as unknown as ConnectOptions)).toThrow(/an object/);
        expect(() => listen(LOOPBACK, { reusePort: 1 } as unknown as ListenOptions)).toThrow(
          /`reusePort` to be true or false/,
        );
      }));
  });
}

interface Change {
  readonly set: (socket: Socket) => void;
  readonly get: (socket: Socket) => unknown;
  /** The value that Linux reports: twice the size of a buffer. */
  readonly taken: unknown;
}

const changes: Readonly<Record<SocketOption, Change>> = {
  noDelay: {
    set: (socket) => (socket.noDelay = false),
    get: (socket) => socket.noDelay,
    taken: false,
  },
  keepAlive: {
    set: (socket) => socket.setKeepAlive({ enable: true }),
    get: (socket) => socket.keepAlive.enable,
    taken: true,
  },
  keepAliveIdleMs: {
    set: (socket) => socket.setKeepAlive({ enable: true, idleMs: 4000 }),
    get: (socket) => socket.keepAlive.idleMs,
    taken: 4000,
  },
  keepAliveIntervalMs: {
    set: (socket) => socket.setKeepAlive({ enable: true, intervalMs: 2000 }),
    get: (socket) => socket.keepAlive.intervalMs,
    taken: 2000,
  },
  keepAliveCount: {
    set: (socket) => socket.setKeepAlive({ enable: true, count: 3 }),
    get: (socket) => socket.keepAlive.count,
    taken: 3,
  },
  userTimeoutMs: {
    set: (socket) => (socket.userTimeoutMs = 12_345),
    get: (socket) => socket.userTimeoutMs,
    taken: 12_345,
  },
  recvBufferSize: {
    set: (socket) => (socket.recvBufferSize = 8192),
    get: (socket) => socket.recvBufferSize,
    taken: 16_384,
  },
  sendBufferSize: {
    set: (socket) => (socket.sendBufferSize = 8192),
    get: (socket) => socket.sendBufferSize,
    taken: 16_384,
  },
};

const everyOption = Object.keys(changes) as SocketOption[];

function can(testBackend: TestBackend, option: SocketOption): boolean {
  return testBackend.capabilities.options.includes(option);
}

/** Values that every network rejects, and the error codes. */
function wrongValues(socket: Socket): (readonly [string, () => void])[] {
  const type = 'ERR_INVALID_ARG_TYPE';
  const range = 'ERR_OUT_OF_RANGE';
  const loose = socket as unknown as Record<string, unknown>;
  const keepAlive = (options: unknown) => () => socket.setKeepAlive(options as KeepAliveOptions);
  const set = (name: string, value: unknown) => () => {
    loose[name] = value;
  };
  return [
    [type, set('noDelay', 1)],
    [type, set('userTimeoutMs', '1')],
    [range, set('userTimeoutMs', -1)],
    [range, set('userTimeoutMs', Number.NaN)],
    [range, set('recvBufferSize', 0)],
    [range, set('sendBufferSize', 1.5)],
    [type, keepAlive(undefined)],
    [type, keepAlive({})],
    [type, keepAlive({ enable: 'yes' })],
    [type, keepAlive({ enable: true, idle: 5 })],
    [range, keepAlive({ enable: true, idleMs: 0 })],
    [range, keepAlive({ enable: true, idleMs: 32_767_001 })],
    [range, keepAlive({ enable: true, intervalMs: Infinity })],
    [range, keepAlive({ enable: true, count: 128 })],
  ];
}

/** The buffer sizes in the output of `ss`; `expected` if `ss` is not installed. */
function memoryOf({ localAddress, remoteAddress }: Socket, expected: number[]): number[] {
  const filter = ['sport', '=', `:${localAddress.port}`, 'dport', '=', `:${remoteAddress.port}`];
  const { stdout } = spawnSync('ss', ['-tnmH', ...filter], { encoding: 'utf8' });
  const found = /skmem:\(r\d+,rb(\d+),t\d+,tb(\d+)/.exec(stdout ?? '');
  return found === null ? expected : [Number(found[1]), Number(found[2])];
}

/** The timer of a connection in /proc/net/tcp. */
function timerOf({ localAddress, remoteAddress }: Socket): { kind: number; dueMs: number } {
  const near = hex(localAddress.port);
  const far = hex(remoteAddress.port);
  const row = new RegExp(`:${near} \\w+:${far} \\w+ \\w+:\\w+ (\\w+):(\\w+)`);
  const [, kind = '', due = ''] = row.exec(readFileSync('/proc/net/tcp', 'utf8')) ?? [];
  return { kind: Number.parseInt(kind, 16), dueMs: Number.parseInt(due, 16) * TICK_MS };
}

function hex(port: number): string {
  return port.toString(16).toUpperCase().padStart(4, '0');
}
