/** Usage errors of `tcpServer`. */
import { expect, test } from 'vitest';
import type { Operation } from '../kernel/operation.ts';
import { connect } from '../net/tcp/connect.ts';
import type { Socket } from '../net/tcp/socket.ts';
import { run } from '../node/run.ts';
import type { Handler } from './options.ts';
import { tcpServer } from './serve.ts';
import type { Server } from './server.ts';

test('a handler without a yield* fails with ERR_NOT_DRIVEN', async () => {
  const errors: unknown[] = [];
  function* handler(socket: Socket): Operation<void> {
    socket.sendAll('never');
  }
  await serveOnce(handler, errors);
  expect(errors).toEqual([expect.objectContaining({ code: 'ERR_NOT_DRIVEN' })]);
});

test('a handler that is an async function fails with ERR_NOT_AN_OPERATION', async () => {
  const errors: unknown[] = [];
  await serveOnce((async () => {}) as unknown as Handler, errors);
  expect(errors).toEqual([expect.objectContaining({ code: 'ERR_NOT_AN_OPERATION' })]);
});

test('the server continues after a handler has thrown a value with a throwing getter', async () => {
  const errors: unknown[] = [];
  const code = (): never => {
    throw new Error('no code');
  };
  const handler = function* (): Operation<void> {
    throw Object.defineProperty(new Error('odd'), 'code', { get: code });
  };
  await serveOnce(handler, errors);
  expect(errors.length).toBe(1);
});

test('an invalid handler, address or option is rejected at once', () => {
  expect(() => tcpServer(0, 1 as unknown as Handler)).toThrow(/`handler` to be a function/);
  expect(() => tcpServer('nowhere', function* () {})).toThrow(/Expected an address/);
  expect(() => tcpServer(0, function* () {}, { lingerMs: -1 })).toThrow(/`lingerMs`/);
});

/** Serves one connection, which the client closes, and then stops the server. */
function serveOnce(handler: Handler, errors: unknown[]): Promise<void> {
  let server: Server;
  const visit = function* (): Operation<void> {
    const socket = yield* connect(server.address);
    yield* socket.recv();
    socket.close();
    server.stop();
  };
  return run(() =>
    tcpServer('127.0.0.1:0', handler, {
      onListening: (listening) => {
        server = listening;
        void run(visit);
      },
      onError: (error) => errors.push(error),
    }),
  );
}
