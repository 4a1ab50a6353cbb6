/** `asyncHandler`: serves a connection with an async function. */
import { currentScope } from '../../kernel/current.ts';
import type { Operation, Wait } from '../../kernel/operation.ts';
import { isPromise, Lazy } from '../../kernel/operation.ts';
import { shield } from '../../kernel/scope/shield.ts';
import { group } from '../../kernel/task/group.ts';
import { checkpoint } from '../../kernel/waits.ts';
import type { SocketAddress } from '../../net/address.ts';
import type { Socket } from '../../net/tcp/socket.ts';
import { wrongType } from '../../support/checks.ts';
import { until } from '../until.ts';
import { AsyncOperations, AsyncSocket } from './async-socket.ts';

/** Serves one connection. The connection is closed when the promise has settled. */
export type AsyncHandler = (socket: AsyncSocket, signal: AbortSignal) => PromiseLike<unknown>;

/** How long the function may take to settle after its signal has aborted: as long as the kernel
 *  waits for a task that ignores its cancellations. */
const MAX_ABORTED_MS = 1000;

/**
 * Returns a handler of `tcpServer` that serves each connection with the async function `fn`. Its
 * socket has promise methods. `signal` aborts when the task of the connection is cancelled: by a
 * limit, at the end of the grace period, or with the server. Its reason is that of the
 * cancellation, such as 'idleTimeoutMs'. From then on the methods of the socket reject with an
 * AbortError.
 *
 * The handler ends when the promise has settled. A rejection is the failure of the handler, and so
 * is the rejection of an operation that the function has not awaited, such as ERR_NOT_AWAITED of
 * one that is still in progress at the end. After the signal has aborted, an AbortError or the
 * reason is not a failure, and the function has one second to settle. Then the connection is
 * closed, and the hook `onUnhandled` receives ERR_SHIELD_EXPIRED.
 *
 * Cancel: the signal aborts, and the handler waits for the promise as described.
 * Errors: TypeError if `fn` is not a function.
 *
 * @example
 * const handler = asyncHandler(async (socket, signal) => {
 *   for (;;) {
 *     const line = await socket.readLine();
 *     if (line === null) return;
 *     const response = await fetch(`${service}?q=${encodeURIComponent(line)}`, { signal });
 *     await socket.sendAll(`${await response.text()}\n`);
 *   }
 * });
 * await main(() => tcpServer(25000, handler));
 */
export function asyncHandler(
  fn: AsyncHandler,
): (socket: Socket, peer: SocketAddress) => Operation<void> {
  if (typeof fn !== 'function') throw wrongType('fn', 'an async function', fn);
  return (socket) => new Lazy(() => serveAsync(fn, socket));
}

/** The error of a promise that has rejected. */
interface Rejection {
  readonly error: unknown;
}

function* serveAsync(fn: AsyncHandler, socket: Socket): Generator<Wait, void> {
  yield* checkpoint();
  const { signal } = currentScope();
  const operations = new AsyncOperations(socket);
  const outcome: { rejection: Rejection | null } = { rejection: null };
  try {
    yield* group(function* (tasks): Generator<Wait, void> {
      operations.begin(tasks);
      try {
        const promise = start(fn, new AsyncSocket(socket, operations), signal);
        outcome.rejection = yield* rejectionOf(promise, signal);
      } finally {
        operations.end();
      }
    });
  } catch (error) {
    if (outcome.rejection === null) throw error;
  }
  const failure = outcome.rejection ?? operations.lost;
  if (failure !== null) throw failure.error;
}

/** Calls the function. An error that it throws is a rejection. */
async function start(fn: AsyncHandler, socket: AsyncSocket, signal: AbortSignal): Promise<void> {
  const promise: unknown = fn(socket, signal);
  if (!isPromise(promise)) throw wrongType('the result of the handler', 'a promise', promise);
  await promise;
}

/** Waits until the promise has settled. Throws Cancelled if the signal has aborted, unless the
 *  promise rejects with an error of its own. */
function* rejectionOf(
  promise: Promise<void>,
  signal: AbortSignal,
): Generator<Wait, Rejection | null> {
  let rejection: Rejection | null;
  try {
    rejection = yield* settlement(promise);
  } catch (error) {
    rejection = yield* shield(() => settlement(promise), { withinMs: MAX_ABORTED_MS });
    if (rejection === null) throw error;
  }
  if (rejection !== null && signal.aborted && isAbort(rejection.error, signal)) {
    yield* checkpoint(); // throws Cancelled
  }
  return rejection;
}

/** Throws Cancelled, and no rejection. */
function* settlement(promise: Promise<void>): Generator<Wait, Rejection | null> {
  return yield* until(
    promise.then(
      () => null,
      (error: unknown) => ({ error }),
    ),
  );
}

function isAbort(error: unknown, signal: AbortSignal): boolean {
  const { name } = (error ?? {}) as { readonly name?: unknown };
  return name === 'AbortError' || error === signal.reason;
}
