/**
 * The constructors of the waits, and the operations that consist of one wait.
 *
 * Every operation waits with one of the five forms of `Wait`. Four of them are made here; the bare
 * `yield`, PAUSE, is in operation.ts. Operations on hot paths make their wait once and return it
 * again (`recvWait`, `sendWait`, `parkWait`).
 */
import { checkDuration, checkInstant } from '../support/checks.ts';
import type { Case, CaseWaiter, Selectable } from './case.ts';
import { ReadinessCase, WOULD_WAIT } from './case.ts';
import { current, runningTask } from './current.ts';
import { debug } from './debug.ts';
import { describeWait } from './diagnostics.ts';
import type { Operation, OperationSource, Wait } from './operation.ts';
import { discard, PAUSE, Step } from './operation.ts';
import type { ParkingQueue } from './parking.ts';
import { NO_HOLDERS, Parking } from './parking.ts';
import type { Pollable } from './readiness.ts';
import type { TaskImpl } from './task/task.ts';
import { Timer } from './timers.ts';

/** A wait, as `next()` of a hand-written operation returns it. */
export type WaitResult = IteratorYieldResult<Wait>;

/** The wait until `pollable` is readable. It can be returned any number of times. */
export function recvWait(pollable: Pollable): WaitResult {
  return { done: false, value: ['recv', pollable] };
}

/** The wait until `pollable` is writable. It can be returned any number of times. */
export function sendWait(pollable: Pollable): WaitResult {
  return { done: false, value: ['send', pollable] };
}

/** The wait until `parking` is woken. */
export function parkWait(parking: Parking): WaitResult {
  return { done: false, value: ['park', parking] };
}

/**
 * The checkpoint rule, for the start of every operation that can succeed without waiting. Returns
 * true if the operation must return PAUSE before its attempt: its task has completed 128 operations
 * since its last wait, or its scope is cancelled. In a cancelled scope the scheduler resumes the
 * pause with a throw.
 */
export function mustPause(): boolean {
  const task = current.task ?? runningTask();
  debug.tracker?.suspends(task);
  return --task.budget < 0;
}

/**
 * True if the running task may wait for its send to be carried out together with those of other
 * tasks: some are ready, and its last wait was to receive. So it waits for at most one send after
 * each receive. A task that has received from a queue must have emptied it: at the end of the batch
 * the queue then contains what it would contain if the task had not waited for the send.
 */
export function mayWaitForSends(): boolean {
  const { task } = current;
  if (task === null || task.scheduler.readyTasks === 0) return false;
  const { wait } = task; // of any type: a task may have caught the error for a wrong one
  if (wait?.[0] === 'recv') return true;
  return wait?.[0] === 'park' && wait[1] instanceof Parking && wait[1].isEmptied();
}

/**
 * The checkpoint rule for an operation that drives another one, such as `timeout`. It counts when
 * it has completed (`task.countOperation`), so that the operation inside has the whole budget.
 */
export function mustPauseFirst(task: TaskImpl): boolean {
  debug.tracker?.suspends(task);
  return task.budget <= 0;
}

/** The pause before `source` is driven. If it is cancelled, `source` is discarded. */
export function* pauseBefore(source: OperationSource<unknown>): Generator<Wait, void> {
  let paused = false;
  try {
    yield;
    paused = true;
  } finally {
    if (!paused) discard(source);
  }
}

/** Bytes that count as one operation, so that a bulk transfer lets other tasks run. */
const BYTES_PER_OPERATION = 16384;

/** Charges a transfer of `bytes` bytes to the budget, in addition to the operation itself. */
export function chargeBytes(bytes: number): void {
  if (bytes < BYTES_PER_OPERATION || current.task === null) return;
  current.task.budget = Math.max(0, current.task.budget - Math.floor(bytes / BYTES_PER_OPERATION));
}

/** An operation that yields one wait and returns the value that the scheduler resumes it with. */
abstract class SingleWait<T> extends Step<T> {
  private waited = false;

  /** Returns the wait. Called when the operation is driven. */
  protected abstract wait(): WaitResult;

  next(value?: unknown): IteratorResult<Wait, T> {
    if (this.waited) return { done: true, value: value as T };
    this.waited = true;
    const task = runningTask();
    debug.tracker?.suspends(task);
    return this.wait();
  }
}

