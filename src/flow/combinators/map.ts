/** `map`: runs an operation for every item, a limited number of them concurrently. */
import type { Operation } from '../../kernel/operation.ts';
import { Lazy } from '../../kernel/operation.ts';
import { checkCount, checkKeys, show, wrongType } from '../../support/checks.ts';
import { Combinator } from './combinator.ts';

/** Options of `map`. */
export interface MapOptions {
  /** The number of concurrent tasks: a whole number ≥ 1, or Infinity. Default: 16. */
  readonly concurrency?: number;
}

const DEFAULT_CONCURRENCY = 16;

/**
 * Runs `fn(item, index)` for every item, each as a task ("map[0]", "map[1]", …), at most
 * `concurrency` of them concurrently, and returns the values in the order of the items. An item is
 * taken only when a task can start, so `items` may be a generator that computes items on demand.
 *
 * Errors: the first error of a task or of `items`, unchanged. The other tasks are cancelled and
 * have ended, and `items` is closed, before the error is thrown; errors that occur meanwhile go to
 * `hooks.onUnhandled`. TypeError or RangeError for invalid arguments.
 * If no value is returned, the values of the members that have `Symbol.dispose` are disposed.
 * Cancel: the tasks are cancelled, no more items are taken, and `items` is closed before Cancelled
 * is rethrown. If a task throws an error meanwhile, that error is thrown instead.
 *
 * @example
 * const pages = yield* map(urls, (url) => download(url), { concurrency: 4 });
 */
export function map<I, T>(
  items: Iterable<I>,
  fn: (item: I, index: number) => Operation<T>,
  options: MapOptions = {},
): Operation<T[]> {
  checkItems(items);
  if (typeof fn !== 'function') throw wrongType('fn', 'a function that returns an operation', fn);
  checkKeys('options', options, { concurrency: true });
  const { concurrency = DEFAULT_CONCURRENCY } = options;
  checkCount('concurrency', concurrency, 1);
  return new Lazy(() => new MapCombinator(items, fn, concurrency).run());
}

class MapCombinator<I, T> extends Combinator<T[]> {
  readonly #items: Iterable<I>;
  readonly #fn: (item: I, index: number) => Operation<T>;
  readonly #concurrency: number;
  readonly #values: T[] = [];
  /** Null before the start, and after the last item. */
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

  /** Closes the iterator if items are left, so that a generator runs its `finally`. */
  protected override onClose(): void {
    const iterator = this.#iterator;
    this.#iterator = null;
    try {
      iterator?.return?.();
    } catch (error) {
      this.report(error);
    }
  }

  /** Takes items while tasks can start. */
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

  /** Returns the next item; null after the last one, or if the iterator threw, which rejects. */
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
