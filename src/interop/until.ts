/**
 * `until`: waits for a promise.
 *
 * A pending promise keeps every reaction that was attached to it. A program that repeatedly waits
 * for a long-lived promise with a time limit would accumulate reactions. Therefore `until` attaches
 * one reaction to each promise and keeps the waiting tasks in a queue, which they can leave.
 */
import { runningTask } from '../kernel/current.ts';
import type { Operation, Wait } from '../kernel/operation.ts';
import { isPromise, Lazy } from '../kernel/operation.ts';
import { Parking, ParkingQueue } from '../kernel/parking.ts';
import { checkpoint, park } from '../kernel/waits.ts';
import { wrongType } from '../support/checks.ts';

/**
 * Waits until a promise has settled, and returns its value. From this call on the promise counts as
 * handled, so it never causes an unhandled rejection. The wait keeps the process alive.
 *
 * A function is called when the operation is driven, and returns the promise. Its `signal` aborts
 * when the wait is cancelled, with the reason of the cancellation (an AbortError if there is none).
 *
 * Errors: the rejection of the promise, unchanged; an error of the function. TypeError for a value
 * that is not a promise.
 * Cancel: the wait ends at once. The promise is not cancelled; its result or error is dropped. In a
 * cancelled scope the function is not called.
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
    const parking = new Parking('until a promise', { realTime: true });
    watched.waiters.push(parking);
    yield* park(parking);
  }
  return watched.result();
}

type Outcome<T> = { readonly value: T } | { readonly error: unknown };

/** A promise with the tasks that wait for it. */
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

  /** Returns the value or throws the error. The promise must have settled. */
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

/** Other thenables are not shared: some start their work when `then` is called. */
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
