/** `asyncHandler`: connections that async functions serve. */
import { describe, expect, test } from 'vitest';
import type { AsyncSocket, Operation, Server } from '../../../src/index.ts';
import { asyncHandler, connect, run, until } from '../../../src/index.ts';
import { backends } from '../../support/backends.ts';
import { expectNothingLeft } from '../../support/leaks.ts';
import { ask, closeReasons, untilAllClosed, withServer } from '../../support/servers.ts';
import { endOf, eventually, failureCode, receiveText } from '../../support/sockets.ts';

/** Runs `body` with a server of `fn`, and the errors of its handlers. */
function serving(
  fn: Parameters<typeof asyncHandler>[0],
  body: (server: Server, errors: unknown[]) => Operation<void>,
  options: Parameters<typeof withServer>[2] = {},
): Operation<void> {
  const errors: unknown[] = [];
  const onError = (error: unknown): void => void errors.push(error);
  return withServer(asyncHandler(fn), (server) => body(server, errors), { onError, ...options });
}

describe.each(backends)('asyncHandler on $name', (backend) => {
  expectNothingLeft(backend);

  test('an async function reads lines and responds until end of file', () =>
    backend.run(() =>
      serving(
        async (socket) => {
          for (;;) {
            const line = await socket.readLine();
            if (line === null) return;
            await socket.sendAll(`GOT:${line}\n`);
          }
        },
        function* (server, errors): Operation<void> {
          expect(yield* ask(server, 'one\ntwo\n')).toBe('GOT:one\nGOT:two\n');
          yield* untilAllClosed(server);
          expect(closeReasons(server)).toEqual({ handler: 1 });
          expect(errors).toEqual([]);
        },
      ),
    ));

  test('every method of the socket has the result of its operation', () =>
    backend.run(() =>
      serving(
        async (socket) => {
          expect(String(await socket.recv(2))).toBe('ab');
          expect(String(await socket.read(1))).toBe('c');
          expect(String(await socket.readExactly(2))).toBe('de');
          expect(String(await socket.readUntil(';'))).toBe('f;');
          expect(await socket.run((plain) => plain.reader().readLine())).toBe('line');
          await socket.sendv([Buffer.from('1'), Buffer.from('2')]);
          expect(await socket.send('3')).toBe(1);
          for await (const chunk of socket) await socket.sendAll(chunk);
          expect(socket.bytesReceived).toBe(15);
          expect(socket.bytesSent).toBe(6);
          expect(socket.remoteAddress.host).toBe(socket.localAddress.host);
          expect([socket.closed, socket.tls]).toEqual([false, undefined]);
          socket.shutdown();
          socket.close();
          expect(socket.closed).toBe(true);
        },
        function* (server, errors): Operation<void> {
          expect(yield* ask(server, 'abcdef;line\nxyz')).toBe('123xyz');
          yield* untilAllClosed(server);
          expect(errors).toEqual([]);
        },
      ),
    ));

  test('a receive and a send are in progress at the same time', () =>
    backend.run(() =>
      serving(
        async (socket) => {
          const receiving = socket.readLine();
          await socket.sendAll('prompt ');
          await socket.sendAll(String(await receiving));
        },
        function* ({ address }): Operation<void> {
          using client = yield* connect(address);
          expect(String(yield* client.recv())).toBe('prompt ');
          yield* client.sendAll('line\n');
          expect(yield* receiveText(client)).toBe('line');
        },
      ),
    ));

  test('a rejection is the failure of its handler, and other connections continue', () =>
    backend.run(() =>
      serving(
        async (socket) => {
          const line = await socket.readLine();
          if (line === 'fail') throw new Error('the reason');
          await socket.sendAll('fine');
        },
        function* (server, errors): Operation<void> {
          expect(yield* ask(server, 'fail\n')).toBe('');
          expect(yield* ask(server, 'x\n')).toBe('fine');
          yield* untilAllClosed(server);
          expect(errors).toMatchObject([{ message: 'the reason' }]);
          expect(server.stats()).toMatchObject({ failed: 1, accepted: 2 });
        },
      ),
    ));

  test('an exception before the first await, and a result without a promise, are failures', () =>
    backend.run(function* (): Operation<void> {
      const throwing = () => {
        throw new Error('at once');
      };
      for (const [fn, message] of [
        [throwing, 'at once'],
        [() => 5, 'Expected `the result of the handler` to be a promise, got 5 (number)'],
      ] as const) {
        yield* serving(fn as never, function* (server, errors): Operation<void> {
          yield* ask(server, 'x');
          yield* untilAllClosed(server);
          expect(errors).toMatchObject([{ message }]);
        });
      }
    }));

  test('a reset by the peer rejects the operation and is not a failure of the program', () =>
    backend.run(() =>
      serving(
        async (socket) => {
          await socket.recv();
          await socket.recv();
        },
        function* (server, errors): Operation<void> {
          const client = yield* connect(server.address);
          yield* client.sendAll('x');
          yield* eventually('the byte has arrived', () => server.stats().bytesReceived === 1);
          client.reset();
          yield* untilAllClosed(server);
          expect(closeReasons(server)).toEqual({ peerReset: 1 });
          expect(errors).toEqual([]);
        },
      ),
    ));

  test('the end of the grace period aborts the signal, and the operation rejects', () => {
    const seen: unknown[] = [];
    return backend.run(() =>
      serving(
        async (socket, signal) => {
          signal.addEventListener('abort', () => seen.push('aborted'));
          await socket.sendAll('x');
          await socket.recv(1);
          await socket.recv().catch((error) => seen.push(error.name));
          await socket.sendAll('late').catch((error) => seen.push(error.code));
          signal.throwIfAborted();
        },
        function* (server, errors): Operation<void> {
          using client = yield* connect(server.address);
          yield* client.recv();
          yield* client.sendAll('y');
          yield* eventually('it waits', () => server.stats().bytesReceived === 1);
          server.stop({ graceMs: 0 });
          yield* endOf(client);
          yield* untilAllClosed(server);
          expect(seen).toEqual(['aborted', 'AbortError', 'ABORT_ERR']);
          expect(errors).toEqual([]);
          expect(closeReasons(server)).toEqual({ cut: 1 });
        },
      ),
    );
  });

  test('an error in the cleanup after the signal has aborted is a failure', () => {
    let isCalled = false;
    return backend.run(() =>
      serving(
        async (socket) => {
          isCalled = true;
          try {
            await socket.recv();
          } finally {
            await Promise.reject(new Error('in the cleanup'));
          }
        },
        function* (server, errors): Operation<void> {
          using client = yield* connect(server.address);
          yield* eventually('the function is called', () => isCalled);
          server.stop({ graceMs: 0 });
          yield* endOf(client);
          yield* untilAllClosed(server);
          expect(errors).toMatchObject([{ message: 'in the cleanup' }]);
        },
      ),
    );
  });

  test('an operation that is in progress at the end is ERR_NOT_AWAITED', () =>
    backend.run(() =>
      serving(
        async (socket) => {
          socket.recv();
        },
        function* (server, errors): Operation<void> {
          using client = yield* connect(server.address);
          expect(yield* endOf(client)).toBe('end of file');
          client.close();
          yield* untilAllClosed(server);
          expect(errors).toMatchObject([{ code: 'ERR_NOT_AWAITED' }]);
        },
      ),
    ));

  test('the rejection of an operation that was not awaited is the failure of the handler', () =>
    backend.run(() =>
      serving(
        async (socket) => {
          socket.sendAll(5 as never);
          await socket.sendAll('x');
        },
        function* (server, errors): Operation<void> {
          expect(yield* ask(server, '')).toBe('x');
          yield* untilAllClosed(server);
          expect(errors).toMatchObject([{ name: 'TypeError' }]);
        },
      ),
    ));

  test('an operation that lost a Promise.race may be in progress at the end', () =>
    backend.run(() =>
      serving(
        async (socket) => {
          await Promise.race([socket.recv(), Promise.resolve()]);
        },
        function* (server, errors): Operation<void> {
          using client = yield* connect(server.address);
          yield* endOf(client);
          client.close();
          yield* untilAllClosed(server);
          expect(errors).toEqual([]);
        },
      ),
    ));

  test('operations after the handler has ended reject with ERR_CLOSED', () => {
    let kept: AsyncSocket | undefined;
    return backend.run(() =>
      serving(
        async (socket) => {
          kept = socket;
        },
        function* (server): Operation<void> {
          yield* ask(server, 'x');
          const late = kept as AsyncSocket;
          expect(yield* failureCode(() => until(late.recv()))).toBe('ERR_CLOSED');
          late.sendAll('not awaited, not an unhandled rejection');
        },
      ),
    );
  });
});

test('asyncHandler ends the connection of a function that ignores its signal', async () => {
  const reported: unknown[] = [];
  const hooks = { onUnhandled: (error: unknown) => void reported.push(error) };
  let isCalled = false;
  await run(
    () =>
      serving(
        () => {
          isCalled = true;
          return new Promise(() => {});
        },
        function* (server): Operation<void> {
          using client = yield* connect(server.address);
          yield* eventually('the function is called', () => isCalled);
          server.stop({ graceMs: 0 });
          yield* endOf(client);
          yield* untilAllClosed(server);
          expect(closeReasons(server)).toEqual({ cut: 1 });
        },
      ),
    { hooks },
  );
  expect(reported).toMatchObject([{ code: 'ERR_SHIELD_EXPIRED' }]);
});

test('asyncHandler throws a TypeError for a value that is not a function', () => {
  expect(() => asyncHandler(5 as never)).toThrow('Expected `fn` to be an async function');
});
