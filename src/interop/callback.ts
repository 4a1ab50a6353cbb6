/** `callback`: an operation made of something that calls back. */

import { runningTask } from '../kernel/current.ts';
import type { Operation, Wait } from '../kernel/operation.ts';
import { Lazy } from '../kernel/operation.ts';
import { Parking } from '../kernel/parking.ts';
import { checkpoint, park } from '../kernel/waits.ts';
import { wrongType } from '../support/checks.ts';

/** Begins something that will call `resume` or `fail`. What it returns undoes it. */
export type Executor<T> = (
  resume: (value: T) => void,
  fail: (error: unknown) => void,
) => (() => void) | void;

/**
 * Calls `begin` when it is driven, and waits until that calls `resume(value)` or `fail(error)`:
 * the first call counts, later ones do nothing. They may be called at once, inside `begin`. The
 * function that `begin` returns cleans up: it runs once, in the task, however the wait ends. Keeps
 * the process alive while it waits.
 *
 * Errors: what `fail` was given; what `begin` throws; what the cleanup throws, where no error is on
 * its way already (it goes to `hooks.onUnhandled` then).
 * Cancel: the cleanup runs, and later calls do nothing. A `begin` that was not called yet is not
 * called any more.
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

/** Calls `begin`, and gives the cleanup. What it throws after the first call has no other place. */
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

  /** The wait has ended. `cleanup` is whatever `begin` has returned. */
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

  /** The value, or the error as a throw. Only once settled. */
  result(): T {
    const outcome = this.#outcome as Outcome<T>;
    if ('error' in outcome) throw outcome.error;
    return outcome.value;
  }
}
