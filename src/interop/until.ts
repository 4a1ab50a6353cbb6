/**
 * `until`: waits for a promise.
 *
 * A pending promise keeps every reaction that was attached to it. A program that repeatedly waits
 * for a long-lived promise with a time limit would accumulate reactions. Therefore `until` attaches
 * one reaction to each promise and keeps the waiting tasks in a queue, which they can leave.
 */
import type { Selectable } from '../kernel/case.ts';
import { WOULD_WAIT } from '../kernel/case.ts';
import { current, runningTask } from '../kernel/current.ts';
import { UsageError } from '../kernel/errors.ts';
import type { Operation, Wait } from '../kernel/operation.ts';
import { isPromise, Lazy } from '../kernel/operation.ts';
import { Parking, ParkingQueue } from '../kernel/parking.ts';
import type { TaskImpl } from '../kernel/task/task.ts';
import { checkpoint, LatchWait } from '../kernel/waits.ts';
import { firstLine, wrongType } from '../support/checks.ts';

/**
 * Waits until a promise has settled, and returns its value. From this call on the promise counts as
 * handled, so it never causes an unhandled rejection. The wait keeps the process alive. If a task
 * calls `until(promise)` without `yield*`, a rejection goes to `hooks.onUnhandled` when the task
 * has ended, or before if the operation is garbage-collected (ERR_NOT_DRIVEN, with the rejection as
 * its `cause`).
 *
 * A function is called when the operation is driven, and returns the promise. Its `signal` aborts
 * when the wait is cancelled, with the reason of the cancellation (an AbortError if there is none).
 *
 * Errors: the rejection of the promise, unchanged; an error of the function. TypeError for a value
 * that is not a promise.
 * Cancel: the wait ends at once. The promise is not cancelled; its result or error is dropped. In a
 * cancelled scope the function is not called.
 *
 * With a promise it can be a case of `select`; with a function it cannot, because the function
 * begins its work when the operation is driven.
 *
 * @example
 * const text = yield* until(readFile('names.txt', 'utf8'));
 * const response = yield* timeout(1000, until((signal) => fetch(url, { signal })));
 */
export function until<T>(promise: PromiseLike<T>): Selectable<T>;
export function until<T>(start: (signal: AbortSignal) => PromiseLike<T>): Operation<T>;
export function until<T>(
  source: PromiseLike<T> | ((signal: AbortSignal) => PromiseLike<T>),
): Operation<T>;
export function until<T>(
  source: PromiseLike<T> | ((signal: AbortSignal) => PromiseLike<T>),
): Operation<T> {
  if (typeof source === 'function') return new Lazy(() => untilAborting(source));
  return new UntilSettled(watchPromise(source));
}

/** `until(promise)`. */
class UntilSettled<T> extends LatchWait<T> {
  readonly #watched: WatchedPromise<T>;

  constructor(watched: WatchedPromise<T>) {
    super();
    this.#watched = watched;
    watched.madeBy(this);
  }

  override [Symbol.iterator](): this {
    this.#watched.claim();
    return super[Symbol.iterator]();
  }

  override return(value?: unknown): IteratorResult<Wait, T> {
    this.#watched.claim();
    return super.return(value);
  }

  attempt(): T | typeof WOULD_WAIT {
    return this.#watched.settled ? this.#watched.result() : WOULD_WAIT;
  }

  protected queue(): ParkingQueue {
    return this.#watched.waiters;
  }

  describe(): string {
    return 'until a promise';
  }

  override get realTime(): boolean {
    return true;
  }
}

function* untilAborting<T>(start: (signal: AbortSignal) => PromiseLike<T>): Generator<Wait, T> {
  yield* checkpoint();
  const controller = new AbortController();
  const watched = watchPromise(start(controller.signal));
  try {
    return yield* new UntilSettled<T>(watched) as Operation<T>;
  } finally {
    if (!watched.settled) controller.abort(runningTask().scope.reason);
  }
}

type Outcome<T> = { readonly value: T } | { readonly error: unknown };

/** A promise with the tasks that wait for it. */
class WatchedPromise<T> {
  readonly waiters: ParkingQueue = new ParkingQueue();
  #outcome: Outcome<T> | null = null;
  /** True: a task waits for the promise, or has waited for it. */
  #claimed = false;
  /** The first operation for the promise and the task that made it, until one is driven. */
  #operation: { readonly made: object; readonly task: TaskImpl } | null = null;
  /** Set after a rejection that no task has received. */
  #lost: LostRejection | null = null;

  constructor(promise: Promise<T>) {
    promise.then(
      (value) => this.#settle({ value }),
      (error: unknown) => this.#settle({ error }),
    );
  }

  get settled(): boolean {
    return this.#outcome !== null;
  }

  /** An operation for the promise was made. */
  madeBy(operation: object): void {
    if (this.#claimed || this.#operation !== null || current.task === null) return;
    this.#operation = { made: operation, task: current.task };
    if (this.#outcome !== null) this.#watchRejection(this.#outcome);
  }

  /** An operation for the promise was driven or discarded. */
  claim(): void {
    this.#claimed = true;
    this.#operation = null;
    this.#lost?.remove();
    this.#lost = null;
  }

  /** Returns the value or throws the error. The promise must have settled. */
  result(): T {
    const outcome = this.#outcome as Outcome<T>;
    if ('error' in outcome) throw outcome.error;
    return outcome.value;
  }

  #settle(outcome: Outcome<T>): void {
    this.#outcome = outcome;
    this.#watchRejection(outcome);
    while (this.waiters.first !== null) this.waiters.first.wake();
  }

  #watchRejection(outcome: Outcome<T>): void {
    if (this.#operation === null || !('error' in outcome)) return;
    const { made, task } = this.#operation;
    this.#operation = null;
    this.#lost = new LostRejection(task, outcome.error);
    this.#lost.watch(made);
  }
}

/** Lost rejections by their operation. They do not refer to it, so that it can be collected. */
const collected = new FinalizationRegistry<LostRejection>((lost) => lost.report());

/**
 * The rejection of a promise for which a task has made an operation and not driven it. It is
 * reported at the end of the task, or when the operation was collected.
 */
class LostRejection extends Parking {
  readonly #task: TaskImpl;
  readonly #error: unknown;
  #reported = false;

  constructor(task: TaskImpl, error: unknown) {
    super();
    this.#task = task;
    this.#error = error;
  }

  watch(operation: object): void {
    if (this.#task.finished) return this.report();
    collected.register(operation, this, this);
    this.#task.joiners ??= new ParkingQueue();
    this.#task.joiners.push(this);
  }

  /** The task has ended. */
  override wake(): boolean {
    this.report();
    return true;
  }

  report(): void {
    this.remove();
    if (!this.#reported) this.#task.scheduler.unhandled(rejectionLost(this.#task, this.#error));
    this.#reported = true;
  }

  remove(): void {
    collected.unregister(this);
    this.queue?.remove(this);
  }
}

function rejectionLost(task: TaskImpl, error: unknown): UsageError {
  const text =
    `Task '${task.name}' called \`until(promise)\` without \`yield*\`, and the promise was ` +
    `rejected: ${firstLine(error)}`;
  return new UsageError('ERR_NOT_DRIVEN', text, { cause: error });
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
