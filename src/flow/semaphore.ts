/**
 * Semaphore: limits how many tasks do something at a time; acquired in FIFO order.
 *
 * Invariants:
 *  1. `#inUse` is the sum of the permits in `#holds`. It exceeds `#permits` only after `resize`,
 *     until enough permits have been released.
 *  2. Permits that become free go to the first waiter in the same step, once there are as many as
 *     it waits for. No task overtakes it, so a large request is not starved by small ones.
 *  3. Permits are held by tasks. The hold of a task is in the queue of its joiners. When the task
 *     ends, the remaining permits are released for it, and `hooks.onUnhandled` receives
 *     ERR_PERMIT_ABANDONED, because the task should have released them.
 */

import type { Selectable, Waiter } from '../kernel/case.ts';
import { current, runningTask } from '../kernel/current.ts';
import type { Operation, OperationSource } from '../kernel/operation.ts';
import { checkSource, Lazy } from '../kernel/operation.ts';
import { ParkingQueue } from '../kernel/parking.ts';
import type { TaskImpl } from '../kernel/task/task.ts';
import { checkCount, checkInteger, checkName, taskTitle, titled } from '../support/checks.ts';
import { AbandonedError, OwnerError } from './errors.ts';
import { Acquire, OwnerMonitor, withHeld } from './ownership.ts';
import { firstWaiter } from './wait-queue.ts';

/** The state of a semaphore. */
export interface SemaphoreStats {
  readonly name: string;
  readonly permits: number;
  /** Free permits; below 0 after `resize` to fewer permits than are in use. */
  readonly available: number;
  /** Tasks that hold permits. */
  readonly holders: number;
  /** Tasks in `acquire()`. */
  readonly waiters: number;
}

/**
 * Limits how many tasks do something at a time. Waiting tasks acquire permits in FIFO order.
 *
 * @example
 * const slots = new Semaphore(10, 'slots');
 * yield* slots.with(() => fetchPage(url)); // ten at a time
 */
export class Semaphore {
  readonly name: string;
  /** @internal */
  readonly waiters: ParkingQueue<Waiter> = new ParkingQueue();
  readonly #holds = new Map<TaskImpl, Hold>();
  #permits: number;
  #inUse = 0;

  constructor(permits: number, name = '') {
    checkCount('permits', permits, 0);
    checkName(name);
    this.#permits = permits;
    this.name = name;
  }

  /**
   * Acquires `n` permits for the calling task, all in one step; waits while fewer are free, or
   * while another task waits. A task that waits for many permits is not overtaken by others.
   * Cancel: no permit was acquired. Errors: RangeError if `n` is not from 1 to `permits`;
   * ERR_ALREADY_OWNER if no other task holds permits, so that the task would wait for itself;
   * ERR_DEADLOCK if all holders wait for the calling task.
   */
  acquire(n = 1): Selectable<void> {
    this.#checkCount(n);
    return new Acquire(this, n);
  }

