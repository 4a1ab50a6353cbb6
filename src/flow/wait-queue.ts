/**
 * Waiters and the base class of the operations that wait in a queue.
 *
 * A channel, lock, event, … keeps its waiters in a FIFO queue. The task whose action makes a
 * request possible carries it out in the same step: it takes the waiter out of the queue and wakes
 * it with the result. A waiter is either an operation itself or a pending case of a `select`.
 *
 * Invariants:
 *  1. A waiter is in at most one queue. It leaves the queue before its task is woken.
 *  2. No queue holds a waiter whose request could be carried out. (A select with a send and a
 *     receive on the same channel does not match itself.) An operation can therefore attempt its
 *     request at once: if that succeeds, it has not overtaken any waiter.
 *  3. A stale waiter is never woken. `firstWaiter` removes stale waiters from the queue.
 */
import type { Case, Selectable } from '../kernel/case.ts';
import { Waiter, WOULD_WAIT } from '../kernel/case.ts';
import { runningTask } from '../kernel/current.ts';
import type { Frames, Operation, Wait } from '../kernel/operation.ts';
import { alreadyDriven, PAUSE, rejectAwait } from '../kernel/operation.ts';
import type { ParkingQueue } from '../kernel/parking.ts';
import type { TaskImpl } from '../kernel/task/task.ts';
import { noteDriven, noteMade } from '../kernel/task/undriven.ts';
import { mustPause, parkWait } from '../kernel/waits.ts';

/** Removes the stale waiters at the front. Returns the first other waiter, which stays, or null. */
export function firstWaiter(queue: ParkingQueue<Waiter>): Waiter | null {
  let waiter = queue.first;
  while (waiter?.stale === true) {
    queue.remove(waiter);
    waiter = queue.first;
  }
  return waiter;
}

/** Wakes all waiters with the same value. */
export function wakeAll(queue: ParkingQueue<Waiter>, value?: unknown): void {
  for (let at = firstWaiter(queue); at !== null; at = firstWaiter(queue)) at.wake(value);
}

/** Rejects all waiters, each with an error of its own. */
export function failAll(queue: ParkingQueue<Waiter>, makeError: () => unknown): void {
  for (let at = firstWaiter(queue); at !== null; at = firstWaiter(queue)) at.fail(makeError());
}

type Stage = 'new' | 'driven' | 'parked' | 'fulfilled' | 'rejected' | 'over';

/** Most operations return `undefined`. One result object serves them all. */
const NO_VALUE: IteratorReturnResult<undefined> = { done: true, value: undefined };

/**
 * Base class of the operations that may wait in a queue. Operation, iterator and waiter are one
 * object, so that a send or an acquire allocates once and needs no generator.
 *
 *          yield*          next: would wait          wake
 *   new ──────────► driven ────────────────► parked ──────► fulfilled ──► over
 *                     │                        │ fail
 *                     │                        └──────────► rejected ───► over
 *                     ├── next: success ───────────────────────────────► over
 *                     └── next: success, budget spent ────► fulfilled ──► over
 *
 * Invariants:
 *  1. The attempt and the wake-up are each one synchronous step.
 *  2. In a cancelled scope the attempt is not made. A cancelled operation has not happened: it has
 *     left the queue without a result.
 *  3. An operation that spends the budget of its task yields after the attempt and keeps the
 *     result. A later cancellation does not undo a kept result.
 */
export abstract class WaitingOperation<T>
  extends Waiter
  implements Operation<T>, Frames<T>, Case<T>, Selectable<T>
{
  declare private stage: Stage;
  /** The value or the error, until the task receives it. */
  declare private outcome: unknown;
  declare private waitingTask: TaskImpl | null;
  declare private readonly waitQueue: ParkingQueue<Waiter>;

  /**
   * Fields are assigned here because V8 calls into its runtime for each class field of a base class
   * that has many subclasses, which makes an operation four times as expensive.
   */
  constructor(waitQueue: ParkingQueue<Waiter>) {
    super();
    this.stage = 'new';
    this.outcome = undefined;
    this.waitingTask = null;
    this.waitQueue = waitQueue;
    noteMade(this);
  }

  /** Attempts the request once. "Would wait" has no effect. */
  abstract attempt(): T | typeof WOULD_WAIT;

  [Symbol.iterator](): this {
    if (this.stage !== 'new') throw alreadyDriven(this);
    this.stage = 'driven';
    noteDriven(this);
    return this;
  }

  next(): IteratorResult<Wait, T> {
    switch (this.stage) {
      case 'driven':
        return this.start(runningTask());
      case 'fulfilled':
        return this.finish(this.outcome as T);
      case 'rejected':
        return this.throw(this.outcome);
      default:
        throw alreadyDriven(this);
    }
  }

  /** Delivers a cancellation. An outcome that is already there takes precedence. */
  throw(error: unknown): IteratorResult<Wait, T> {
    if (this.stage === 'fulfilled') return this.finish(this.outcome as T);
    const thrown = this.stage === 'rejected' ? this.outcome : error;
    this.abandon();
    throw thrown;
  }

  return(value?: unknown): IteratorResult<Wait, T> {
    noteDriven(this);
    if (this.waiter === null) this.abandon();
    return { done: true, value: value as T };
  }

  then(_resolve: unknown, reject: unknown): void {
    rejectAwait(this, reject);
  }

  override wake(value?: unknown): boolean {
    return this.settle('fulfilled', value);
  }

  override fail(error: unknown): boolean {
    return this.settle('rejected', error);
  }

  get task(): TaskImpl {
    return this.waitingTask as TaskImpl;
  }

  get request(): this {
    return this;
  }

  /** For `select`, which puts a waiter of its own into the queue. */
  asCase(): Case<T> {
    return this[Symbol.iterator]();
  }

  enlist(waiter: Waiter): void {
    this.waitQueue.push(waiter);
  }

  leave(waiter: Waiter): void {
    waiter.queue?.remove(waiter);
  }

  private start(task: TaskImpl): IteratorResult<Wait, T> {
    if (mustPause() && task.scope.cancelledBy !== null) return PAUSE;
    try {
      const value = this.attempt();
      if (value === WOULD_WAIT) return this.park(task);
      if (task.budget > 0) return this.finish(value as T);
      this.keep('fulfilled', value);
    } catch (error) {
      if (task.budget > 0) return this.throw(error);
      this.keep('rejected', error);
    }
    return PAUSE;
  }

  private park(task: TaskImpl): IteratorResult<Wait, T> {
    this.waitingTask = task;
    this.enlist(this);
    this.stage = 'parked';
    return parkWait(this);
  }

  private settle(stage: 'fulfilled' | 'rejected', outcome: unknown): boolean {
    if (this.stage !== 'parked') return false;
    this.keep(stage, outcome);
    return super.wake();
  }

  private keep(stage: 'fulfilled' | 'rejected', outcome: unknown): void {
    this.stage = stage;
    this.outcome = outcome;
  }

  private finish(value: T): IteratorResult<Wait, T> {
    this.stage = 'over';
    this.outcome = undefined;
    return value === undefined ? (NO_VALUE as IteratorReturnResult<T>) : { done: true, value };
  }

  private abandon(): void {
    this.stage = 'over';
    this.outcome = undefined;
    this.queue?.remove(this);
  }
}
