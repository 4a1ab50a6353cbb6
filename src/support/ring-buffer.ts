/** A FIFO ring buffer, and the interface of a run queue. */

/** The run queue of a scheduler. */
export interface Queue<T> {
  readonly length: number;
  push(item: T): void;
  /** Adds an item that is removed next. */
  unshift(item: T): void;
  /** Removes and returns the next item. The queue must not be empty. */
  shift(): T;
}

/** An empty ring with more slots than this is released. */
const MAX_IDLE_SLOTS = 64;

/**
 * A FIFO ring buffer, for the run queue of a scheduler (the deque `tasks` of the classic teaching
 * program) and for the items of a channel. `push`, `unshift` and `shift` are O(1), amortised over
 * growth.
 */
export class RingBuffer<T> implements Queue<T> {
  /** The length is 0 or a power of two. A slot without an item is `undefined`. */
  #slots: (T | undefined)[] = [];
  /** Index of the oldest item. */
  #head = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(item: T): void {
    if (this.#length === this.#slots.length) this.#grow();
    this.#slots[(this.#head + this.#length) & (this.#slots.length - 1)] = item;
    this.#length++;
  }

  unshift(item: T): void {
    if (this.#length === this.#slots.length) this.#grow();
    this.#head = (this.#head - 1) & (this.#slots.length - 1);
    this.#slots[this.#head] = item;
    this.#length++;
  }

  /** Removes and returns the oldest item. The ring must not be empty. */
  shift(): T {
    const item = this.#slots[this.#head] as T;
    this.#slots[this.#head] = undefined;
    this.#head = (this.#head + 1) & (this.#slots.length - 1);
    this.#length--;
    if (this.#length === 0 && this.#slots.length > MAX_IDLE_SLOTS) this.clear();
    return item;
  }

  clear(): void {
    this.#slots = [];
    this.#head = 0;
    this.#length = 0;
  }

  #grow(): void {
    const old = this.#slots;
    const size = Math.max(4, old.length * 2);
    const slots = new Array<T | undefined>(size).fill(undefined);
    for (let i = 0; i < old.length; i++) slots[i] = old[(this.#head + i) & (old.length - 1)];
    this.#slots = slots;
    this.#head = 0;
  }
}
