/** Condition: waiting for a change of what a lock protects. */

import type { Operation, Wait } from '../kernel/operation.ts';
import { Lazy } from '../kernel/operation.ts';
import { Parking, ParkingQueue } from '../kernel/parking.ts';
import { shield } from '../kernel/scope/shield.ts';
import { checkpoint, park } from '../kernel/waits.ts';
import { checkCount, checkName, titled, wrongType } from '../support/checks.ts';
import { OwnerError } from './errors.ts';
import { Lock } from './lock.ts';

/** What a condition has done and holds. */
export interface ConditionStats {
  readonly name: string;
  /** Tasks in `wait()` that have not been notified. */
  readonly waiters: number;
}

/**
 * Waits, while a lock is held, until a state may have changed.
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
   * Releases the lock, waits until notified, and acquires the lock again. Check in a loop what is
   * waited for: another task may have had the lock in between.
   *
   * Cancel: throws Cancelled only after the lock has been acquired again; a shield of 5 s protects
   * that. A task that was notified before it was cancelled has used up the notification and
   * returns.
   * Errors: ERR_NOT_OWNER unless the calling task holds the lock.
   */
  wait(): Operation<void> {
    return new Lazy(() => this.#wait());
  }

  /** Lets the `count` tasks go on that have waited longest. The caller need not hold the lock. */
  notify(count = 1): void {
    checkCount('count', count, 0);
    for (let left = count; left > 0 && this.#waiters.first !== null; left--) {
      this.#waiters.first.wake();
    }
  }

  /** Lets everybody go on who waits. */
  notifyAll(): void {
    this.notify(Infinity);
  }

  stats(): ConditionStats {
    return Object.freeze({ name: this.name, waiters: this.#waiters.size });
  }

  *#wait(): Generator<Wait, void> {
    this.#checkOwner();
    yield* checkpoint();
    const place = new Parking(titled('condition', this.name));
    this.#waiters.push(place);
    this.lock.release();
    try {
      yield* park(place);
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
