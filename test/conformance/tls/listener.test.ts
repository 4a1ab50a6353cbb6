/** Listeners with TLS: handshakes beside each other, limits, what an operator can see. */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Listener, Operation, Socket } from '../../../src/index.ts';
import { connect, group, listen, moveOnAfter } from '../../../src/index.ts';
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
import { connectTo, SERVER, securePair, TRUSTING, withListener } from '../../support/tls.ts';

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

/** Connects `count` times and says nothing of TLS. */
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

  test('a hundred clients at once are served, beside ten that say nothing', () =>
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

  test('nobody takes part in more handshakes at once than it allows', () =>
    backend.run(() =>
      withListener(
        (listener) =>
          greeting(listener, function* (): Operation<void> {
            const silent = yield* plainConnections(listener, 3);
            yield* eventually('two are under way', () => listener.handshakes?.pending === 2);
            const late = yield* moveOnAfter(30, () => greeted(listener));
            expect(late).toBeUndefined();
            expect(listener.handshakes?.pending).toBe(2);
            closeAll(silent);
            expect(yield* greeted(listener)).toBe('hi');
          }),
        { maxHandshakes: 2 },
      ),
    ));

  test('nobody accepts, and nothing is taken from the queue below', () =>
    backend.run(() =>
      withListener(function* (listener): Operation<void> {
        const waiting = yield* plainConnections(listener, 3);
        expect(listener.handshakes?.pending).toBe(0);
        closeAll(waiting);
      }),
    ));

  test('a client that is silent is cut when its time is over', () =>
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

  test('half of a greeting is cut when its time is over', () =>
    backend.run(() =>
      withListener(
        (listener) =>
          greeting(listener, function* (): Operation<void> {
            using slow = yield* connect(listener.address);
            // A record of 512 bytes of handshake is announced, and begun.
            yield* slow.sendAll(Buffer.from([22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3]));
            yield* eventually('it was cut', () => listener.handshakes?.timedOut === 1);
            expect(listener.handshakes?.pending).toBe(0);
          }),
        { handshakeTimeoutMs: 20 },
      ),
    ));

  test('a client that speaks plain text is refused', () =>
    backend.run(() =>
      withListener((listener) =>
        greeting(listener, function* (): Operation<void> {
          using plain = yield* connect(listener.address);
          yield* plain.sendAll('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
          yield* eventually('it was refused', () => listener.handshakes?.failed === 1);
          expect(listener.handshakes?.lastFailure?.code).toMatch(/^ERR_SSL_/);
          expect(Object.isFrozen(listener.handshakes)).toBe(true);
          expect(yield* greeted(listener)).toBe('hi');
        }),
      ),
    ));

  test.each(['close', 'reset'] as const)(
    'a client that does %s in the handshake is counted',
    (end) =>
      backend.run(() =>
        withListener((listener) =>
          greeting(listener, function* (): Operation<void> {
            const client = yield* connect(listener.address);
            yield* eventually('it has begun', () => listener.handshakes?.pending === 1);
            client[end]();
            yield* eventually('it has failed', () => listener.handshakes?.failed === 1);
            expect(listener.handshakes?.lastFailure?.code).toBe('ECONNRESET');
            expect(listener.handshakes?.pending).toBe(0);
          }),
        ),
      ),
  );

  test('a task can be cancelled while it accepts; the connection waits for the next', () =>
    backend.run(() =>
      withListener((listener) =>
        group(function* (tasks): Operation<void> {
          const accepting = tasks.spawn(() => listener.accept());
          yield* untilWaiting(accepting);
          const connecting = tasks.spawn(() => connectTo(listener.address));
          yield* eventually('a handshake is under way', () => listener.handshakes?.pending === 1);
          accepting.cancel();
          using near = yield* connecting.join();
          yield* eventually('it waits', () => listener.handshakes?.waiting === 1);
          using far = yield* listener.accept();
          yield* near.sendAll('x');
          expect(String(yield* receiveExactly(far, 1))).toBe('x');
        }),
      ),
    ));

  test('closing aborts the handshakes, and resets what nobody has accepted', () =>
    backend.run(function* (): Operation<void> {
      const listener = yield* listen(LOOPBACK, { tls: SERVER });
      yield* group(function* (tasks): Operation<void> {
        const accepting = tasks.spawn(() => failure(() => listener.accept()));
        using silent = yield* connect(listener.address);
        yield* eventually('it has begun', () => listener.handshakes?.pending === 1);
        listener.close();
        expect((yield* failure(() => silent.recv())).code).toBe('ECONNRESET');
        expect((yield* accepting.join()).code).toBe('ERR_CLOSED');
        expect(() => listener.reloadTls(SERVER)).toThrow(/closed here/);
      });
    }));

  test('a Unix socket carries TLS, too', () =>
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

  test('an accept goes on after a reload', () =>
    backend.run(() =>
      withListener(function* (listener): Operation<void> {
        const [near, far] = yield* securePair(listener);
        closeAll([near, far]);
        listener.reloadTls(SERVER);
        const again = yield* securePair(listener);
        closeAll(again);
      }),
    ));
});