  /** Acquires `n` permits if `acquire` would not wait. Errors: as `acquire`. */
  tryAcquire(n = 1): boolean {
    this.#checkCount(n);
    if (this.available < n) {
      if (this.#owner !== null && this.#owner === current.task) throw this.#alreadyOwnerError();
      return false;
    }
    if (firstWaiter(this.waiters) !== null) return false;
    this.#assignTo(runningTask(), n);
    return true;
  }

  /**
   * Releases `n` permits of the calling task. They go to the tasks that have waited longest.
   * Errors: RangeError; ERR_NOT_OWNER if the task holds fewer, and then it keeps them.
   */
  release(n = 1): void {
    checkInteger('n', n, 1, Number.MAX_SAFE_INTEGER);
    const hold = current.task === null ? undefined : this.#holds.get(current.task);
    if (hold === undefined || hold.count < n) throw this.#notOwnerError(hold?.count ?? 0, n);
    hold.count -= n;
    if (hold.count === 0) this.#removeHold(hold);
    this.#inUse -= n;
    this.#assignFree();
  }

  /**
   * Runs `op` in the calling task while it holds `n` permits, and returns the value of `op`.
   * Cancel: as `acquire`; while `op` runs, as `op`, and the permits are released.
   * Errors: as `acquire`; those of `op`.
   */
  with<T>(op: OperationSource<T>, n = 1): Operation<T> {
    checkSource(op);
    this.#checkCount(n);
    return new Lazy(() => withHeld(this, op, n));
  }

  /**
   * Changes the number of permits. Permits in use stay in use; if fewer remain, a permit becomes
   * free only after the difference has been released.
   */
  resize(permits: number): void {
    checkCount('permits', permits, 0);
    this.#permits = permits;
    this.#assignFree();
  }

  get permits(): number {
    return this.#permits;
  }

  /** Free permits; below 0 after `resize` to fewer permits than are in use. */
  get available(): number {
    return this.#permits - this.#inUse;
  }

  stats(): SemaphoreStats {
    return Object.freeze({
      name: this.name,
      permits: this.#permits,
      available: this.available,
      holders: this.#holds.size,
      waiters: this.waiters.size,
    });
  }

  /** "semaphore 'slots' (10 of 10 permits in use)". @internal */
  get title(): string {
    const title = titled('semaphore', this.name);
    const owner = this.#owner;
    if (owner !== null) return `${title} held by ${taskTitle(owner)}`;
    return `${title} (${this.#inUse} of ${this.#permits} permits in use)`;
  }

  /** @internal */
  holders(): readonly TaskImpl[] {
    return [...this.#holds.keys()];
  }

  /** @internal */
  becomesFree(isFree: (holder: TaskImpl) => boolean, n: number): boolean {
    let permits = this.available;
    for (const hold of this.#holds.values()) if (isFree(hold.task)) permits += hold.count;
    return permits >= n;
  }

  /** The only task that holds permits, or null. */
  get #owner(): TaskImpl | null {
    const [first = null, second] = this.#holds.keys();
    return second === undefined ? first : null;
  }

  /** @internal */
  get ownedByCaller(): boolean {
    return current.task !== null && this.#holds.has(current.task);
  }

  /** The tasks behind a waiter that has left may need fewer permits. @internal */
  waiterLeft(): void {
    this.#assignFree();
  }

  #checkCount(n: number): void {
    // A semaphore without permits may get some by `resize`.
    checkInteger('n', n, 1, Math.max(1, Math.min(this.#permits, Number.MAX_SAFE_INTEGER)));
  }

  #assignFree(): void {
    for (;;) {
      const next = firstWaiter(this.waiters);
      if (next === null) return;
      const { n } = next.request as Acquire;
      if (this.available < n) return;
      this.#assignTo(next.task, n);
      next.wake();
    }
  }

  #assignTo(task: TaskImpl, n: number): void {
    let hold = this.#holds.get(task);
    if (hold === undefined) {
      hold = new Hold(this, task, (ended) => this.#ownerEnded(ended));
      this.#holds.set(task, hold);
      hold.start(task);
    }
    hold.count += n;
    this.#inUse += n;
  }

  #removeHold(hold: Hold): void {
    this.#holds.delete(hold.task);
    hold.stop();
  }

  #ownerEnded(hold: Hold): void {
    this.#removeHold(hold);
    this.#inUse -= hold.count;
    const text =
      `${taskTitle(hold.task)} ended while it held ${hold.count} permits of the ` +
      `${titled('semaphore', this.name)}. Use \`with\`, or release in a \`finally\`.`;
    hold.task.scheduler.unhandled(new AbandonedError('ERR_PERMIT_ABANDONED', text));
    this.#assignFree();
  }

  #alreadyOwnerError(): OwnerError {
    return new OwnerError(
      'ERR_ALREADY_OWNER',
      `Task '${this.#owner?.name}' would wait for itself: no other task holds permits of the ` +
        titled('semaphore', this.name),
    );
  }

  #notOwnerError(held: number, n: number): OwnerError {
    const caller = current.task === null ? 'a caller outside of tasks' : taskTitle(current.task);
    const count = held === 0 ? 'no permit' : `${held} of the ${n} permits`;
    const text = `${caller} holds ${count} of the ${titled('semaphore', this.name)} to release`;
    return new OwnerError('ERR_NOT_OWNER', text);
  }
}

/** The permits that one task holds. */
class Hold extends OwnerMonitor {
  readonly task: TaskImpl;
  count = 0;

  constructor(semaphore: object, task: TaskImpl, onEnd: (hold: Hold) => void) {
    super(() => onEnd(this), semaphore);
    this.task = task;
  }
}
