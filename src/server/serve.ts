/** `tcpServer` and `serve`: accept connections and serve each one in a task. */
import type { Operation, Wait } from '../kernel/operation.ts';
import { Lazy, watchCallback } from '../kernel/operation.ts';
import { scope } from '../kernel/scope/with-scope.ts';
import { group } from '../kernel/task/group.ts';
import type { Address } from '../net/address.ts';
import { checkListenAddress } from '../net/address.ts';
import { currentWorld } from '../net/current-world.ts';
import { checkHandshakeOptions, listen, listenOptions } from '../net/tcp/listen.ts';
import type { Listener } from '../net/tcp/listener.ts';
import { acceptAll } from './accept.ts';
import { drainWhenStopped } from './drain.ts';
import type { Handler, ServerOptions } from './options.ts';
import { checkServerOptions } from './options.ts';
import { ServerImpl } from './server.ts';

/**
 * Listens at `address` and serves every connection with `handler`, in a task of its own. Returns
 * when the server has been stopped and its last connection has ended.
 *
 * Cancel: closes the listener and cancels every handler; waits until all have unwound.
 * Errors: those of `listen`; exceptions of `onListening`; TypeError, RangeError for invalid
 * options.
 *
 * @example
 * await main(() =>
 *   tcpServer(25000, function* (socket) {
 *     yield* pipe(socket, socket);
 *   }),
 * );
 */
export function tcpServer(
  address: Address,
  handler: Handler,
  options: ServerOptions = {},
): Operation<void> {
  checkListenAddress(address);
  checkServerOptions(handler, options);
  checkHandshakeOptions(options);
  return new Lazy(function* (): Generator<Wait, void> {
    yield* serve(yield* listen(address, listenOptions(options)), handler, options);
  });
}

/**
 * Like `tcpServer`, on an open listener, which is closed at the end.
 *
 * Cancel: closes the listener and cancels every handler; waits until all have unwound.
 * Errors: exceptions of `onListening`; TypeError, RangeError for invalid options.
 *
 * @example
 * const listener = yield* listen('127.0.0.1:0');
 * yield* serve(listener, handler);
 */
export function serve(
  listener: Listener,
  handler: Handler,
  options: ServerOptions = {},
): Operation<void> {
  checkServerOptions(handler, options);
  return new Lazy(function* (): Generator<Wait, void> {
    try {
      yield* scope((own) => run(new ServerImpl(listener, handler, options, own), options));
    } finally {
      currentWorld().program?.serverEnds(listener.address);
      listener.close();
    }
  });
}

function* run(server: ServerImpl, options: ServerOptions): Generator<Wait, void> {
  const { scheduler } = server;
  watchCallback(options.onListening?.(server), (error) => scheduler.unhandled(error));
  currentWorld().program?.serverListens(server);
  try {
    yield* group(
      function* (tasks) {
        server.tasks = tasks;
        tasks.spawn(() => drainWhenStopped(server), { name: 'drain', daemon: true });
        yield* acceptAll(server);
      },
      { name: `server ${server.address}` },
    );
  } finally {
    server.end();
  }
}
