/** `map`: the same operation for many items, a few at a time. */

import type { Operation } from '../../kernel/operation.ts';
import { Lazy } from '../../kernel/operation.ts';
import { outOfRange, show, wrongType } from '../../support/checks.ts';
import { Combinator } from './combinator.ts';

/** How many items `map` works on at once. */
export interface MapOptions {
  /** How many items are worked on at once: a whole number from 1, or Infinity. Default: 16. */
  readonly concurrency?: number;
}

const DEFAULT_CONCURRENCY = 16;

/**
 * Runs `fn(item, index)` for every item, each as a task ("map[0]", "map[1]", …), at most
 * `concurrency` (16 unless told) at once, and gives the values in the order of the items. The next
 * item is taken only when there is room for it, so `items` may be a generator that makes them as
 * they are needed.
 *
 * Errors: the first error of a task or of `items`, itself. The other tasks are cancelled then, and
 * have unwound before it is thrown, and `items` is closed; what comes up meanwhile goes to
 * `hooks.onUnhandled`. TypeError or RangeError for wrong arguments.
 * Cancel: the tasks are cancelled, no further item is taken, `items` is closed, then Cancelled goes
 * on; an error that a task throws meanwhile is thrown instead.
 *
 * @example
 * const pages = yield* map(urls, (url) => download(url), { concurrency: 4 });
 */
export function map<I, T>(
  items: Iterable<I>,
  fn: (item: I, index: number) => Operation<T>,
  options: MapOptions = {},
): Operation<T[]> {
  const { concurrency = DEFAULT_CONCURRENCY } = options;
  checkItems(items);
  if (typeof fn !== 'function') throw wrongType('fn', 'a function that returns an operation', fn);
  checkConcurrency(concurrency);
  return new Lazy(() => new MapCombinator(items, fn, concurrency).run());
}

class MapCombinator<I, T> extends Combinator<T[]> {
  readonly #items: Iterable<I>;
  readonly #fn: (item: I, index: number) => Operation<T>;
  readonly #concurrency: number;
  readonly #values: T[] = [];
  /** Null before the beginning, and from the moment on when it has said that it is done. */
  #iterator: Iterator<I> | null = null;
  #taken = 0;
  #running = 0;

  constructor(
    items: Iterable<I>,
    fn: (item: I, index: number) => Operation<T>,
    concurrency: number,
  ) {
    super('map');
    this.#items = items;
    this.#fn = fn;
    this.#concurrency = concurrency;
  }

  protected start(): void {
    this.#iterator = this.#items[Symbol.iterator]();
    this.#fill();
  }

  protected memberReturned(index: number, value: unknown): void {
    this.#values[index] = value as T;
    this.#running--;
    this.#fill();
  }

  protected memberFailed(_index: number, error: unknown): void {
    this.reject(error);
  }

  /** Items that were left are not needed: a generator of items gets to its `finally`. */
  protected override onClose(): void {
    const iterator = this.#iterator;
    this.#iterator = null;
    try {
      iterator?.return?.();
    } catch (error) {
      this.report(error);
    }
  }

  /** Takes items while there is room. */
  #fill(): void {
    while (this.#running < this.#concurrency && this.#iterator !== null && !this.ending) {
      const taken = this.#nextItem(this.#iterator);
      if (taken === null) continue;
      const index = this.#taken++;
      this.#running++;
      this.spawn(index, `[${index}]`, () => this.#fn(taken.value, index));
    }
    if (this.#iterator === null && this.#running === 0 && !this.ending) this.complete(this.#values);
  }

  /** The next item; null when there is none, or when `items` has failed, which ends the whole. */
  #nextItem(iterator: Iterator<I>): { readonly value: I } | null {
    try {
      const { done, value } = iterator.next();
      if (done !== true) return { value };
      this.#iterator = null;
    } catch (error) {
      this.#iterator = null;
      this.reject(error);
    }
    return null;
  }
}

function checkItems(items: unknown): void {
  if (typeof (items as Iterable<unknown> | null)?.[Symbol.iterator] === 'function') return;
  const isAsync = typeof (items as AsyncIterable<unknown> | null)?.[Symbol.asyncIterator];
  if (isAsync !== 'function') throw wrongType('items', 'an iterable', items);
  throw wrongType('items', `an iterable; ${show(items)} is async: use each(items, fn)`, items);
}

function checkConcurrency(concurrency: number): void {
  const expected = 'a whole number ≥ 1, or Infinity';
  if (typeof concurrency !== 'number') throw wrongType('concurrency', expected, concurrency);
  const legal = Number.isInteger(concurrency) || concurrency === Infinity;
  if (!legal || concurrency < 1) throw outOfRange('concurrency', expected, concurrency);
}
