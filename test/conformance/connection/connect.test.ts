import { constants } from 'node:os';
import { describe, expect, it } from 'vitest';
import type { Listener, Operation, Socket } from '../../../src/index.ts';
import { connect, group, listen, sleep } from '../../../src/index.ts';
import type { TestBackend } from '../../support/backends.ts';
import { backends, withoutEpoll } from '../../support/backends.ts';
import { expectNothingLeft } from '../../support/leaks.ts';
import {
  echo,
  eventually,
  failure,
  LOOPBACK,
  onPair,
  receiveAll,
  receiveExactly,
  together,
} from '../../support/sockets.ts';

const without = withoutEpoll === undefined ? '' : `, and not on epoll: ${withoutEpoll}`;

it(`the suite runs on ${backends.map(({ name }) => name).join(', ')}${without}`, () => {
  const epoll = withoutEpoll === undefined ? ['epoll'] : [];
  expect(backends.map(({ name }) => name)).toEqual([...epoll, 'portable', 'sim']);
});

for (const backend of backends) {
  describe(`connecting on ${backend.name}`, () => {
    expectNothingLeft(backend);

    it('a connection carries bytes in both directions', () =>
      onPair(backend, function* (near, far): Operation<void> {
        yield* near.sendAll('question');
        expect(String(yield* far.recv())).toBe('question');
        yield* far.sendAll('answer');
        expect(String(yield* near.recv())).toBe('answer');
      }));

    it('an echo server answers every client', () =>
      backend.run(function* (): Operation<void> {
        using listener = yield* listen(LOOPBACK);
        const serve = () => serveOne(listener);
        yield* together(() => acceptTwo(listener, serve), ask(listener, 'a'), ask(listener, 'b'));
      }));

    it('a connection can be made before the listener accepts it', () =>
      backend.run(function* (): Operation<void> {
        using listener = yield* listen(LOOPBACK);
        using near = yield* connect(listener.address);
        yield* near.sendAll('early');
        using far = yield* listener.accept();
        expect(String(yield* far.recv())).toBe('early');
      }));

    it('connections are accepted in the order in which they were made', () =>
      backend.run(function* (): Operation<void> {
        using listener = yield* listen(LOOPBACK);
        for (let i = 0; i < 40; i++) yield* sendNumber(listener, i);
        for (let i = 0; i < 40; i++) expect(yield* acceptNumber(listener)).toBe(i);
      }));

    it('tryAccept returns a waiting connection, and undefined without one', () =>
      backend.run(function* (): Operation<void> {
        using listener = yield* listen(LOOPBACK);
        expect(listener.tryAccept()).toBeUndefined();
        using near = yield* connect(listener.address);
        let far: Socket | undefined;
        yield* eventually('a connection waits', () => {
          far = listener.tryAccept();
          return far !== undefined;
        });
        expect(far?.remoteAddress).toEqual(near.localAddress);
        far?.close();
        expect(listener.tryAccept()).toBeUndefined();
      }));

    it('a refused connection fails in the shape of a Node error', () =>
      backend.run(function* (): Operation<void> {
        const port = yield* unusedPort();
        const error = yield* failure(() => connect(port));
        expect(error).toBeInstanceOf(Error);
        expect(error).toMatchObject({
          code: 'ECONNREFUSED',
          errno: -constants.errno.ECONNREFUSED,
          syscall: 'connect',
          port,
        });
        const exact = yield* failure(() => connect({ host: '127.0.0.1', port }));
        expect(exact).toMatchObject({ code: 'ECONNREFUSED', address: '127.0.0.1', port });
        expect(exact.message).toBe(`connect ECONNREFUSED 127.0.0.1:${port}`);
      }));

    it('a refused connection does not affect the next attempt', () =>
      backend.run(function* (): Operation<void> {
        const port = yield* unusedPort();
        for (let i = 0; i < 20; i++) {
          expect(yield* failure(() => connect({ host: '127.0.0.1', port }))).toMatchObject({
            code: 'ECONNREFUSED',
          });
        }
        using listener = yield* listen({ host: '127.0.0.1', port });
        yield* sendNumber(listener, 7);
        expect(yield* acceptNumber(listener)).toBe(7);
      }));

    it('a connection that times out fails with ERR_TIMEOUT and leaves nothing open', () =>
      backend.run(() => fullQueue(backend)));

    it('a cancelled connection attempt leaves nothing open', () =>
      backend.run(function* (): Operation<void> {
        using listener = yield* listen(LOOPBACK);
        yield* group(function* (tasks): Operation<void> {
          for (let steps = 0; steps < 12; steps++) {
            const attempt = tasks.spawn(() => connectAndClose(listener));
            for (let step = 0; step < steps; step++) yield;
            attempt.cancel();
          }
        });
      }));

    it('closing a listener keeps the accepted connections open', () =>
      onPair(backend, function* (near, far): Operation<void> {
        yield* together(
          () => echo(far),
          function* (): Operation<void> {
            yield* sleep(5);
            yield* near.sendAll('still here');
            expect(String(yield* receiveExactly(near, 10))).toBe('still here');
            near.shutdown('send');
          },
        );
      }));

    it('closing a listener resets the connections that are not accepted', () =>
      backend.run(function* (): Operation<void> {
        const listener = yield* listen(LOOPBACK);
        using near = yield* connect(listener.address);
        yield* untilQueued(backend, listener);
        listener.close();
        expect(yield* failure(() => near.recv())).toMatchObject({ code: 'ECONNRESET' });
      }));
  });
}

