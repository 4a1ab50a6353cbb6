/** Operations that run another one inside a scope: `scope`, `timeout`, `moveOnAfter`, `deadline`. */
import { checkDuration, checkInstant } from './checks.ts';
import { currentRecord } from './current.ts';
import type { TimeoutError } from './errors.ts';
import type { Operation, OperationSource, Wait } from './operation.ts';
import { checkSource, Lazy, operationOf } from './operation.ts';
import type { Scope } from './scope.ts';
import { ScopeRecord } from './scope.ts';

/**
 * Runs `body` in the calling task, inside a scope that can be cancelled. Gives the body's value, or
 * `undefined` if the scope was cancelled before the body returned. `deadline` is a time of `now()`.
 *
 * Cancel: from outside, Cancelled goes through. Errors of the body leave the scope as they are.
 */
export function scope<T>(
  body: (scope: Scope) => Operation<T>,
  options: { readonly deadline?: number; readonly name?: string } = {},
): Operation<T | undefined> {
  const { deadline = Infinity, name = '' } = options;
  checkSource(body);
  checkInstant('deadline', deadline);
  return new Lazy(() => runScope(body, deadline, name));
}

function* runScope<T>(
  body: (scope: Scope) => Operation<T>,
  deadline: number,
  name: string,
): Generator<Wait, T | undefined> {
  const task = currentRecord();
  const inner = new ScopeRecord(task, task.scope, name);
  if (deadline !== Infinity) inner.deadline = deadline;
  inner.enter();
  try {
    return yield* operationOf(() => body(inner));
  } catch (error) {
    if (!inner.owns(error)) throw error;
    return undefined;
  } finally {
    inner.leave();
  }
}

/**
 * Gives `op` at most `ms` milliseconds. `timeout(0, op)`: the first try counts, waiting does not.
 * Errors: TimeoutError (ERR_TIMEOUT) with the limit and what was waited for; an error that `op` throws
 * while it unwinds leaves instead, with the TimeoutError as its `cause` if that is free.
 * Cancel: from outside, Cancelled goes through.
 */
export function timeout<T>(ms: number, op: OperationSource<T>): Operation<T> {
  checkDuration('ms', ms);
  checkSource(op);
  return new Lazy(() => runLimited(op, new Limit(ms, Infinity)));
}

/** As `timeout`, with an absolute time on the clock of `now()`. */
export function deadline<T>(at: number, op: OperationSource<T>): Operation<T> {
  checkInstant('at', at);
  checkSource(op);
  return new Lazy(() => runLimited(op, new Limit(Infinity, at)));
}

/** As `timeout`, but gives `undefined` when the time is over. */
export function moveOnAfter<T>(ms: number, op: OperationSource<T>): Operation<T | undefined> {
  checkDuration('ms', ms);
  checkSource(op);
  return new Lazy(() => runUntilLimit(op, new Limit(ms, Infinity)));
}

/** A time limit before it is known when it begins: a duration or a point in time. */
class Limit {
  readonly #ms: number;
  readonly #at: number;

  constructor(ms: number, at: number) {
    this.#ms = ms;
    this.#at = at;
  }

  /** Opens the scope that the limit cancels. */
  open(): LimitScope {
    const task = currentRecord();
    const inner = new LimitScope(task, task.scope);
    if (this.#ms !== Infinity) inner.limit(task.scheduler.now() + this.#ms, this.#ms);
    else if (this.#at !== Infinity) inner.deadline = this.#at;
    inner.enter();
    return inner;
  }
}

/** The scope of a time limit. `currentScope()` passes over it. */
class LimitScope extends ScopeRecord {
  override get hidden(): boolean {
    return true;
  }
}

function* runLimited<T>(op: OperationSource<T>, limit: Limit): Generator<Wait, T> {
  const inner = limit.open();
  try {
    return yield* operationOf(op);
  } catch (error) {
    if (inner.owns(error)) throw inner.ownReason as TimeoutError;
    if (inner.expired) addCause(error, inner.ownReason);
    throw error;
  } finally {
    inner.leave();
  }
}

function* runUntilLimit<T>(op: OperationSource<T>, limit: Limit): Generator<Wait, T | undefined> {
  const inner = limit.open();
  try {
    return yield* operationOf(op);
  } catch (error) {
    if (inner.owns(error)) return undefined;
    throw error;
  } finally {
    inner.leave();
  }
}

/** Notes why the scope was unwinding on the error that left it, where there is room. */
function addCause(error: unknown, cause: unknown): void {
  if (!(error instanceof Error) || error.cause !== undefined || !Object.isExtensible(error)) return;
  error.cause = cause;
}
