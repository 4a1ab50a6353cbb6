/** Barrier: tasks wait for each other until a given number of them has arrived. */

import type { Selectable, Waiter } from '../kernel/case.ts';
import { WOULD_WAIT } from '../kernel/case.ts';
import { ParkingQueue } from '../kernel/parking.ts';
import type { TaskImpl } from '../kernel/task/task.ts';
import { checkInteger, checkName, titled } from '../support/checks.ts';
import { WaitingOperation } from './wait-queue.ts';

/** The state of a barrier. */
export interface BarrierStats {
  readonly name: string;
  /** The number of tasks that open the barrier. */
  readonly parties: number;
  /** Waits in progress. */
  readonly waiting: number;
  /** How often the barrier has opened. */
  readonly rounds: number;
}

/**
 * Opens when the n-th task arrives, resumes these n tasks, and closes again for the next round.
 *
 * @example
 * const start = new Barrier(3, 'start');
 * yield* start.wait(); // in three tasks
 */
export class Barrier {
  readonly parties: number;
  readonly name: string;
  /** @internal */
  readonly waiters: ParkingQueue<Waiter> = new ParkingQueue();
  #rounds = 0;

  constructor(n: number, name = '') {
    checkInteger('n', n, 1, Number.MAX_SAFE_INTEGER);
    checkName(name);
    this.parties = n;
    this.name = name;
  }

  /**
   * Waits until `n` tasks have arrived. Returns the position of the calling task in the order of
   * arrival: 0 … n − 1.
   * Cancel: the task has not arrived; the barrier waits for another one.
   */
  wait(): Selectable<number> {
    return new BarrierWait(this);
  }

  stats(): BarrierStats {
    const { name, parties } = this;
    return Object.freeze({ name, parties, waiting: this.waiters.size, rounds: this.#rounds });
  }

  /** "barrier 'start' (2 of 3)". @internal */
  get title(): string {
    return `${titled('barrier', this.name)} (${this.waiters.size} of ${this.parties})`;
  }

  /** Opens the barrier and returns true if only the calling task was missing. @internal */
  arrive(): boolean {
    if (this.waiters.size < this.parties - 1) return false;
    const others = this.#waiterPerTask();
    if (others.length < this.parties - 1) return false;
    this.#rounds++;
    for (const [index, waiter] of others.entries()) waiter.wake(index);
    return true;
  }

  /** One waiter for each task: several cases of one select count once. */
  #waiterPerTask(): Waiter[] {
    const found = new Map<TaskImpl, Waiter>();
    for (let at = this.waiters.first; at !== null; at = at.nextInQueue as Waiter | null) {
      if (!at.stale && !found.has(at.task)) found.set(at.task, at);
    }
    return [...found.values()];
  }
}

class BarrierWait extends WaitingOperation<number> {
  readonly #barrier: Barrier;

  constructor(barrier: Barrier) {
    super(barrier.waiters);
    this.#barrier = barrier;
  }

  attempt(): number | typeof WOULD_WAIT {
    return this.#barrier.arrive() ? this.#barrier.parties - 1 : WOULD_WAIT;
  }

  override describe(): string {
    return this.#barrier.title;
  }
}
