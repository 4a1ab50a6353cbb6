/** `tcpServer` and `serve`: accept for ever, a task for every connection. */

import type { Operation, Wait } from '../kernel/operation.ts';
import { Lazy } from '../kernel/operation.ts';
import type { Scope } from '../kernel/scope/scope.ts';
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
 * when the server has been stopped and the last connection has ended.
 *
 * Cancel: the listener is closed, every handler is cancelled and has unwound before Cancelled goes
 * on.
 * Errors: those of `listen`; what `onListening` throws; TypeError, RangeError for wrong options.
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

/** As `tcpServer`, on a listener that is open already. The listener is closed at the end. */
export function serve(
  listener: Listener,
  handler: Handler,
  options: ServerOptions = {},
): Operation<void> {
  checkServerOptions(handler, options);
  return new Lazy(() => runServe(listener, handler, options));
}

function* runServe(
  listener: Listener,
  handler: Handler,
  options: ServerOptions,
): Generator<Wait, void> {
  try {
    yield* scope((own) => serveInside(own, listener, handler, options));
  } finally {
    currentWorld().program?.serverEnds(listener.address);
    listener.close();
  }
}

function* serveInside(
  own: Scope,
  listener: Listener,
  handler: Handler,
  options: ServerOptions,
): Generator<Wait, void> {
  const server = new ServerImpl(listener, options, own);
  options.onListening?.(server);
  currentWorld().program?.serverListens(server);
  try {
    yield* group(
      function* (tasks) {
        server.tasks = tasks;
        tasks.spawn(() => drainWhenStopped(server, own, handler), { name: 'drain', daemon: true });
        yield* acceptAll(server, handler);
      },
      { name: `server ${listener.address}` },
    );
  } finally {
    server.end();
  }
}
