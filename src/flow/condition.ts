/** Condition: waits for a change of the state that a lock protects. */
import type { Operation, Wait } from '../kernel/operation.ts';
import { Lazy } from '../kernel/operation.ts';
import { Parking, ParkingQueue } from '../kernel/parking.ts';
import { shield } from '../kernel/scope/shield.ts';
import { checkpoint, park } from '../kernel/waits.ts';
import { checkCount, checkName, titled, wrongType } from '../support/checks.ts';
import { OwnerError } from './errors.ts';
import { Lock } from './lock.ts';

/** The state of a condition. */
export interface ConditionStats {
  readonly name: string;
  /** Tasks in `wait()` that were not notified yet. */
  readonly waiters: number;
}

/**
 * Waits for a change of the state that a lock protects.
 *
 * @example
 * yield* lock.with(function* () {
 *   while (queue.length === 0) yield* notEmpty.wait();
 *   use(queue.shift());
 * });
 */
export class Condition {
  readonly lock: Lock;
  readonly name: string;
  readonly #waiters = new ParkingQueue();

  constructor(lock: Lock, name = '') {
    if (!(lock instanceof Lock)) throw wrongType('lock', 'a Lock', lock);
    checkName(name);
    this.lock = lock;
    this.name = name;
  }

  /**
   * Releases the lock, waits for a notification, and acquires the lock again. Call it in a loop
   * that checks the state, because another task may have held the lock in between.
   *
   * Cancel: throws Cancelled after it has acquired the lock again, under a shield of 5 s. A task
   * that was notified before it was cancelled has consumed the notification and returns.
   * Errors: ERR_NOT_OWNER unless the calling task holds the lock. ERR_DEADLOCK if its owner waits
   * for the calling task when that is notified; it then does not hold the lock.
   */
  wait(): Operation<void> {
    return new Lazy(() => this.#wait());
  }

  /** Wakes the `count` tasks that have waited longest. The caller need not hold the lock. */
  notify(count = 1): void {
    checkCount('count', count, 0);
    for (let left = count; left > 0 && this.#waiters.first !== null; left--) {
      this.#waiters.first.wake();
    }
  }

  /** Wakes all waiting tasks. */
  notifyAll(): void {
    this.notify(Infinity);
  }

  stats(): ConditionStats {
    return Object.freeze({ name: this.name, waiters: this.#waiters.size });
  }

  *#wait(): Generator<Wait, void> {
    this.#checkOwner();
    yield* checkpoint();
    const parking = new Parking(titled('condition', this.name));
    this.#waiters.push(parking);
    this.lock.release();
    try {
      yield* park(parking);
    } finally {
      yield* shield(() => this.lock.acquire());
    }
  }

  #checkOwner(): void {
    if (this.lock.ownedByCaller) return;
    throw new OwnerError(
      'ERR_NOT_OWNER',
      `To wait for the ${titled('condition', this.name)} a task must hold its lock: ` +
        '`yield* lock.with(…)`',
    );
  }
}
