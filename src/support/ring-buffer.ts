/**
 * A ring buffer: the run queue of a scheduler (the deque `tasks` of the teaching program), the
 * items of a channel. FIFO; push and shift are O(1), amortised over its growth.
 */

/** What a scheduler needs of its run queue. */
export interface Queue<T> {
  readonly length: number;
  push(item: T): void;
  /** The item whose turn it is. The queue must not be empty. */
  shift(): T;
}

/** A ring that has grown beyond this is given up when it runs empty. */
const MAX_IDLE_SLOTS = 64;

export class RingBuffer<T> implements Queue<T> {
  /** A power of two of slots, none before the first item; `undefined` where no item is. */
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

  /** The oldest item. The ring must not be empty. */
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
    const grown = new Array<T | undefined>(size).fill(undefined);
    for (let i = 0; i < old.length; i++) grown[i] = old[(this.#head + i) & (old.length - 1)];
    this.#slots = grown;
    this.#head = 0;
  }
}