/** `park` and `pause`, which cannot be cases of a select. */
class WaitFor<T> extends SingleWait<T> {
  private readonly result: WaitResult;

  constructor(result: WaitResult) {
    super();
    this.result = result;
  }

  protected wait(): WaitResult {
    return this.result;
  }
}

/**
 * Waits until `resource` is readable, as `yield ['recv', resource]` does. May return spuriously.
 *
 * Errors: ERR_BUSY if another task already waits to read from `resource`.
 * Cancel: the wait ends; nothing has happened.
 *
 * @example
 * yield* readable(socket);
 */
export function readable(resource: Pollable): Selectable<void> {
  return new ReadinessWait(resource, 'recv');
}

/**
 * Waits until `resource` is writable, as `yield ['send', resource]` does. May return spuriously.
 *
 * Errors: ERR_BUSY if another task already waits to write to `resource`.
 * Cancel: the wait ends; nothing has happened.
 *
 * @example
 * yield* writable(socket);
 */
export function writable(resource: Pollable): Selectable<void> {
  return new ReadinessWait(resource, 'send');
}

class ReadinessWait extends SingleWait<void> implements Selectable<void> {
  private readonly resource: Pollable;
  private readonly direction: 'recv' | 'send';

  constructor(resource: Pollable, direction: 'recv' | 'send') {
    super();
    this.resource = resource;
    this.direction = direction;
  }

  protected wait(): WaitResult {
    const { resource, direction } = this;
    return direction === 'recv' ? recvWait(resource) : sendWait(resource);
  }

  asCase(): Case<void> {
    const { resource, direction } = this[Symbol.iterator]();
    return new ReadyCase(resource, direction);
  }
}

class ReadyCase extends ReadinessCase<void> {
  attempt(): undefined | typeof WOULD_WAIT {
    return this.ready ? undefined : WOULD_WAIT;
  }
}

/**
 * Waits until `parking.wake(value)` is called, and returns the value.
 *
 * Errors: the argument of `parking.fail(error)`; ERR_BUSY if another task is parked there.
 * Cancel: the parking is withdrawn; its `onWithdrawn` is called.
 *
 * @example
 * const reply = yield* park<Reply>(parking);
 */
export function park<T>(parking: Parking): Operation<T> {
  return new WaitFor(parkWait(parking));
}

/**
 * Sleeps for `ms` milliseconds. 0 lets the other ready tasks run; Infinity sleeps until cancelled.
 *
 * Errors: TypeError (ERR_INVALID_ARG_TYPE) or RangeError (ERR_OUT_OF_RANGE) unless `ms` is a
 * number ≥ 0.
 * Cancel: the sleep ends at once.
 *
 * @example
 * yield* sleep(250);
 */
export function sleep(ms: number): Selectable<void> {
  checkDuration('ms', ms);
  return new Sleep(ms);
}

/**
 * Sleeps until `at`, in milliseconds on the clock of `now()`. If `at` is in the past, only lets the
 * other ready tasks run.
 *
 * Errors: TypeError or RangeError unless `at` is a number.
 * Cancel: the sleep ends at once.
 *
 * @example
 * yield* sleepUntil(now() + 1000);
 */
export function sleepUntil(at: number): Selectable<void> {
  checkInstant('at', at);
  return new SleepUntil(at);
}

class Sleep<T = void> extends SingleWait<T> implements Selectable<T> {
  private readonly ms: number;

  constructor(ms: number) {
    super();
    this.ms = ms;
  }

  /** The duration, from the moment in which the operation is driven. */
  protected duration(): number {
    return this.ms;
  }

  protected wait(): WaitResult {
    return { done: false, value: ['sleep', this.duration()] };
  }

  asCase(): Case<T> {
    return new SleepCase(this[Symbol.iterator]().duration());
  }
}

class SleepUntil extends Sleep {
  protected override duration(): number {
    return Math.max(0, super.duration() - runningTask().scheduler.now());
  }
}

class SleepCase implements Case<never> {
  private readonly ms: number;
  private readonly scheduler = runningTask().scheduler;
  private timer: Timer | null = null;

  constructor(ms: number) {
    this.ms = ms;
  }

  /** A finite sleep ends with its timer. Only an external event can end an infinite one. */
  get external(): boolean {
    return this.ms === Infinity;
  }

