/** `each`: runs an operation for every item of an async iterable, a channel or a subscription. */
import { runningTask } from '../kernel/current.ts';
import type { Operation, Wait } from '../kernel/operation.ts';
import { isPromise, Lazy, operationOf } from '../kernel/operation.ts';
import { isCancelled } from '../kernel/scope/cancelled.ts';
import { shield } from '../kernel/scope/shield.ts';
import { show, wrongType } from '../support/checks.ts';
import { until } from './until.ts';

/**
 * The time that the iterator has to close while a call of `next()` is pending. An async generator
 * that is blocked in an `await` processes `return()` only afterwards, which may be never.
 */
const CLOSE_GRACE_MS = 500;

/** A Channel, or a Subscription of a Broadcast. */
export interface ItemSource<T> {
  next(): Operation<IteratorResult<T, undefined>>;
}

/**
 * Runs `fn(item)` for every item of `items` in sequence, in the calling task, as `for await` does
 * in an async function. The next item is requested when the operation has ended. After an error or
 * a cancellation it calls `return()` of the iterator and waits for it. From a channel or a
 * subscription it receives until that is closed and drained; an error of `fn` does not close it.
 *
 * Errors: an error of `items` or of `fn`, unchanged. An error of closing the iterator goes to
 * `hooks.onUnhandled`, because another error is already being thrown. TypeError if `items` is not
 * async iterable, a channel or a subscription.
 * Cancel: the iterator is closed, within 5 s, or within 0.5 s while an item is pending. An iterator
 * that takes longer is reported with ERR_SHIELD_EXPIRED. A pending item is lost. No item of a
 * channel or a subscription is lost.
 *
 * @example
 * yield* each(createReadStream(path), (chunk) => socket.sendAll(chunk));
 */
export function each<T>(
  items: AsyncIterable<T> | ItemSource<T>,
  fn: (item: T) => Operation<unknown>,
): Operation<void> {
  if (typeof fn !== 'function') throw wrongType('fn', 'a function that returns an operation', fn);
  if (isItemSource<T>(items)) return new Lazy(() => drain(items, fn));
  if (typeof (items as Partial<AsyncIterable<T>> | null)?.[Symbol.asyncIterator] !== 'function') {
    throw wrongType('items', 'an async iterable, a channel or a subscription', items);
  }
  return new Lazy(() => runEach(items, fn));
}

function isItemSource<T>(items: unknown): items is ItemSource<T> {
  if (typeof items !== 'object' || items === null) return false;
  if (Symbol.asyncIterator in items || Symbol.iterator in items) return false;
  return typeof (items as Partial<ItemSource<T>>).next === 'function';
}

function* drain<T>(
  source: ItemSource<T>,
  fn: (item: T) => Operation<unknown>,
): Generator<Wait, void> {
  for (;;) {
    const { done, value } = yield* source.next();
    if (done === true) return;
    yield* operationOf(() => fn(value as T));
  }
}

function* runEach<T>(
  items: AsyncIterable<T>,
  fn: (item: T) => Operation<unknown>,
): Generator<Wait, void> {
  const source = new PulledIterator(items[Symbol.asyncIterator]());
  try {
    for (;;) {
      const next = yield* source.next();
      if (next.done === true) return;
      yield* operationOf(() => fn(next.value));
    }
  } finally {
    if (source.open) yield* source.close();
  }
}

/** An async iterator and its state. */
class PulledIterator<T> {
  readonly #iterator: AsyncIterator<T>;
  #state: 'idle' | 'pulling' | 'ended' = 'idle';

  constructor(iterator: AsyncIterator<T>) {
    this.#iterator = iterator;
  }

  /** True until the iterator is done or has failed. */
  get open(): boolean {
    return this.#state !== 'ended';
  }

  *next(): Generator<Wait, IteratorResult<T, unknown>> {
    try {
      const result: unknown = yield* until(() => {
        this.#state = 'pulling';
        // As in `for await`, `next()` may return its result without a promise.
        return Promise.resolve(this.#iterator.next());
      });
      if (!isIteratorResult<T>(result)) throw notAResult(result);
      this.#state = result.done === true ? 'ended' : 'idle';
      return result;
    } catch (error) {
      if (!isCancelled(error)) this.#state = 'ended';
      throw error;
    }
  }

  /** Closes the iterator while another error is being thrown. Its own errors are only reported. */
  *close(): Generator<Wait, void> {
    const options = this.#state === 'pulling' ? { withinMs: CLOSE_GRACE_MS } : {};
    try {
      const closing: unknown = this.#iterator.return?.();
      if (isPromise(closing)) yield* shield(until(closing as Promise<unknown>), options);
    } catch (error) {
      if (isCancelled(error)) throw error;
      runningTask().scheduler.unhandled(error);
    }
  }
}

function isIteratorResult<T>(value: unknown): value is IteratorResult<T, unknown> {
  return typeof value === 'object' && value !== null;
}

function notAResult(value: unknown): TypeError {
  return new TypeError(
    `Expected \`next()\` of the iterator to return { done, value }, got ${show(value)}`,
  );
}
