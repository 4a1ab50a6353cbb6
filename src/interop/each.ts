/** `each`: an operation for every item of an async iterable. */

import { runningTask } from '../kernel/current.ts';
import type { Operation, Wait } from '../kernel/operation.ts';
import { isPromise, Lazy, operationOf } from '../kernel/operation.ts';
import { isCancelled } from '../kernel/scope/cancelled.ts';
import { shield } from '../kernel/scope/shield.ts';
import { wrongType } from '../support/checks.ts';
import { until } from './until.ts';

/**
 * How long a cancelled `each` waits for the iterator to close while an item is under way: an async
 * generator that hangs in an `await` hears of its end only afterwards, or never.
 */
const CLOSE_GRACE_MS = 500;

/**
 * Runs `fn(item)` for every item of `items`, one after the other, in the calling task: what
 * `for await` is to an async function. The next item is asked for when the operation has ended.
 * Left early, it calls the iterator's `return()` and waits for it.
 *
 * Errors: those of `items` and of `fn`, themselves. What closing the iterator throws goes to
 * `hooks.onUnhandled`, since another error is on its way then. TypeError for what is not async
 * iterable.
 * Cancel: as leaving early. An item that the iterator was just asked for is lost. The iterator has
 * then half a second to close, five between two items; ERR_SHIELD_EXPIRED tells of one that takes
 * longer.
 *
 * @example
 * yield* each(createReadStream(path), (chunk) => socket.sendAll(chunk));
 */
export function each<T>(
  items: AsyncIterable<T>,
  fn: (item: T) => Operation<unknown>,
): Operation<void> {
  if (typeof (items as Partial<AsyncIterable<T>> | null)?.[Symbol.asyncIterator] !== 'function') {
    throw wrongType('items', 'an async iterable', items);
  }
  if (typeof fn !== 'function') throw wrongType('fn', 'a function that returns an operation', fn);
  return new Lazy(() => runEach(items, fn));
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

/** An iterator, and how far it is. */
class PulledIterator<T> {
  readonly #iterator: AsyncIterator<T>;
  #state: 'between' | 'pulling' | 'ended' = 'between';

  constructor(iterator: AsyncIterator<T>) {
    this.#iterator = iterator;
  }

  /** True: it has neither said that it is done nor failed. */
  get open(): boolean {
    return this.#state !== 'ended';
  }

  *next(): Generator<Wait, IteratorResult<T, unknown>> {
    try {
      const result = yield* until(() => {
        this.#state = 'pulling';
        return this.#iterator.next();
      });
      this.#state = result.done === true ? 'ended' : 'between';
      return result;
    } catch (error) {
      if (!isCancelled(error)) this.#state = 'ended';
      throw error;
    }
  }

  /** Something else is being thrown, so an error from here goes elsewhere. */
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
