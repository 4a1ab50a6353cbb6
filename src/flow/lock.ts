/**
 * Lock: held by one task at a time, acquired in FIFO order.
 *
 * Invariants:
 *  1. `#owner` is the task that holds the lock. `release` passes the lock to the first waiter in
 *     the same step, so that no other task can acquire it in between.
 *  2. While the lock is held, `#ownerMonitor` is in the queue of the owner's joiners.
 *  3. A lock whose owner ended without releasing it is abandoned for good, because the state that
 *     it protects may be inconsistent. Waiting and later tasks get ERR_LOCK_ABANDONED.
 */

import type { Selectable, Waiter } from '../kernel/case.ts';
import { current, runningTask } from '../kernel/current.ts';
import type { Operation, OperationSource } from '../kernel/operation.ts';
import { checkSource, Lazy } from '../kernel/operation.ts';
import { ParkingQueue } from '../kernel/parking.ts';
import type { TaskImpl } from '../kernel/task/task.ts';
import { checkName, taskTitle, titled } from '../support/checks.ts';
import { AbandonedError, OwnerError } from './errors.ts';
import { Acquire, OwnerMonitor, withHeld } from './ownership.ts';
import { failAll, firstWaiter } from './wait-queue.ts';

/** The state and counters of a lock. */
export interface LockStats {
  readonly name: string;
  readonly locked: boolean;
  /** The owner, as "task 7 'writer'"; '' while the lock is free. */
  readonly owner: string;
  /** Tasks in `acquire()`. */
  readonly waiters: number;
  /** How often the lock was acquired. */
  readonly acquired: number;
  /** True if an owner ended without `release()`: the lock can never be acquired again. */
  readonly abandoned: boolean;
}

/**
 * A lock that one task at a time holds. Waiting tasks acquire it in FIFO order.
 *
 * @example
 * const db = new Lock('db');
 * yield* db.with(function* () {
 *   // One task at a time runs this block.
 * });
 */
export class Lock {
  readonly name: string;
  /** @internal */
  readonly waiters: ParkingQueue<Waiter> = new ParkingQueue();
  readonly #ownerMonitor: OwnerMonitor = new OwnerMonitor(() => this.#ownerEnded(), this);
  #owner: TaskImpl | null = null;
  /** Invariant 3: the task that abandoned the lock. */
  #abandonedBy = '';
  #acquired = 0;

  constructor(name = '') {
    checkName(name);
    this.name = name;
  }

  /**
   * Acquires the lock for the calling task; waits while another task holds it. Prefer `with`: a
   * task that ends without `release()` leaves the lock unusable.
   * Cancel: the lock was not acquired. Errors: ERR_ALREADY_OWNER if the calling task holds the lock
   * already, ERR_DEADLOCK if the owner waits for the calling task, ERR_LOCK_ABANDONED.
   */
  acquire(): Selectable<void> {
    return new Acquire(this);
  }

  /** Acquires the lock if it is free. Errors: as `acquire`. */
  tryAcquire(): boolean {
    if (this.ownedByCaller) throw this.#alreadyOwnerError();
    if (this.#abandonedBy !== '') throw this.#abandonedError();
    if (this.#owner !== null) return false;
    this.#assignTo(runningTask());
    return true;
  }

  /** Releases the lock, or passes it to the task that has waited longest. Errors: ERR_NOT_OWNER. */
  release(): void {
    if (!this.ownedByCaller) throw this.#notOwnerError();
    this.#ownerMonitor.stop();
    this.#owner = null;
    const next = firstWaiter(this.waiters);
    if (next === null) return;
    this.#assignTo(next.task);
    next.wake();
  }

  /**
   * Runs `op` in the calling task while it holds the lock, and returns the value of `op`.
   * Cancel: as `acquire`; while `op` runs, as `op`, and the lock is released.
   * Errors: as `acquire`; those of `op`.
   */
  with<T>(op: OperationSource<T>): Operation<T> {
    checkSource(op);
    return new Lazy(() => withHeld(this, op));
  }

  get locked(): boolean {
    return this.#owner !== null;
  }

  stats(): LockStats {
    const owner = this.#owner;
    return Object.freeze({
      name: this.name,
      locked: owner !== null,
      owner: owner === null ? '' : taskTitle(owner),
      waiters: this.waiters.size,
      acquired: this.#acquired,
      abandoned: this.#abandonedBy !== '',
    });
  }

  /** "lock 'db' held by task 7 'writer'". @internal */
  get title(): string {
    const owner = this.#owner;
    const title = titled('lock', this.name);
    return owner === null ? title : `${title} held by ${taskTitle(owner)}`;
  }

  /** @internal */
  holders(): readonly TaskImpl[] {
    return this.#owner === null ? [] : [this.#owner];
  }

  /** @internal */
  becomesFree(isFree: (holder: TaskImpl) => boolean): boolean {
    return this.#owner === null || isFree(this.#owner);
  }

  /** @internal */
  get ownedByCaller(): boolean {
    return this.#owner !== null && this.#owner === current.task;
  }

  #assignTo(task: TaskImpl): void {
    this.#owner = task;
    this.#acquired++;
    this.#ownerMonitor.start(task);
  }

  #ownerEnded(): void {
    this.#abandonedBy = taskTitle(this.#owner as TaskImpl);
    this.#owner = null;
    failAll(this.waiters, () => this.#abandonedError());
  }

  #alreadyOwnerError(): OwnerError {
    return new OwnerError(
      'ERR_ALREADY_OWNER',
      `Task '${this.#owner?.name}' holds the ${titled('lock', this.name)} already and would wait ` +
        'for itself: locks are not re-entrant',
    );
  }

  #notOwnerError(): OwnerError {
    const caller = current.task === null ? 'a caller outside of tasks' : taskTitle(current.task);
    const state = this.#owner === null ? 'not held' : `held by ${taskTitle(this.#owner)}`;
    const text = `The ${titled('lock', this.name)} cannot be released by ${caller}: it is ${state}`;
    return new OwnerError('ERR_NOT_OWNER', text);
  }

  #abandonedError(): AbandonedError {
    return new AbandonedError(
      'ERR_LOCK_ABANDONED',
      `The ${titled('lock', this.name)} was still held by ${this.#abandonedBy} when that task ` +
        'ended. Use `with`, or release in a `finally`.',
    );
  }
}
