/**
 * Lock: one task at a time, in the order of asking.
 *
 * Invariants:
 *  1. `#owner` is the task that holds the lock. Releasing hands it to the foremost waiter in the
 *     same step, so that nobody can slip in between.
 *  2. While the lock is held, `#watch` stands among the joiners of the owner: the lock hears of the
 *     owner's end.
 *  3. A lock whose owner ended without releasing it is abandoned for good, because what it protects
 *     may be half-changed: everybody who waits for it or asks for it later gets ERR_LOCK_ABANDONED.
 */
import { current, runningTask } from '../kernel/current.ts';
import type { Operation, OperationSource } from '../kernel/operation.ts';
import { checkSource, Lazy } from '../kernel/operation.ts';
import { ParkingQueue } from '../kernel/parking.ts';
import type { TaskImpl } from '../kernel/task/task.ts';
import { checkName, taskTitle, titled } from '../support/checks.ts';
import { AbandonedError, OwnerError } from './errors.ts';
import { Acquire, OwnerMonitor, withHeld } from './ownership.ts';
import type { Waiter } from './wait-queue.ts';
import { failAll, firstWaiter } from './wait-queue.ts';

/** What a lock has done and holds. */
export interface LockStats {
  readonly name: string;
  readonly locked: boolean;
  /** The task that holds it, as "task 7 'writer'"; '' while it is free. */
  readonly owner: string;
  /** Tasks in `acquire()`. */
  readonly waiters: number;
  /** How often it was acquired. */
  readonly acquired: number;
  /** True: its owner ended without releasing it, so nobody can acquire it any more. */
  readonly abandoned: boolean;
}

/**
 * One task at a time, in the order of asking.
 *
 * @example
 * const db = new Lock('db');
 * yield* db.with(function* () {
 *   // One task at a time is here.
 * });
 */
export class Lock {
  readonly name: string;
  readonly #waiters = new ParkingQueue<Waiter>();
  readonly #ownerMonitor: OwnerMonitor = new OwnerMonitor(() => this.#ownerEnded());
  #owner: TaskImpl | null = null;
  /** Invariant 3: who abandoned it. */
  #abandonedBy = '';
  #acquired = 0;

  constructor(name = '') {
    checkName(name);
    this.name = name;
  }

  /**
   * Acquires the lock for the calling task; waits while another task holds it. Prefer `with`: a
   * task that ends without `release()` leaves the lock unusable.
   * Cancel: the lock was not acquired. Errors: ERR_ALREADY_OWNER at once if the task holds it
   * already, ERR_LOCK_ABANDONED.
   */
  acquire(): Operation<void> {
    return new Acquire(this);
  }

  /** Acquires the lock if that needs no waiting. Errors: as `acquire`. */
  tryAcquire(): boolean {
    return this.take();
  }

  /** Gives the lock to whoever has waited longest. Errors: ERR_NOT_OWNER. */
  release(): void {
    if (!this.ownedByCaller) throw this.#notOwnerError();
    this.#ownerMonitor.stop();
    this.#owner = null;
    this.settle();
  }

  /**
   * Runs `op` in the calling task while it holds the lock, and gives its value.
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
      waiters: this.#waiters.size,
      acquired: this.#acquired,
      abandoned: this.#abandonedBy !== '',
    });
  }

  // ---- for the operations of this room ----

  /** "lock 'db' held by task 7 'writer'". @internal */
  get title(): string {
    const owner = this.#owner;
    const title = titled('lock', this.name);
    return owner === null ? title : `${title} held by ${taskTitle(owner)}`;
  }

  /** @internal */
  get owner(): TaskImpl | null {
    return this.#owner;
  }

  /** @internal */
  get ownedByCaller(): boolean {
    return this.#owner !== null && this.#owner === current.task;
  }

  /** One try. @internal */
  take(): boolean {
    this.#checkNotOwner();
    if (this.#abandonedBy !== '') throw this.#abandonedError();
    if (this.#waiters.size > 0) this.settle();
    if (this.#owner !== null) return false;
    this.#grantTo(runningTask());
    return true;
  }

  /** @internal */
  enlist(place: Waiter): void {
    this.#checkNotOwner();
    this.#waiters.push(place);
  }

  /** @internal */
  settle(): void {
    if (this.#abandonedBy !== '') return failAll(this.#waiters, () => this.#abandonedError());
    if (this.#owner !== null) return;
    const place = firstWaiter(this.#waiters);
    if (place === null) return;
    this.#grantTo(place.task);
    place.wake();
  }

  #grantTo(task: TaskImpl): void {
    this.#owner = task;
    this.#acquired++;
    this.#ownerMonitor.start(task);
  }

  #ownerEnded(): void {
    this.#abandonedBy = taskTitle(this.#owner as TaskImpl);
    this.#owner = null;
    this.settle();
  }

  #checkNotOwner(): void {
    if (!this.ownedByCaller) return;
    throw new OwnerError(
      'ERR_ALREADY_OWNER',
      `Task '${this.#owner?.name}' holds the ${titled('lock', this.name)} already and would wait ` +
        'for itself: locks are not re-entrant',
    );
  }

  #notOwnerError(): OwnerError {
    const caller = current.task === null ? 'a caller outside of tasks' : taskTitle(current.task);
    const state = this.#owner === null ? 'held by nobody' : `held by ${taskTitle(this.#owner)}`;
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
