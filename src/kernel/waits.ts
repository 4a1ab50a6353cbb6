/**
 * The constructors of the waits, and the operations that consist of one wait.
 *
 * Every operation waits with one of the five forms of `Wait`. Four of them are made here; the bare
 * `yield`, PAUSE, is in operation.ts. Operations on hot paths make their wait once and return it
 * again (`recvWait`, `sendWait`, `parkWait`).
 */
import { checkDuration, checkInstant } from '../support/checks.ts';
import { current, runningTask } from './current.ts';
import { debug } from './debug.ts';
import type { Operation, Wait } from './operation.ts';
import { PAUSE, Step } from './operation.ts';
import type { Parking } from './parking.ts';
import type { Pollable } from './readiness.ts';

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

/** Bytes that count as one operation, so that a bulk transfer lets other tasks run. */
const BYTES_PER_OPERATION = 16384;

/** Charges a transfer of `bytes` bytes to the budget, in addition to the operation itself. */
export function chargeBytes(bytes: number): void {
  if (bytes < BYTES_PER_OPERATION || current.task === null) return;
  current.task.budget = Math.max(0, current.task.budget - Math.floor(bytes / BYTES_PER_OPERATION));
}

/**
 * An operation that consists of one wait and returns the value that the scheduler resumes it with.
 * `select` accepts these as cases.
 */
export abstract class SingleWaitOperation<T> extends Step<T> {
  private waited = false;

  /** Returns the wait. Called when the operation is driven. */
  protected abstract wait(): WaitResult;

  next(value?: unknown): IteratorResult<Wait, T> {
    if (this.waited) return { done: true, value: value as T };
    this.waited = true;
    debug.tracker?.suspends(runningTask());
    return this.wait();
  }

  /** Marks the operation as driven and returns the wait that it would yield. */
  takeWait(): Wait {
    return this[Symbol.iterator]().wait().value;
  }
}

class WaitFor<T> extends SingleWaitOperation<T> {
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
export function readable(resource: Pollable): Operation<void> {
  return new WaitFor(recvWait(resource));
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
export function writable(resource: Pollable): Operation<void> {
  return new WaitFor(sendWait(resource));
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
export function sleep(ms: number): Operation<void> {
  checkDuration('ms', ms);
  return new WaitFor(sleepWait(ms));
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
export function sleepUntil(at: number): Operation<void> {
  checkInstant('at', at);
  return new SleepUntil(at);
}

class SleepUntil extends SingleWaitOperation<void> {
  private readonly at: number;

  constructor(at: number) {
    super();
    this.at = at;
  }

  protected wait(): WaitResult {
    return sleepWait(Math.max(0, this.at - runningTask().scheduler.now()));
  }
}

/**
 * Sleeps until cancelled. Keeps the process alive, because a cancellation may come from outside the
 * program.
 *
 * Cancel: the sleep ends. It does not end otherwise.
 */
export function sleepForever(): Operation<never> {
  return new WaitFor<never>(sleepWait(Infinity));
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

function sleepWait(ms: number): WaitResult {
  return { done: false, value: ['sleep', ms] };
}
