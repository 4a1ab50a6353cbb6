/** `toAsync`: a generator function for callers that know only promises. */

import { DeadlockError, TaskCancelledError } from '../kernel/errors.ts';
import type { Operation, Wait } from '../kernel/operation.ts';
import { operationOf } from '../kernel/operation.ts';
import { isCancelled } from '../kernel/scope/cancelled.ts';
import { wrongType } from '../support/checks.ts';

/** What `makeToAsync` needs of `run`. `O` are its options. */
export type Run<O> = <T>(op: () => Operation<T>, options?: O) => Promise<T>;

/** See `makeToAsync`. */
export type ToAsync<O> = <A extends unknown[], T>(
  fn: (...args: A) => Operation<T>,
  options?: O,
) => (...args: A) => Promise<T>;

/** What a cancelled async function rejects with; shaped as Node's own. `cause` says why. */
export class AbortError extends Error {
  readonly code = 'ABORT_ERR';

  constructor(cause: unknown) {
    super('The operation was aborted', cause === undefined ? {} : { cause });
    this.name = 'AbortError';
  }
}

/**
 * Makes `toAsync` out of a `run`. `toAsync(fn, options)` turns a generator function into an async
 * one: every call of it is a run of its own, with the given options.
 *
 * It rejects with what the operation throws, and with an AbortError if that was cancelled: by the
 * `signal` of the options, whose reason is the `cause`, or because the main task was cancelled.
 *
 * @example
 * const load = toAsync(function* (id: string): Operation<User> { … });
 * const user = await load('ada');
 */
export function makeToAsync<O>(run: Run<O>): ToAsync<O> {
  return (fn, options) => {
    if (typeof fn !== 'function') throw wrongType('fn', 'a generator function', fn);
    return function (this: unknown, ...args) {
      return runAborting(run, () => fn.apply(this, args), options);
    };
  };
}

async function runAborting<T, O>(
  run: Run<O>,
  make: () => Operation<T>,
  options: O | undefined,
): Promise<T> {
  const watch: { cancelled: { readonly reason: unknown } | null } = { cancelled: null };
  try {
    return await run(() => recordingCancellation(make, watch), options);
  } catch (error) {
    if (watch.cancelled === null || !isCancellationResult(error, watch.cancelled.reason))
      throw error;
    throw new AbortError(watch.cancelled.reason);
  }
}

/** Drives the operation, and notes whether a cancellation has ended it. */
function* recordingCancellation<T>(
  make: () => Operation<T>,
  watch: { cancelled: { readonly reason: unknown } | null },
): Generator<Wait, T> {
  try {
    return yield* operationOf(make);
  } catch (error) {
    if (isCancelled(error)) watch.cancelled = error;
    throw error;
  }
}

/** True for what `run` makes of a Cancelled; a report of a deadlock, say, is left as it is. */
function isCancellationResult(error: unknown, reason: unknown): boolean {
  if (error instanceof DeadlockError) return false;
  return error === reason || error instanceof TaskCancelledError;
}
