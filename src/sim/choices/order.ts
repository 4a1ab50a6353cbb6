/**
 * Which of the ready tasks is next. All three orders make the same choice when nothing is drawn:
 * the task that has been ready for the longest time.
 */

import type { Scheduler } from '../../kernel/scheduler.ts';
import type { TaskImpl } from '../../kernel/task/task.ts';
import type { SimProcess } from '../process.ts';
import type { Decisions } from './decisions.ts';
import { DecisionStream } from './decisions.ts';

/**
 * 'fifo': in the order in which they became ready, as on real hosts. 'random': any ready task of
 * any host. 'pct': by priorities that change a few times, which finds bugs that need few, but
 * particular, switches.
 */
export type OrderName = 'fifo' | 'random' | 'pct';

export const ORDERS: readonly OrderName[] = ['fifo', 'random', 'pct'];
export const DEFAULT_ORDER: OrderName = 'random';

export interface Order {
  /** The index of the next task among `ready`, which is not empty. */
  pick(ready: ReadyTasks): number;
}

export function makeOrder(name: OrderName, decisions: Decisions, pctDepth: number): Order {
  if (name === 'fifo') return FIFO;
  return name === 'random' ? new RandomOrder(decisions) : new PriorityOrder(decisions, pctDepth);
}

const FIFO: Order = { pick: () => 0 };

class RandomOrder implements Order {
  readonly #decisions: Decisions;

  constructor(decisions: Decisions) {
    this.#decisions = decisions;
  }

  pick(ready: ReadyTasks): number {
    return ready.length === 1 ? 0 : this.#decisions.choose('schedule', ready.length);
  }
}

/** Priorities are drawn from so many; equal ones go by the order of becoming ready. */
const PRIORITIES = 0x10000;
/** Change points lie before step 2^14. */
const SCALES = 14;
/** A task that was picked so often in a row, while others were ready, waits for something. */
const MAX_CONSECUTIVE_PICKS = 1000;

/**
 * PCT, probabilistic concurrency testing (Burckhardt, Kothari, Musuvathi, Nagarakatte: "A
 * randomized scheduler with probabilistic guarantees of finding bugs", ASPLOS 2010): always the
 * task of the highest priority; d − 1 times, at steps drawn beforehand, the running task gets the
 * lowest one. In the paper the steps are drawn from the known length of the program. That is not
 * known here, and a run may not depend on the runs before it; so the scale is drawn first.
 *
 * A task that spins would keep the others from running for ever: after a while it is lowered, too.
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

  pick(ready: ReadyTasks): number {
    this.#step++;
    const index = this.#highest(ready);
    const task = ready.at(index);
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

  #highest(ready: ReadyTasks): number {
    let best = 0;
    let highest = -Infinity;
    for (let i = 0; i < ready.length; i++) {
      const priority = this.#priorityOf(ready.at(i));
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
      const lane = new DecisionStream('schedule', `${host.name} ${task.id}`);
      priority = this.#decisions.choose(lane, PRIORITIES);
      this.#priorities.set(task, priority);
    }
    return priority;
  }
}

/**
 * The ready tasks of all hosts of a world, in the order in which they became ready. A ring buffer
 * from whose middle an item can be taken; the order of the others stays.
 */

export class ReadyTasks {
  /** A power of two of slots. */
  #slots: (TaskImpl | undefined)[] = new Array<TaskImpl | undefined>(16).fill(undefined);
  #head = 0;
  length = 0;

  push(task: TaskImpl): void {
    if (this.length === this.#slots.length) this.#grow();
    this.#slots[(this.#head + this.length) & (this.#slots.length - 1)] = task;
    this.length++;
  }

  /** The task with `index` others before it. */
  at(index: number): TaskImpl {
    return this.#slots[(this.#head + index) & (this.#slots.length - 1)] as TaskImpl;
  }

  /** Takes out the task with `index` others before it. */
  takeAt(index: number): TaskImpl {
    const slots = this.#slots;
    const mask = slots.length - 1;
    const taken = this.at(index);
    // The nearer end moves up.
    if (index < this.length >> 1) {
      for (let i = index; i > 0; i--) {
        slots[(this.#head + i) & mask] = slots[(this.#head + i - 1) & mask];
      }
      slots[this.#head] = undefined;
      this.#head = (this.#head + 1) & mask;
    } else {
      for (let i = index; i < this.length - 1; i++) {
        slots[(this.#head + i) & mask] = slots[(this.#head + i + 1) & mask];
      }
      slots[(this.#head + this.length - 1) & mask] = undefined;
    }
    this.length--;
    return taken;
  }

  /** Takes out the first task of `scheduler`, which must have one here. */
  takeFirstOf(scheduler: Scheduler): TaskImpl {
    let index = 0;
    while (this.at(index).scheduler !== scheduler) index++;
    return this.takeAt(index);
  }

  #grow(): void {
    const old = this.#slots;
    const grown = new Array<TaskImpl | undefined>(old.length * 2).fill(undefined);
    for (let i = 0; i < this.length; i++) grown[i] = this.at(i);
    this.#slots = grown;
    this.#head = 0;
  }
}
