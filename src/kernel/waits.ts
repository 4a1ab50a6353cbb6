/**
 * The only places in Coronet that yield to the scheduler.
 *
 * Every wait of every operation is one of the five of `Wait`, and is made here. Waits on hot paths
 * are made once and kept (`recvWait`, `sendWait`, `parkWait`); PAUSE is the bare `yield`.
 */
import { checkDuration, checkInstant } from '../support/checks.ts';
import { current, runningTask } from './current.ts';
import { debug } from './debug.ts';
import type { Operation, Wait } from './operation.ts';
import { PAUSE, Step } from './operation.ts';
import type { Parking } from './parking.ts';
import type { Pollable } from './readiness.ts';

/** A wait as a hand-written operation returns it from `next()`. */
export type WaitResult = IteratorYieldResult<Wait>;

/** "Until `pollable` is readable", to be kept and returned again and again. */
export function recvWait(pollable: Pollable): WaitResult {
  return { done: false, value: ['recv', pollable] };
}

/** "Until `pollable` is writable", to be kept and returned again and again. */
export function sendWait(pollable: Pollable): WaitResult {
  return { done: false, value: ['send', pollable] };
}

/** "Until somebody wakes `parking`". */
export function parkWait(parking: Parking): WaitResult {
  return { done: false, value: ['park', parking] };
}

/**
 * The checkpoint rule, for the start of every operation that can succeed without waiting: true if
 * the operation must return PAUSE before it tries. That is so when its task has completed 128
 * operations since it last waited, and when its scope is cancelled (the scheduler's answer is the
 * throw then).
 */
export function mustPause(): boolean {
  const task = current.task ?? runningTask();
  debug.tracker?.suspends(task);
  return --task.budget < 0;
}

/** Bytes that count as one operation: a bulk stream must let the others run, too. */
const BYTES_PER_OPERATION = 16384;

/** Counts a transfer of `bytes` bytes as the operations that it weighs, beyond the one it is. */
export function chargeBytes(bytes: number): void {
  if (bytes < BYTES_PER_OPERATION || current.task === null) return;
  current.task.budget = Math.max(0, current.task.budget - Math.floor(bytes / BYTES_PER_OPERATION));
}

/**
 * An operation that is one wait and nothing else, and gives what the scheduler resumes it with.
 * `select` takes these as arms.
 */
export abstract class SingleWaitOperation<T> extends Step<T> {
  private waited = false;

  /** The wait, made when the operation is driven. */
  protected abstract wait(): WaitResult;

  next(value?: unknown): IteratorResult<Wait, T> {
    if (this.waited) return { done: true, value: value as T };
    this.waited = true;
    debug.tracker?.suspends(runningTask());
    return this.wait();
  }

  /** Takes the operation, and gives the wait that it would have yielded. */
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
 * Cancel: nothing has happened. Errors: ERR_BUSY if another task waits to read from it already.
 */
export function readable(resource: Pollable): Operation<void> {
  return new WaitFor(recvWait(resource));
}

/**
 * Waits until `resource` is writable, as `yield ['send', resource]` does. May return spuriously.
 * Cancel: nothing has happened. Errors: ERR_BUSY if another task waits to write to it already.
 */
export function writable(resource: Pollable): Operation<void> {
  return new WaitFor(sendWait(resource));
}

/**
 * Waits until somebody calls `parking.wake(value)`, and gives the value.
 * Cancel: the wait is taken back; `onWithdrawn` is called. Errors: what `parking.fail` was given.
 */
export function park<T>(parking: Parking): Operation<T> {
  return new WaitFor(parkWait(parking));
}

/**
 * Sleeps for `ms` milliseconds (0: lets the others run; Infinity: until cancelled).
 * Cancel: wakes at once. Errors: TypeError or RangeError for what is not a number ≥ 0.
 */
export function sleep(ms: number): Operation<void> {
  checkDuration('ms', ms);
  return new WaitFor(sleepWait(ms));
}

/**
 * Sleeps until `at` on the clock of `now()`; a time that is past only lets the others run.
 * Cancel: wakes at once.
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
 * Sleeps until cancelled. Keeps the process alive: the wake-up comes from outside.
 * Cancel: the only way it ends.
 */
export function sleepForever(): Operation<never> {
  return new WaitFor<never>(sleepWait(Infinity));
}

/**
 * Lets the other ready tasks run once: the operation form of a bare `yield`.
 * Cancel: throws instead.
 */
export function pause(): Operation<void> {
  return new WaitFor(PAUSE);
}

/**
 * A cancel point, and a schedule point once the task has used up its 128 operations.
 * Cancel: throws instead.
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
