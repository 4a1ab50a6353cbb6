/**
 * Timers: a 4-ary heap ordered by time, then by the order of arming.
 *
 * Invariants:
 *  1. `heap[t.index] === t` for every armed timer; a timer that is not armed has index −1.
 *  2. Removal is real: a disarmed timer is out of the heap at once, so nothing stale is kept.
 *  3. A timer at Infinity is never put in: it could not fire.
 *
 * Why a heap: most deadlines are armed in order of time and disarmed before they fire, so arming
 * ends at the bottom and disarming takes from the bottom, both in O(1); the rest is O(log n). Four
 * children a node halve the depth and lie in one cache line.
 */

/** Who is told when a timer fires. */
export interface TimerTarget {
  expire(timer: Timer): void;
}

export class Timer {
  /** When it fires, in the scheduler's milliseconds. */
  at = 0;
  /** Breaks ties: armed earlier fires earlier. */
  order = 0;
  /** Its place in the heap, −1 while not armed. */
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

  /** When the earliest timer fires; Infinity if there is none. */
  get nextAt(): number {
    const first = this.#heap[0];
    return first === undefined ? Infinity : first.at;
  }

  /** Arms `timer` for `at`, moving it if it is armed already. */
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

  /** Takes out the earliest timer if it is due at `now`. */
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
