/**
 * The base of operations that run another one inside a scope of its own: scope, timeout, shield.
 *
 * Written by hand, not as a generator: a timeout around an operation that does not wait must cost
 * next to nothing.
 */

import { checkDuration, checkInstant } from '../../support/checks.ts';
import { runningTask } from '../current.ts';
import { addCause } from '../diagnostics.ts';
import { TimeoutError } from '../errors.ts';
import type { Frames, Operation, OperationSource, Wait } from '../operation.ts';
import { checkSource, discard, operationOf, Step } from '../operation.ts';
import type { TaskImpl } from '../task/task.ts';
import { Timer } from '../timers.ts';
import type { Scope } from './scope.ts';
import { ScopeImpl } from './scope.ts';

export abstract class ScopedOperation<T> extends Step<T> {
  protected readonly source: OperationSource<T>;
  private inner: ScopeImpl | null = null;
  private frames: Frames<T> | null = null;

  constructor(source: OperationSource<T>) {
    super();
    this.source = source;
  }

  /** Makes the scope, before anything is driven in it. */
  protected abstract createScope(task: TaskImpl): ScopeImpl;

  /** What is driven. */
  protected createOperation(_scope: ScopeImpl): Operation<T> {
    return operationOf(this.source);
  }

  /** The scope has swallowed its own cancellation: what the operation gives, or throws. */
  protected abstract resultWhenCancelled(scope: ScopeImpl): T;

  /** The operation has thrown something else. */
  protected onError(_scope: ScopeImpl, _error: unknown): void {}

  /** The scope has been left, with a value or with an error. */
  protected onLeave(_task: TaskImpl): void {}

  next(value?: unknown): IteratorResult<Wait, T> {
    const scope = this.inner ?? this.enterScope();
    try {
      this.frames ??= this.createOperation(scope)[Symbol.iterator]();
      return this.passOn(scope, this.frames.next(value));
    } catch (error) {
      return this.leaveWith(scope, error);
    }
  }

  override throw(error: unknown): IteratorResult<Wait, T> {
    const scope = this.inner;
    const frames = this.frames;
    if (scope === null) throw error;
    try {
      if (frames?.throw === undefined) throw error;
      return this.passOn(scope, frames.throw(error));
    } catch (thrown) {
      return this.leaveWith(scope, thrown);
    }
  }

  override return(value?: unknown): IteratorResult<Wait, T> {
    if (!this.driven) discard(this.source);
    const scope = this.inner;
    if (scope === null || scope.ended) return super.return(value);
    try {
      const result = this.frames?.return?.(value as T) ?? { done: true, value: value as T };
      return this.passOn(scope, result);
    } catch (error) {
      return this.leaveWith(scope, error);
    }
  }

  private enterScope(): ScopeImpl {
    const task = runningTask();
    const scope = this.createScope(task);
    this.inner = scope;
    scope.enter();
    return scope;
  }

  private passOn(scope: ScopeImpl, result: IteratorResult<Wait, T>): IteratorResult<Wait, T> {
    if (result.done === true) this.leaveScope(scope);
    return result;
  }

  private leaveWith(scope: ScopeImpl, error: unknown): IteratorResult<Wait, T> {
    this.leaveScope(scope);
    if (scope.owns(error)) return { done: true, value: this.resultWhenCancelled(scope) };
    this.onError(scope, error);
    throw error;
  }

  private leaveScope(scope: ScopeImpl): void {
    scope.leave();
    this.onLeave(scope.task);
  }
}

/**
 * Operations that run another one inside a scope: `scope`, `timeout`, `moveOnAfter`, `deadline`.
 */

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
  return new ScopeBodyOperation(body, deadline, name);
}

/**
 * Gives `op` at most `ms` milliseconds. `timeout(0, op)`: the first try counts, waiting does not.
 *
 * Errors: TimeoutError (ERR_TIMEOUT) with the limit and what was waited for; an error that `op`
 * throws while it unwinds leaves instead, with the TimeoutError as its `cause` if that is free.
 * Cancel: from outside, Cancelled goes through.
 */
