/**
 * The run queue: the deque `tasks` of the teaching program, as a ring buffer. FIFO; push and shift
 * are O(1) and allocate only while the ring grows.
 */
export class RunQueue<T> {
  /** Power of two slots; `undefined` where no item is, so that nothing finished is held. */
  #slots: (T | undefined)[] = new Array<T | undefined>(64).fill(undefined);
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

  /** The oldest item. The queue must not be empty. */
  shift(): T {
    const item = this.#slots[this.#head] as T;
    this.#slots[this.#head] = undefined;
    this.#head = (this.#head + 1) & (this.#slots.length - 1);
    this.#length--;
    return item;
  }

  /** Takes out the item at `index` (0 is the oldest): for schedules that are not FIFO. O(n). */
  takeAt(index: number): T {
    const mask = this.#slots.length - 1;
    const item = this.#slots[(this.#head + index) & mask] as T;
    for (let i = index; i > 0; i--) {
      this.#slots[(this.#head + i) & mask] = this.#slots[(this.#head + i - 1) & mask];
    }
    this.shift();
    return item;
  }

  #grow(): void {
    const old = this.#slots;
    const grown = new Array<T | undefined>(old.length * 2).fill(undefined);
    for (let i = 0; i < old.length; i++) grown[i] = old[(this.#head + i) & (old.length - 1)];
    this.#slots = grown;
    this.#head = 0;
  }
}
