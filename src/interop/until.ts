/**
 * `until`: a task waits for a promise.
 *
 * A promise keeps every reaction that was ever attached to it, so a program that waits for the
 * same long-lived promise again and again, and gives up again and again, would pile them up.
 * Therefore each promise gets one reaction from here, and the waits stand in a queue from which
 * they can be removed.
 */

import { runningTask } from '../kernel/current.ts';
import type { Operation, Wait } from '../kernel/operation.ts';
import { isPromise, Lazy } from '../kernel/operation.ts';
import { Parking, ParkingQueue } from '../kernel/parking.ts';
import { checkpoint, park } from '../kernel/waits.ts';
import { wrongType } from '../support/checks.ts';

/**
 * Waits until a promise has settled, and gives its value. From the moment of this call the promise
 * counts as handled: it never becomes an unhandled rejection. Keeps the process alive while it
 * waits.
 *
 * With a function, the promise is made when the operation is driven, and `signal` aborts when the
 * wait is cancelled, with the reason of the cancellation (an AbortError if there is none).
 *
 * Errors: what the promise rejects with, itself; what the function throws. TypeError for what is no
 * promise.
 * Cancel: the wait ends at once. The promise goes on by itself, since promises cannot be cancelled,
 * and its result or error is dropped. A function that was not called yet is not called any more.
 *
 * @example
 * const text = yield* until(readFile('names.txt', 'utf8'));
 * const response = yield* timeout(1000, until((signal) => fetch(url, { signal })));
 */
export function until<T>(
  source: PromiseLike<T> | ((signal: AbortSignal) => PromiseLike<T>),
): Operation<T> {
  if (typeof source === 'function') return new Lazy(() => untilAborting(source));
  const watched = watchPromise(source);
  return new Lazy(() => untilWatched(watched));
}

function* untilWatched<T>(watched: WatchedPromise<T>): Generator<Wait, T> {
  yield* checkpoint();
  return yield* settlement(watched);
}

function* untilAborting<T>(start: (signal: AbortSignal) => PromiseLike<T>): Generator<Wait, T> {
  yield* checkpoint();
  const controller = new AbortController();
  const watched = watchPromise(start(controller.signal));
  try {
    return yield* settlement(watched);
  } finally {
    if (!watched.settled) controller.abort(runningTask().scope.reason);
  }
}

function* settlement<T>(watched: WatchedPromise<T>): Generator<Wait, T> {
  if (!watched.settled) {
    const place = new Parking('until a promise', { realTime: true });
    watched.waiters.push(place);
    yield* park(place);
  }
  return watched.result();
}

type Outcome<T> = { readonly value: T } | { readonly error: unknown };

/** A promise, with the tasks that wait for it. */
class WatchedPromise<T> {
  readonly waiters: ParkingQueue = new ParkingQueue();
  #outcome: Outcome<T> | null = null;

  constructor(promise: Promise<T>) {
    promise.then(
      (value) => this.#settle({ value }),
      (error: unknown) => this.#settle({ error }),
    );
  }

  get settled(): boolean {
    return this.#outcome !== null;
  }

  /** The value, or the error as a throw. Only once settled. */
  result(): T {
    const outcome = this.#outcome as Outcome<T>;
    if ('error' in outcome) throw outcome.error;
    return outcome.value;
  }

  #settle(outcome: Outcome<T>): void {
    this.#outcome = outcome;
    while (this.waiters.first !== null) this.waiters.first.wake();
  }
}

const watchedPromises = new WeakMap<Promise<unknown>, WatchedPromise<unknown>>();

/** Other thenables are asked anew each time: some begin their work only when `then` is called. */
function watchPromise<T>(source: PromiseLike<T>): WatchedPromise<T> {
  if (!isPromise(source)) {
    throw wrongType('promise', 'a promise, or a function that returns one', source);
  }
  if (!(source instanceof Promise)) return new WatchedPromise(Promise.resolve(source));
  let watched = watchedPromises.get(source) as WatchedPromise<T> | undefined;
  if (watched === undefined) {
    watched = new WatchedPromise<T>(source);
    watchedPromises.set(source, watched);
  }
  return watched;
}
