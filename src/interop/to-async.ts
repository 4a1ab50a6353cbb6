/** `toAsync`: converts a generator function to an async function. */
import { DeadlockError, TaskCancelledError } from '../kernel/errors.ts';
import type { Operation, Wait } from '../kernel/operation.ts';
import { operationOf } from '../kernel/operation.ts';
import { isCancelled } from '../kernel/scope/cancelled.ts';
import { isInstance, wrongType } from '../support/checks.ts';

/** The signature of `run`. `O` is the type of its options. */
export type Run<O> = <T>(op: () => Operation<T>, options?: O) => Promise<T>;

/** The signature of `toAsync`. */
export type ToAsync<O> = <A extends unknown[], T>(
  fn: (...args: A) => Operation<T>,
  options?: O,
) => (...args: A) => Promise<T>;

/** The rejection of a cancelled async function, with the name and code of Node's AbortError. */
export class AbortError extends Error {
  readonly code = 'ABORT_ERR';

  constructor(cause: unknown) {
    super('The operation was aborted', cause === undefined ? {} : { cause });
    this.name = 'AbortError';
  }
}

/**
 * Makes `toAsync` from a `run`. `toAsync(fn, options)` converts a generator function to an async
 * function. Each call of that function is a separate run with the given options.
 *
 * The function rejects with the error of the operation, or with an AbortError if the operation was
 * cancelled, either by the `signal` in the options or because its main task was cancelled. `cause`
 * is the reason of the cancellation.
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
  const recorded: { cancelled: { readonly reason: unknown } | null } = { cancelled: null };
  const recordCancellation = function* (): Generator<Wait, T> {
    try {
      return yield* operationOf(make);
    } catch (error) {
      if (isCancelled(error)) recorded.cancelled = error;
      throw error;
    }
  };
  try {
    return await run(recordCancellation, options);
  } catch (error) {
    if (recorded.cancelled === null || !isCancellationResult(error, recorded.cancelled.reason))
      throw error;
    throw new AbortError(recorded.cancelled.reason);
  }
}

/** True for the error that `run` makes of a Cancelled, false for example for a DeadlockError. */
function isCancellationResult(error: unknown, reason: unknown): boolean {
  if (isInstance(error, DeadlockError)) return false;
  return error === reason || isInstance(error, TaskCancelledError);
}
