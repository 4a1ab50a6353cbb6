/** Listeners with TLS: concurrent handshakes, limits, counters. */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { describe, expect, test } from 'vitest';
import type { Listener, Operation, Socket } from '../../../src/index.ts';
import { connect, group, listen, moveOnAfter, sleep, toDuplex } from '../../../src/index.ts';
import { backendsWithTls } from '../../support/backends.ts';
import { expectNothingLeft } from '../../support/leaks.ts';
import {
  eventually,
  failure,
  LOOPBACK,
  receiveAll,
  receiveExactly,
  untilWaiting,
} from '../../support/sockets.ts';
import { CA, connectTo, SERVER, TRUSTING, withListener } from '../../support/tls.ts';

/** Runs `body` while `listener` accepts; every connection gets a greeting. */
function greeting<T>(listener: Listener, body: () => Operation<T>): Operation<T> {
  return group(function* (tasks): Operation<T> {
    const accepting = function* (): Operation<void> {
      for (;;) {
        const socket = yield* listener.accept();
        tasks.spawn(() => greet(socket));
      }
    };
    tasks.spawn(accepting, { daemon: true });
    return yield* body();
  });
}

function* greet(socket: Socket): Operation<void> {
  try {
    yield* socket.sendAll('hi');
    socket.shutdown('send');
    yield* receiveAll(socket);
  } finally {
    socket.close();
  }
}

function* greeted(listener: Listener): Operation<string> {
  using near = yield* connectTo(listener.address);
  return String(yield* receiveAll(near));
}

/** Makes `count` connections that send no ClientHello. */
function* plainConnections(listener: Listener, count: number): Operation<Socket[]> {
  const sockets: Socket[] = [];
  for (let i = 0; i < count; i++) sockets.push(yield* connect(listener.address));
  return sockets;
}

function closeAll(sockets: readonly Socket[]): void {
  for (const socket of sockets) socket.close();
}