  describe(): string {
    return describeWait(['sleep', this.ms]);
  }

  attempt(): typeof WOULD_WAIT {
    return WOULD_WAIT;
  }

  enlist(waiter: CaseWaiter): void {
    this.timer = new Timer(waiter);
    this.scheduler.arm(this.timer, this.scheduler.now() + this.ms);
  }

  leave(): void {
    if (this.timer !== null) this.scheduler.disarm(this.timer);
  }
}

/**
 * Sleeps until cancelled. Keeps the process alive, because a cancellation may come from outside the
 * program.
 *
 * Cancel: the sleep ends. It does not end otherwise.
 */
export function sleepForever(): Selectable<never> {
  return new Sleep<never>(Infinity);
}

/**
 * Lets the other ready tasks run once. This is the operation form of a bare `yield`.
 *
 * Cancel: throws Cancelled.
 */
export function pause(): Operation<void> {
  return new WaitFor(PAUSE);
}

/**
 * Throws if the task is cancelled, and lets the other ready tasks run once the task has completed
 * 128 operations since its last wait. For loops that compute without waiting.
 *
 * Cancel: throws Cancelled.
 */
export function checkpoint(): Operation<void> {
  return new Checkpoint();
}

class Checkpoint extends Step<void> {
  private checked = false;

  next(): IteratorResult<Wait, void> {
    if (this.checked) return { done: true, value: undefined };
    this.checked = true;
    return mustPause() ? PAUSE : { done: true, value: undefined };
  }
}

/**
 * An operation that waits for something that happens once and stays: the end of a task, a stop, the
 * settlement of a promise. Its waiters are parkings in a queue that is woken when it happens.
 */
export abstract class LatchWait<T> extends Step<T> implements Selectable<T>, Case<T> {
  private begun = false;
  /** The entry in the queue. */
  private parking: LatchParking | null = null;

  /** Returns the result, or WOULD_WAIT if it has not happened yet. Throws if it is a failure. */
  abstract attempt(): T | typeof WOULD_WAIT;

  abstract describe(): string;

  /** The queue to wait in. */
  protected abstract queue(): ParkingQueue;

  /** See ParkingOptions. */
  get external(): boolean {
    return false;
  }

  /** See ParkingOptions. */
  get realTime(): boolean {
    return false;
  }

  /** See Parking.holders. */
  holders(): readonly TaskImpl[] {
    return NO_HOLDERS;
  }

  next(): IteratorResult<Wait, T> {
    if (!this.begun) {
      this.begun = true;
      if (mustPause()) return PAUSE;
    }
    const result = this.attempt();
    if (result !== WOULD_WAIT) return { done: true, value: result as T };
    return parkWait(this.enterQueue(null));
  }

  asCase(): Case<T> {
    return this[Symbol.iterator]();
  }

  enlist(waiter: CaseWaiter): void {
    this.enterQueue(waiter);
  }

  leave(): void {
    const { parking } = this;
    if (parking !== null) parking.queue?.remove(parking);
  }

  private enterQueue(waiter: CaseWaiter | null): Parking {
    this.parking = new LatchParking(this, waiter);
    this.queue().push(this.parking);
    return this.parking;
  }
}

/** True for a wait that takes nothing, so that its result can be dropped without a loss. */
export function takesNothing(operation: Operation<unknown>): boolean {
  return operation instanceof SingleWait || operation instanceof LatchWait;
}

class LatchParking extends Parking {
  private readonly latch: LatchWait<unknown>;
  /** The case of a select that waits here; null: the task itself does. */
  private readonly caseWaiter: CaseWaiter | null;

  constructor(latch: LatchWait<unknown>, caseWaiter: CaseWaiter | null) {
    super();
    this.latch = latch;
    this.caseWaiter = caseWaiter;
  }

  override describe(): string {
    return this.latch.describe();
  }

  override holders(): readonly TaskImpl[] {
    return this.latch.holders();
  }

  override get external(): boolean {
    return this.latch.external || this.latch.realTime;
  }

  override get realTime(): boolean {
    return this.latch.realTime;
  }

  override wake(value?: unknown): boolean {
    if (this.caseWaiter === null) return super.wake(value);
    this.queue?.remove(this);
    this.caseWaiter.notify();
    return true;
  }
}
