/**
 * The scheduling order: which of the ready tasks makes the next step. When no choice is drawn, all
 * three orders pick the task that has been ready for the longest time.
 */

import type { TaskImpl } from '../../kernel/task/task.ts';
import type { SimProcess } from '../process.ts';
import type { Decisions } from './decisions.ts';
import { DecisionStream } from './decisions.ts';

/**
 * 'fifo': the order in which the tasks became ready, as on real hosts. 'random': any ready task of
 * any host. 'pct': by priorities that change a few times, which finds bugs that need few, but
 * particular, switches.
 */
export type OrderName = 'fifo' | 'random' | 'pct';

export const ORDERS: readonly OrderName[] = ['fifo', 'random', 'pct'];
export const DEFAULT_ORDER: OrderName = 'random';

export interface Order {
  /** Returns the index of the next task in `ready`, which is not empty. */
  pick(ready: readonly TaskImpl[]): number;
}

export function makeOrder(name: OrderName, decisions: Decisions, pctDepth: number): Order {
  if (name === 'fifo') return { pick: () => 0 };
  if (name === 'pct') return new PriorityOrder(decisions, pctDepth);
  return { pick: ({ length }) => decisions.choose('schedule', length) };
}

/** The number of priorities. Tasks with equal priorities run in the order they became ready. */
const PRIORITIES = 0x10000;
/** Priorities change before step 2^14. */
const SCALES = 14;
/** A task that is picked more often in a row, while others are ready, is probably spinning. */
const MAX_CONSECUTIVE_PICKS = 1000;

/**
 * PCT, probabilistic concurrency testing (Burckhardt, Kothari, Musuvathi, Nagarakatte: "A
 * randomized scheduler with probabilistic guarantees of finding bugs", ASPLOS 2010). The task with
 * the highest priority always runs; d − 1 times, at steps drawn in advance, the running task gets
 * the lowest priority. The paper draws the steps from the known length of the program. Here the
 * length is not known, and a run must not depend on earlier runs; so the scale is drawn first.
 *
 * A task that spins would starve the others. After a while it gets the lowest priority as well.
 */
class PriorityOrder implements Order {
  readonly #decisions: Decisions;
  readonly #priorities = new WeakMap<TaskImpl, number>();
  readonly #changeAt = new Set<number>();
  #step = 0;
  #lowest = 0;
  #last: TaskImpl | null = null;
  #consecutivePicks = 0;

  constructor(decisions: Decisions, depth: number) {
    this.#decisions = decisions;
    for (let i = 1; i < depth; i++) {
      const scale = decisions.choose('schedule', SCALES + 1);
      if (scale === 0) continue;
      const least = 2 ** (scale - 1);
      this.#changeAt.add(least + decisions.choose('schedule', least));
    }
  }

  pick(ready: readonly TaskImpl[]): number {
    this.#step++;
    const index = this.#highest(ready);
    const task = ready[index] as TaskImpl;
    if (!this.#shouldLower(task, ready.length)) return index;
    this.#priorities.set(task, --this.#lowest);
    this.#consecutivePicks = 0;
    return this.#highest(ready);
  }

  #shouldLower(task: TaskImpl, ready: number): boolean {
    if (task !== this.#last || ready === 1) this.#consecutivePicks = 0;
    this.#last = task;
    this.#consecutivePicks++;
    return this.#changeAt.has(this.#step) || this.#consecutivePicks > MAX_CONSECUTIVE_PICKS;
  }

  #highest(ready: readonly TaskImpl[]): number {
    let best = 0;
    let highest = -Infinity;
    for (let i = 0; i < ready.length; i++) {
      const priority = this.#priorityOf(ready[i] as TaskImpl);
      if (priority <= highest) continue;
      best = i;
      highest = priority;
    }
    return best;
  }

  #priorityOf(task: TaskImpl): number {
    let priority = this.#priorities.get(task);
    if (priority === undefined) {
      const { host } = task.scheduler.host as SimProcess;
      const stream = new DecisionStream('schedule', `${host.name} ${task.id}`);
      priority = this.#decisions.choose(stream, PRIORITIES);
      this.#priorities.set(task, priority);
    }
    return priority;
  }
}

/** Removes the task at `index` of `ready`. The order of the others does not change. */
export function takeAt(ready: TaskImpl[], index: number): TaskImpl {
  return (index === 0 ? ready.shift() : ready.splice(index, 1)[0]) as TaskImpl;
}
