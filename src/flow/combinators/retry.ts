/** `retry`: an operation that is made and tried again until it succeeds. */

import { runningTask } from '../../kernel/current.ts';
import type { Operation, Wait } from '../../kernel/operation.ts';
import { discard, isOperation, Lazy, operationOf } from '../../kernel/operation.ts';
import { isCancelled } from '../../kernel/scope/cancelled.ts';
import { checkpoint, sleep } from '../../kernel/waits.ts';
import { checkDuration, outOfRange, wrongType } from '../../support/checks.ts';

/** How often and how far apart `retry` tries. */
export interface RetryOptions {
  /** How often it is tried altogether: a whole number from 1, or Infinity. Default: 3. */
  readonly times?: number;
  /** Milliseconds between the first try and the second. Default: 0. */
  readonly delayMs?: number;
  /** By what the delay is multiplied from each try to the next. Default: 2. */
  readonly factor?: number;
  /** The part of each delay that is left to chance: 0 none (the default), 1 or `true` all of it. */
  readonly jitter?: number | boolean;
  /** Asked after each failure but the last: false ends it. `attempt` counts from 1. */
  readonly when?: (error: unknown, attempt: number) => boolean;
}

interface RetryPlan {
  readonly times: number;
  readonly delayMs: number;
  readonly factor: number;
  readonly jitter: number;
  readonly when: (error: unknown, attempt: number) => boolean;
}

/**
 * Calls `fn(attempt)` and drives what it returns; if that fails, does so again, up to `times`
 * times altogether. Before the second try it sleeps `delayMs`, before the third `delayMs ×
 * factor`, and so on. Of each delay the part `jitter` is random, so that many clients do not come
 * back all at once: with 1 it is anything from 0 to the full delay ("full jitter"; see Marc
 * Brooker, "Exponential backoff and jitter", AWS Architecture Blog, 2015).
 *
 * Errors: the last error, itself, when the tries are used up or `when` said no. TypeError for an
 * operation in place of a function: it could be driven only once. RangeError for wrong numbers.
 * Cancel: never tried again; Cancelled goes through, also while sleeping.
 *
 * @example
 * const socket = yield* retry(() => connect(25000), { times: 5, delayMs: 100, jitter: 1 });
 */
export function retry<T>(
  fn: (attempt: number) => Operation<T>,
  options: RetryOptions = {},
): Operation<T> {
  checkFunction(fn);
  const plan = retryPlanOf(options);
  return new Lazy(() => runRetry(fn, plan));
}

function* runRetry<T>(fn: (attempt: number) => Operation<T>, plan: RetryPlan): Generator<Wait, T> {
  yield* checkpoint();
  let delayMs = plan.delayMs;
  for (let attempt = 1; ; attempt++) {
    try {
      return yield* operationOf(() => fn(attempt));
    } catch (error) {
      if (isCancelled(error) || attempt >= plan.times || !plan.when(error, attempt)) throw error;
    }
    yield* sleep(jittered(delayMs, plan.jitter));
    delayMs *= plan.factor;
  }
}

function jittered(delayMs: number, jitter: number): number {
  if (jitter === 0 || delayMs === Infinity) return delayMs;
  return delayMs * (1 - jitter * runningTask().scheduler.host.random());
}

function checkFunction(fn: unknown): void {
  if (typeof fn === 'function') return;
  if (!isOperation(fn)) throw wrongType('fn', 'a function that returns an operation', fn);
  discard(fn);
  const expected = 'a function, since an operation can be driven only once: retry(() => operation)';
  throw wrongType('fn', expected, fn);
}

function retryPlanOf(options: RetryOptions): RetryPlan {
  const { times = 3, delayMs = 0, factor = 2, jitter = 0, when = () => true } = options;
  checkTimes(times);
  checkDuration('delayMs', delayMs);
  checkDuration('factor', factor);
  if (factor === Infinity) throw outOfRange('factor', 'a finite number ≥ 0', factor);
  if (typeof when !== 'function') throw wrongType('when', 'a function', when);
  return { times, delayMs, factor, jitter: jitterFractionOf(jitter), when };
}

function checkTimes(times: number): void {
  const expected = 'a whole number ≥ 1, or Infinity';
  if (typeof times !== 'number') throw wrongType('times', expected, times);
  if (!(Number.isInteger(times) || times === Infinity) || times < 1) {
    throw outOfRange('times', expected, times);
  }
}

function jitterFractionOf(jitter: number | boolean): number {
  const part = Number(jitter);
  if (typeof jitter !== 'number' && typeof jitter !== 'boolean') {
    throw wrongType('jitter', 'a number from 0 to 1, or a boolean', jitter);
  }
  if (!(part >= 0 && part <= 1)) throw outOfRange('jitter', 'a number from 0 to 1', jitter);
  return part;
}