describe.each(backendsWithTls)('a listener with TLS, on $name', (backend) => {
  expectNothingLeft(backend);

  test('a hundred clients are served at the same time as ten silent ones', () =>
    backend.run(() =>
      withListener((listener) =>
        greeting(listener, function* (): Operation<void> {
          const silent = yield* plainConnections(listener, 10);
          yield* group(function* (tasks): Operation<void> {
            for (let i = 0; i < 90; i++) {
              tasks.spawn(function* (): Operation<void> {
                expect(yield* greeted(listener)).toBe('hi');
              });
            }
          });
          expect(listener.handshakes).toEqual({
            pending: 10,
            waiting: 0,
            completed: 90,
            failed: 0,
            timedOut: 0,
            lastFailure: undefined,
          });
          closeAll(silent);
        }),
      ),
    ));

  test('a listener limits the number of concurrent handshakes', () =>
    backend.run(() =>
      withListener(
        (listener) =>
          greeting(listener, function* (): Operation<void> {
            const silent = yield* plainConnections(listener, 3);
            yield* eventually('two are pending', () => listener.handshakes?.pending === 2);
            const late = yield* moveOnAfter(30, () => greeted(listener));
            expect(late).toBeUndefined();
            expect(listener.handshakes?.pending).toBe(2);
            closeAll(silent);
            expect(yield* greeted(listener)).toBe('hi');
          }),
        { maxHandshakes: 2 },
      ),
    ));

  test('connections stay in the queue while no task accepts', () =>
    backend.run(() =>
      withListener(function* (listener): Operation<void> {
        const waiting = yield* plainConnections(listener, 3);
        expect(listener.handshakes?.pending).toBe(0);
        closeAll(waiting);
      }),
    ));

  test('clients that have sent their ClientHello before they are accepted are served', () =>
    backend.run(() =>
      withListener((listener) =>
        group(function* (tasks): Operation<void> {
          const early = Array.from({ length: 5 }, () => tasks.spawn(() => greeted(listener)));
          yield* sleep(10);
          yield* greeting(listener, function* (): Operation<void> {
            for (const client of early) expect(yield* client.join()).toBe('hi');
          });
        }),
      ),
    ));

  test('a silent client is disconnected after the time limit', () =>
    backend.run(() =>
      withListener(
        (listener) =>
          greeting(listener, function* (): Operation<void> {
            using silent = yield* connect(listener.address);
            expect((yield* silent.recv()).length).toBe(0);
            const { failed, timedOut, lastFailure } = listener.handshakes ?? {};
            expect([failed, timedOut]).toEqual([1, 1]);
            expect(lastFailure?.code).toBe('ERR_TIMEOUT');
            expect(lastFailure?.peer).toBe(`${silent.localAddress}`);
          }),
        { handshakeTimeoutMs: 20 },
      ),
    ));

  test('a client that sends half a ClientHello is disconnected after the time limit', () =>
    backend.run(() =>
      withListener(
        (listener) =>
          greeting(listener, function* (): Operation<void> {
            using slow = yield* connect(listener.address);
            // The header of a record of 512 bytes, and the first bytes of a handshake.
            yield* slow.sendAll(Buffer.from([22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3]));
            yield* eventually(
              'the handshake has timed out',
              () => listener.handshakes?.timedOut === 1,
            );
            expect(listener.handshakes?.pending).toBe(0);
          }),
        { handshakeTimeoutMs: 20 },
      ),
    ));

  test('a client that sends plain text fails the handshake', () =>
    backend.run(() =>
      withListener((listener) =>
        greeting(listener, function* (): Operation<void> {
          using plain = yield* connect(listener.address);
          yield* plain.sendAll('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
          yield* eventually('the handshake has failed', () => listener.handshakes?.failed === 1);
          expect(listener.handshakes?.lastFailure?.code).toMatch(/^ERR_SSL_/);
          expect(Object.isFrozen(listener.handshakes)).toBe(true);
          expect(yield* greeted(listener)).toBe('hi');
        }),
      ),
    ));

  test.each(['close', 'reset'] as const)(
    'a client that does %s during the handshake is counted',
    (end) =>
      backend.run(() =>
        withListener((listener) =>
          greeting(listener, function* (): Operation<void> {
            const client = yield* connect(listener.address);
            yield* eventually('the handshake is pending', () => listener.handshakes?.pending === 1);
            client[end]();
            yield* eventually('the handshake has failed', () => listener.handshakes?.failed === 1);
            expect(listener.handshakes?.lastFailure?.code).toBe('ECONNRESET');
            expect(listener.handshakes?.pending).toBe(0);
          }),
        ),
      ),
  );

  test('a cancelled accept leaves the connection to the next one', () =>
    backend.run(() =>
      withListener((listener) =>
        group(function* (tasks): Operation<void> {
          const accepting = tasks.spawn(() => listener.accept());
          yield* untilWaiting(accepting);
          using raw = yield* connect(listener.address);
          yield* eventually('a handshake is pending', () => listener.handshakes?.pending === 1);
          accepting.cancel();
          const foreign = connectTls({ socket: toDuplex(raw), ca: CA, host: '127.0.0.1' });
          foreign.write('x');
          yield* eventually('the connection waits', () => listener.handshakes?.waiting === 1);
          using far = yield* listener.accept();
          expect(String(yield* receiveExactly(far, 1))).toBe('x');
          foreign.destroy();
        }),
      ),
    ));

  test('closing a listener aborts its handshakes and resets waiting connections', () =>
    backend.run(function* (): Operation<void> {
      const listener = yield* listen(LOOPBACK, { tls: SERVER });
      yield* group(function* (tasks): Operation<void> {
        const accepting = tasks.spawn(() => failure(() => listener.accept()));
        using silent = yield* connect(listener.address);
        yield* eventually('the handshake is pending', () => listener.handshakes?.pending === 1);
        listener.close();
        expect((yield* failure(() => silent.recv())).code).toBe('ECONNRESET');
        expect((yield* accepting.join()).code).toBe('ERR_CLOSED');
        expect(() => listener.reloadTls(SERVER)).toThrow(/closed by this program/);
      });
    }));

  test('a Unix socket carries TLS', () =>
    backend.run(function* (): Operation<void> {
      const path = join(tmpdir(), `coronet-tls-${process.pid}-${backend.name}.sock`);
      using listener = yield* listen({ path }, { tls: SERVER });
      yield* group(function* (tasks): Operation<void> {
        const accepting = tasks.spawn(() => listener.accept());
        using near = yield* connect({ path }, { tls: TRUSTING });
        using far = yield* accepting.join();
        yield* near.sendAll('x');
        expect(String(yield* receiveExactly(far, 1))).toBe('x');
      });
    }));

  test('an accept in progress continues after a reload', () =>
    backend.run(() =>
      withListener((listener) =>
        group(function* (tasks): Operation<void> {
          const accepting = tasks.spawn(() => listener.accept());
          yield* untilWaiting(accepting);
          listener.reloadTls(SERVER);
          using near = yield* connectTo(listener.address);
          using far = yield* accepting.join();
          expect(far.tls?.cipher).toBe(near.tls?.cipher);
        }),
      ),
    ));
});
