/** `callback`: converts a callback API to an operation. */
import { runningTask } from '../kernel/current.ts';
import type { Operation, Wait } from '../kernel/operation.ts';
import { isPromise, Lazy } from '../kernel/operation.ts';
import { Parking } from '../kernel/parking.ts';
import { isCancelled } from '../kernel/scope/cancelled.ts';
import { checkpoint, park } from '../kernel/waits.ts';
import { wrongType } from '../support/checks.ts';

/**
 * Starts work that calls `resume` or `fail` later. May return a cleanup function. It is not async:
 * for a promise there is `until`.
 */
export type Executor<T> = (
  resume: (value: T) => void,
  fail: (error: unknown) => void,
) => (() => void) | void;

/**
 * Calls `begin` when it is driven, and waits until `begin` calls `resume(value)` or `fail(error)`.
 * The first call counts; later ones have no effect. The call may happen inside `begin`. If `begin`
 * returns a function, it runs once in the task as the cleanup, however the wait ends. The wait
 * keeps the process alive.
 *
 * Errors: the argument of `fail`; an error of `begin`; an error of the cleanup, which goes to
 * `hooks.onUnhandled` if the operation fails with another error; TypeError (ERR_INVALID_ARG_TYPE)
 * if `begin` is async. The rejection of an async `begin` or cleanup goes to `hooks.onUnhandled`.
 * Cancel: the cleanup runs, and later calls have no effect. In a cancelled scope `begin` is not
 * called.
 *
 * @example
 * const data = yield* callback<Buffer>((resume, fail) => {
 *   const request = read(file, (error, data) => (error ? fail(error) : resume(data)));
 *   return () => request.abort();
 * });
 */
export function callback<T>(begin: Executor<T>): Operation<T> {
  if (typeof begin !== 'function') throw wrongType('begin', 'a function', begin);
  return new Lazy(() => runCallback(begin));
}

function* runCallback<T>(begin: Executor<T>): Generator<Wait, T> {
  yield* checkpoint();
  const parking = new Parking('a callback', { realTime: true });
  const cleanup: unknown = startExecutor(begin, parking);
  let failed = false;
  try {
    return yield* park<T>(parking);
  } catch (error) {
    failed = !isCancelled(error);
    throw error;
  } finally {
    if (typeof cleanup === 'function') runCleanup(cleanup as () => void, failed);
  }
}

/** Calls `begin` and returns the cleanup. An error after the first call is only reported. */
function startExecutor<T>(begin: Executor<T>, parking: Parking): unknown {
  let result: unknown;
  try {
    result = begin(
      (value) => void parking.wake(value),
      (error) => void parking.fail(error),
    );
  } catch (error) {
    if (!parking.wokenEarly) throw error;
    runningTask().scheduler.unhandled(error);
    return undefined;
  }
  if (!isPromise(result)) return result;
  reportRejection(result as PromiseLike<unknown>);
  throw asyncBegin();
}

/** Runs the cleanup. Its error is only reported if the wait has failed with another one. */
function runCleanup(cleanup: () => void, failed: boolean): void {
  let result: unknown;
  try {
    result = cleanup();
  } catch (error) {
    if (!failed) throw error;
    runningTask().scheduler.unhandled(error);
  }
  if (isPromise(result)) reportRejection(result as PromiseLike<unknown>);
}

/** No task waits for the promise of an async function that was passed as a callback. */
function reportRejection(promise: PromiseLike<unknown>): void {
  const { scheduler } = runningTask();
  Promise.resolve(promise).catch((error: unknown) => scheduler.unhandled(error));
}

function asyncBegin(): TypeError {
  const message = [
    'The function passed to `callback` returned a promise, which `callback` does not wait for.',
    '  wrong:  yield* callback(async (resume) => resume(await work()))',
    '  right:  yield* until(work())',
  ].join('\n');
  return Object.assign(new TypeError(message), { code: 'ERR_INVALID_ARG_TYPE' });
}