/** Waits until a backend that accepts by itself has the connection. */
function* untilQueued(backend: TestBackend, listener: Listener): Operation<void> {
  if (!backend.capabilities.pausesAccept) {
    yield* eventually('the backend has accepted the connection', () => listener.readiness.canRecv);
  }
}

function* acceptTwo(listener: Listener, serve: () => Operation<void>): Operation<void> {
  yield* serve();
  yield* serve();
  expect(listener.closed).toBe(false);
}

function* serveOne(listener: Listener): Operation<void> {
  using socket = yield* listener.accept();
  yield* echo(socket);
}

function ask(listener: Listener, text: string): () => Operation<void> {
  return function* (): Operation<void> {
    using socket = yield* connect(listener.address);
    yield* socket.sendAll(text);
    socket.shutdown('send');
    expect(String(yield* receiveAll(socket))).toBe(text);
  };
}

function* sendNumber(listener: Listener, number: number): Operation<void> {
  using socket = yield* connect(listener.address);
  yield* socket.sendAll(String(number));
}

function* acceptNumber(listener: Listener): Operation<number> {
  using socket = yield* listener.accept();
  return Number(String(yield* receiveAll(socket)));
}

function* connectAndClose(listener: Listener): Operation<void> {
  using socket = yield* connect(listener.address);
  expect(socket.closed).toBe(false);
}

/** A port without a listener: its last one was just closed. */
function* unusedPort(): Operation<number> {
  using listener = yield* listen(LOOPBACK);
  return listener.address.port;
}

/**
 * A queue of the system with `backlog: 1` holds two connections (Linux), and further ones get no
 * answer. A queue of the backend holds one, and further ones are accepted and reset.
 */
function* fullQueue(backend: TestBackend): Operation<void> {
  using listener = yield* listen(LOOPBACK, { backlog: 1 });
  const clients: (Socket | string)[] = [];
  for (let i = 0; i < 5; i++) clients.push(yield* connectOrCode(listener));
  const endings: string[] = [];
  yield* group(function* (tasks): Operation<void> {
    tasks.spawn(() => acceptAndClose(listener), { daemon: true });
    for (const client of clients) endings.push(yield* endingOf(client));
  });
  const { pausesAccept } = backend.capabilities;
  const overflow = pausesAccept ? 'ERR_TIMEOUT' : 'ECONNRESET';
  const served = Array(pausesAccept ? 2 : 1).fill('end of file');
  expect(endings).toEqual([...served, ...Array(clients.length - served.length).fill(overflow)]);
}

function* connectOrCode(listener: Listener): Operation<Socket | string> {
  try {
    return yield* connect(listener.address, { timeoutMs: 100 });
  } catch (error) {
    return (error as { code: string }).code;
  }
}

function* acceptAndClose(listener: Listener): Operation<void> {
  for (;;) (yield* listener.accept()).close();
}

function* endingOf(client: Socket | string): Operation<string> {
  if (typeof client === 'string') return client;
  using socket = client;
  try {
    return (yield* socket.recv()).length === 0 ? 'end of file' : 'bytes';
  } catch (error) {
    return (error as { code: string }).code;
  }
}
