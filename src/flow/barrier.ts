/** Barrier: tasks wait for each other until so many have come. */

import type { Operation } from '../kernel/operation.ts';
import { ParkingQueue } from '../kernel/parking.ts';
import type { TaskImpl } from '../kernel/task/task.ts';
import { checkInteger, checkName, titled } from '../support/checks.ts';
import { WOULD_WAIT } from './select/case.ts';
import type { Waiter } from './wait-queue.ts';
import { WaitingOperation } from './wait-queue.ts';

/** What a barrier has done and holds. */
export interface BarrierStats {
  readonly name: string;
  /** How many tasks have to come. */
  readonly parties: number;
  /** How many of them wait now. */
  readonly waiting: number;
  /** How often it has opened. */
  readonly rounds: number;
}

/**
 * Opens when the n-th task has come, for these n tasks, and closes behind them for the next round.
 *
 * @example
 * const start = new Barrier(3, 'start');
 * yield* start.wait(); // in three tasks
 */
export class Barrier {
  readonly parties: number;
  readonly name: string;
  readonly #waiters = new ParkingQueue<Waiter>();
  #rounds = 0;

  constructor(n: number, name = '') {
    checkInteger('n', n, 1, Number.MAX_SAFE_INTEGER);
    checkName(name);
    this.parties = n;
    this.name = name;
  }

  /**
   * Waits until `n` tasks are here, and gives the caller's place in the order of coming: 0 … n − 1.
   * Cancel: the task has not come; the others wait for another one in its place.
   */
  wait(): Operation<number> {
    return new BarrierWait(this);
  }

  stats(): BarrierStats {
    const { name, parties } = this;
    return Object.freeze({ name, parties, waiting: this.#waiters.size, rounds: this.#rounds });
  }

  // ---- for the operation below ----

  /** "barrier 'start' (2 of 3)". @internal */
  get title(): string {
    return `${titled('barrier', this.name)} (${this.#waiters.size} of ${this.parties})`;
  }

  /** The caller comes: true if it is the last one. @internal */
  arrive(): boolean {
    if (this.#waiters.size >= this.parties) this.settle();
    if (this.#waiters.size < this.parties - 1) return false;
    const others = this.#waiterPerTask();
    if (others.length < this.parties - 1) return false;
    this.#open(others);
    return true;
  }

  /** @internal */
  enlist(place: Waiter): void {
    this.#waiters.push(place);
  }

  /** @internal */
  settle(): void {
    while (this.#waiters.size >= this.parties) {
      const present = this.#waiterPerTask();
      if (present.length < this.parties) return;
      this.#open(present.slice(0, this.parties));
    }
  }

  #open(places: readonly Waiter[]): void {
    this.#rounds++;
    let index = 0;
    for (const place of places) place.wake(index++);
  }

  /** One place for each task that is here; those that have lapsed leave. */
  #waiterPerTask(): Waiter[] {
    const found = new Map<TaskImpl, Waiter>();
    let place = this.#waiters.first;
    while (place !== null) {
      const behind = place.nextInQueue as Waiter | null;
      if (place.stale) this.#waiters.remove(place);
      else if (!found.has(place.task)) found.set(place.task, place);
      place = behind;
    }
    return [...found.values()];
  }
}

class BarrierWait extends WaitingOperation<number> {
  readonly #barrier: Barrier;

  constructor(barrier: Barrier) {
    super();
    this.#barrier = barrier;
  }

  attempt(): number | typeof WOULD_WAIT {
    return this.#barrier.arrive() ? this.#barrier.parties - 1 : WOULD_WAIT;
  }

  enlist(place: Waiter): void {
    this.#barrier.enlist(place);
  }

  settle(): void {
    this.#barrier.settle();
  }

  override describe(): string {
    return this.#barrier.title;
  }
}