export function timeout<T>(ms: number, op: OperationSource<T>): Operation<T> {
  checkDuration('ms', ms);
  checkSource(op);
  return new TimeoutOperation(op, ms, Infinity);
}

/**
 * As `timeout`, with an absolute time on the clock of `now()`.
 * Cancel: from outside, Cancelled goes through.
 */
export function deadline<T>(at: number, op: OperationSource<T>): Operation<T> {
  checkInstant('at', at);
  checkSource(op);
  return new TimeoutOperation(op, Infinity, at);
}

/**
 * As `timeout`, but gives `undefined` when the time is over.
 * Cancel: from outside, Cancelled goes through.
 */
export function moveOnAfter<T>(ms: number, op: OperationSource<T>): Operation<T | undefined> {
  checkDuration('ms', ms);
  checkSource(op);
  return new MoveOnAfterOperation<T | undefined>(op, ms, Infinity);
}

/** `scope(body)`. */
class ScopeBodyOperation<T> extends ScopedOperation<T | undefined> {
  private readonly body: (scope: Scope) => Operation<T>;
  private readonly deadline: number;
  private readonly name: string;

  constructor(body: (scope: Scope) => Operation<T>, deadline: number, name: string) {
    super(body as () => Operation<T>);
    this.body = body;
    this.deadline = deadline;
    this.name = name;
  }

  protected createScope(task: TaskImpl): ScopeImpl {
    const scope = new ScopeImpl(task, task.scope, this.name);
    if (this.deadline !== Infinity) scope.deadline = this.deadline;
    return scope;
  }

  protected override createOperation(scope: ScopeImpl): Operation<T | undefined> {
    return operationOf(() => this.body(scope));
  }

  protected resultWhenCancelled(): undefined {
    return undefined;
  }
}

/** `timeout` and `deadline`: a duration or a point in time, the other one being Infinity. */
class TimeoutOperation<T> extends ScopedOperation<T> {
  private readonly limitMs: number;
  private readonly limitAt: number;

  constructor(op: OperationSource<T>, ms: number, at: number) {
    super(op);
    this.limitMs = ms;
    this.limitAt = at;
  }

  protected createScope(task: TaskImpl): ScopeImpl {
    const scope = new LimitScope(task, task.scope, '');
    if (this.limitMs !== Infinity) scope.begin(task.scheduler.now() + this.limitMs, this.limitMs);
    else if (this.limitAt !== Infinity)
      scope.begin(this.limitAt, this.limitAt - task.scheduler.now());
    return scope;
  }

  /** The limit is the only one that can cancel this scope. */
  protected resultWhenCancelled(scope: ScopeImpl): T {
    throw scope.ownReason;
  }

  protected override onError(scope: ScopeImpl, error: unknown): void {
    if (scope.cancelRequested) addCause(error, scope.ownReason);
  }
}

/** `moveOnAfter`. */
class MoveOnAfterOperation<T> extends TimeoutOperation<T | undefined> {
  protected override resultWhenCancelled(): undefined {
    return undefined;
  }

  protected override onError(): void {}
}

/**
 * The scope of a time limit. `currentScope()` passes over it, so nobody can move its deadline: it
 * keeps its timer to itself.
 */
class LimitScope extends ScopeImpl {
  private limitTimer: Timer | null = null;
  private limitMs = 0;

  begin(at: number, limitMs: number): void {
    this.limitTimer = new Timer(this);
    this.limitMs = limitMs;
    this.scheduler.arm(this.limitTimer, at);
  }

  override expire(): void {
    this.cancel(new TimeoutError(Math.max(0, this.limitMs), this.task.waitingOn));
  }

  override end(): void {
    if (this.limitTimer !== null) this.scheduler.disarm(this.limitTimer);
    super.end();
  }

  override get hidden(): boolean {
    return true;
  }
}
