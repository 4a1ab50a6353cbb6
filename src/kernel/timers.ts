/**
 * Timers: a 4-ary heap, ordered by time and then by the order of arming.
 *
 * Invariants:
 *  1. `heap[t.index] === t` for every armed timer. A timer that is not armed has index −1.
 *  2. A disarmed timer is removed from the heap at once, so the heap holds no stale timers.
 *  3. A timer at Infinity cannot fire and is not in the heap.
 *
 * Most deadlines are armed in the order of time and disarmed before they fire. In a heap, arming
 * then ends at the bottom and disarming removes from the bottom, both in O(1). All other cases are
 * O(log n). With four children per node the depth is half that of a binary heap, and the references
 * to the children are adjacent.
 */

/** The object that is notified when a timer fires. */
export interface TimerTarget {
  expire(timer: Timer): void;
}

export class Timer {
  /** The time at which it fires, in milliseconds on the scheduler's clock. */
  at = 0;
  /** Breaks ties: the timer that was armed first fires first. */
  order = 0;
  /** The index in the heap, −1 while not armed. */
  index = -1;
  readonly target: TimerTarget;

  constructor(target: TimerTarget) {
    this.target = target;
  }

  get armed(): boolean {
    return this.index >= 0;
  }
}

export class Timers {
  readonly #heap: Timer[] = [];
  #order = 0;

  get size(): number {
    return this.#heap.length;
  }

  /** The time of the earliest timer; Infinity if there is none. */
  get nextAt(): number {
    const first = this.#heap[0];
    return first === undefined ? Infinity : first.at;
  }

  /** Arms `timer` for `at`. A timer that is already armed is moved. */
  arm(timer: Timer, at: number): void {
    if (timer.index >= 0) this.disarm(timer);
    timer.at = at;
    if (at === Infinity) return;
    timer.order = this.#order++;
    this.#heap.push(timer);
    this.#siftUp(timer, this.#heap.length - 1);
  }

  disarm(timer: Timer): void {
    const index = timer.index;
    if (index < 0) return;
    timer.index = -1;
    const last = this.#heap.pop() as Timer;
    if (last === timer) return;
    this.#siftUp(last, index);
    if (last.index === index) this.#siftDown(last, index);
  }

  /** Removes and returns the earliest timer if it is due at `now`. */
  takeDue(now: number): Timer | undefined {
    const first = this.#heap[0];
    if (first === undefined || first.at > now) return undefined;
    this.disarm(first);
    return first;
  }

  #siftUp(timer: Timer, from: number): void {
    const heap = this.#heap;
    let index = from;
    while (index > 0) {
      const above = (index - 1) >> 2;
      const parent = heap[above] as Timer;
      if (!earlier(timer, parent)) break;
      heap[index] = parent;
      parent.index = index;
      index = above;
    }
    heap[index] = timer;
    timer.index = index;
  }

  #siftDown(timer: Timer, from: number): void {
    const heap = this.#heap;
    let index = from;
    for (;;) {
      const child = this.#earliestChild(index);
      if (child < 0 || !earlier(heap[child] as Timer, timer)) break;
      const moved = heap[child] as Timer;
      heap[index] = moved;
      moved.index = index;
      index = child;
    }
    heap[index] = timer;
    timer.index = index;
  }

  #earliestChild(index: number): number {
    const heap = this.#heap;
    const first = index * 4 + 1;
    const end = Math.min(first + 4, heap.length);
    if (first >= end) return -1;
    let best = first;
    for (let i = first + 1; i < end; i++) {
      if (earlier(heap[i] as Timer, heap[best] as Timer)) best = i;
    }
    return best;
  }
}

function earlier(a: Timer, b: Timer): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
