/** `callback`: converts a callback API to an operation. */
import { runningTask } from '../kernel/current.ts';
import type { Operation, Wait } from '../kernel/operation.ts';
import { Lazy } from '../kernel/operation.ts';
import { Parking } from '../kernel/parking.ts';
import { checkpoint, park } from '../kernel/waits.ts';
import { wrongType } from '../support/checks.ts';

/** Starts work that calls `resume` or `fail` later. May return a cleanup function. */
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
 * `hooks.onUnhandled` if the operation fails with another error.
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
  const call = new CallbackWait<T>();
  const cleanup = startExecutor(begin, call);
  try {
    if (!call.settled) yield* park(call);
  } finally {
    call.close(cleanup);
  }
  return call.result();
}

/** Calls `begin` and returns the cleanup. An error after the first call is only reported. */
function startExecutor<T>(begin: Executor<T>, call: CallbackWait<T>): (() => void) | void {
  try {
    return begin(
      (value) => call.settle({ value }),
      (error) => call.settle({ error }),
    );
  } catch (error) {
    if (!call.settled) throw error;
    runningTask().scheduler.unhandled(error);
  }
}

type Outcome<T> = { readonly value: T } | { readonly error: unknown };

class CallbackWait<T> extends Parking {
  #outcome: Outcome<T> | null = null;
  #closed = false;

  constructor() {
    super('a callback', { realTime: true });
  }

  get settled(): boolean {
    return this.#outcome !== null;
  }

  settle(outcome: Outcome<T>): void {
    if (this.#outcome !== null || this.#closed) return;
    this.#outcome = outcome;
    if (this.occupied) this.wake();
  }

  protected override onWithdrawn(): void {
    this.#closed = true;
  }

  /** Ends the wait. `cleanup` is the unchecked return value of `begin`. */
  close(cleanup: unknown): void {
    this.#closed = true;
    if (typeof cleanup !== 'function') return;
    try {
      cleanup();
    } catch (error) {
      if (this.#outcome === null || 'value' in this.#outcome) throw error;
      runningTask().scheduler.unhandled(error);
    }
  }

  /** Returns the value or throws the error. The call must be settled. */
  result(): T {
    const outcome = this.#outcome as Outcome<T>;
    if ('error' in outcome) throw outcome.error;
    return outcome.value;
  }
}
