/** `retry`: repeats an operation until it succeeds. */
import { runningTask } from '../../kernel/current.ts';
import type { Operation, Wait } from '../../kernel/operation.ts';
import { discard, isOperation, Lazy, operationOf } from '../../kernel/operation.ts';
import { isCancelled } from '../../kernel/scope/cancelled.ts';
import { checkpoint, sleep } from '../../kernel/waits.ts';
import type { Keys } from '../../support/checks.ts';
import {
  checkCount,
  checkDuration,
  checkKeys,
  outOfRange,
  wrongType,
} from '../../support/checks.ts';

/** Options of `retry`. */
export interface RetryOptions {
  /** The maximal number of attempts: a whole number ≥ 1, or Infinity. Default: 3. */
  readonly times?: number;
  /** Milliseconds between the first attempt and the second. Default: 0. */
  readonly delayMs?: number;
  /** The factor by which the delay grows after each attempt. Default: 2. */
  readonly factor?: number;
  /** The limit of each delay in milliseconds. Default: 30,000, or `delayMs` if that is more. */
  readonly maxDelayMs?: number;
  /** The random part of each delay: from 0 (the default) to 1 or `true`, the whole delay. */
  readonly jitter?: number | boolean;
  /** Called after each failure but the last: false ends the retry. `attempt` starts at 1. */
  readonly when?: (error: unknown, attempt: number) => boolean;
}

const DEFAULT_MAX_DELAY_MS = 30_000;

const OPTIONS: Keys<RetryOptions> = {
  times: true,
  delayMs: true,
  factor: true,
  maxDelayMs: true,
  jitter: true,
  when: true,
};

type RetryPlan = Required<RetryOptions> & { readonly jitter: number };

/**
 * Calls `fn(attempt)` and drives the operation that it returns; after a failure it repeats this, up
 * to `times` attempts in total. It sleeps `delayMs` before the second attempt, `delayMs × factor`
 * before the third, and so on, up to `maxDelayMs`. The part `jitter` of each delay is random, so
 * that many clients do not retry at the same time: with 1 the delay is uniform between 0 and its
 * full length ("full jitter"; see Marc Brooker, "Exponential backoff and jitter", AWS Architecture
 * Blog, 2015).
 *
 * Errors: the error of the last attempt, unchanged. TypeError for an unknown option, and for an
 * operation instead of a function, because an operation can be driven only once. RangeError for
 * numbers out of range.
 * Cancel: ends the attempt or the sleep. The operation is not attempted again.
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
  let delayMs = Math.min(plan.delayMs, plan.maxDelayMs);
  for (let attempt = 1; ; attempt++) {
    try {
      return yield* operationOf(() => fn(attempt));
    } catch (error) {
      if (isCancelled(error) || attempt >= plan.times || !plan.when(error, attempt)) throw error;
    }
    yield* sleep(jittered(delayMs, plan.jitter));
    delayMs = Math.min(delayMs * plan.factor, plan.maxDelayMs);
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
  checkKeys('options', options, OPTIONS);
  const { times = 3, delayMs = 0, factor = 2, jitter = 0, when = () => true } = options;
  const { maxDelayMs = Math.max(DEFAULT_MAX_DELAY_MS, delayMs) } = options;
  checkCount('times', times, 1);
  checkDuration('delayMs', delayMs);
  checkDuration('maxDelayMs', maxDelayMs);
  checkDuration('factor', factor);
  if (factor === Infinity) throw outOfRange('factor', 'a finite number ≥ 0', factor);
  if (typeof when !== 'function') throw wrongType('when', 'a function', when);
  return { times, delayMs, factor, maxDelayMs, jitter: jitterFractionOf(jitter), when };
}

function jitterFractionOf(jitter: number | boolean): number {
  const fraction = Number(jitter);
  if (typeof jitter !== 'number' && typeof jitter !== 'boolean') {
    throw wrongType('jitter', 'a number from 0 to 1, or a boolean', jitter);
  }
  if (!(fraction >= 0 && fraction <= 1)) throw outOfRange('jitter', 'a number from 0 to 1', jitter);
  return fraction;
}
