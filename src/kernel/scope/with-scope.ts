/**
 * Operations that run another operation inside a scope of its own: `scope`, `timeout`, `deadline`
 * and `moveOnAfter`, and ScopedOperation, their base class and that of `shield`.
 *
 * ScopedOperation is written as an iterator and not as a generator, because a timeout around an
 * operation that does not wait must cost very little.
 *
 * Each of them is a checkpoint before it enters its scope, so that a loop of them around operations
 * that complete at once lets other tasks run and can be cancelled. A limit begins after that.
 */
import { checkDuration, checkInstant, checkKeys, checkName } from '../../support/checks.ts';
import { runningTask } from '../current.ts';
import { addCause } from '../diagnostics.ts';
import { TimeoutError } from '../errors.ts';
import type { Frames, Operation, OperationSource, Wait } from '../operation.ts';
import { checkBody, checkSource, discard, operationOf, PAUSE, Step } from '../operation.ts';
import type { TaskImpl } from '../task/task.ts';
import { Timer } from '../timers.ts';
import { mustPauseFirst } from '../waits.ts';
import type { Scope } from './scope.ts';
import { ScopeImpl } from './scope.ts';

export abstract class ScopedOperation<T> extends Step<T> {
  protected readonly source: OperationSource<T>;
  private paused = false;
  private inner: ScopeImpl | null = null;
  private frames: Frames<T> | null = null;

  constructor(source: OperationSource<T>) {
    super();
    this.source = source;
  }

  /** True if the task must pause before it enters the scope. */
  protected mustPauseBefore(task: TaskImpl): boolean {
    return mustPauseFirst(task);
  }

  /** Creates the scope, before the operation starts. */
  protected abstract createScope(task: TaskImpl): ScopeImpl;

  /** Returns the operation to drive. */
  protected createOperation(_scope: ScopeImpl): Operation<T> {
    return operationOf(this.source);
  }

  /** Returns or throws the outcome after the scope has caught its own cancellation. */
  protected abstract resultWhenCancelled(scope: ScopeImpl): T;

  /** Called when the operation has thrown anything else. */
  protected onError(_scope: ScopeImpl, _error: unknown): void {}

  /** Called when control has left the scope, with a value or with an error. */
  protected onLeave(_task: TaskImpl): void {}

  next(value?: unknown): IteratorResult<Wait, T> {
    const scope = this.inner ?? this.enterScope();
    if (scope === null) return PAUSE;
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
    if (frames === null) discard(this.source);
    if (scope === null) throw error;
    try {
      if (frames?.throw === undefined) throw error;
      return this.passOn(scope, frames.throw(error));
    } catch (thrown) {
      return this.leaveWith(scope, thrown);
    }
  }

  override return(value?: unknown): IteratorResult<Wait, T> {
    if (this.frames === null) discard(this.source);
    const scope = this.inner;
    if (scope === null || scope.ended) return super.return(value);
    try {
      const result = this.frames?.return?.(value as T) ?? { done: true, value: value as T };
      return this.passOn(scope, result);
    } catch (error) {
      return this.leaveWith(scope, error);
    }
  }

  /** Null if the task must pause before that. */
  private enterScope(): ScopeImpl | null {
    const task = runningTask();
    if (!this.paused && this.mustPauseBefore(task)) {
      this.paused = true;
      return null;
    }
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
    scope.task.countOperation();
    this.onLeave(scope.task);
  }
}

/**
 * Runs `body` in the calling task, inside a scope that can be cancelled. Returns the value of the
 * body, or `undefined` if the scope was cancelled before the body returned. `deadline` is a time on
 * the clock of `now()`.
 *
 * Errors: errors of the body are thrown unchanged.
 * Cancel: the Cancelled of an enclosing scope is thrown.
 *
 * @example
 * const reply = yield* scope(function* (s) {
 *   onAbort(() => s.cancel());
 *   return yield* request();
 * });
 */
export function scope<T>(
  body: (scope: Scope) => Operation<T>,
  options: { readonly deadline?: number; readonly name?: string } = {},
): Operation<T | undefined> {
  checkBody(body, 'scope(function* (s) { … })');
  checkKeys('options', options, { deadline: true, name: true });
  const { deadline = Infinity, name = '' } = options;
  checkInstant('deadline', deadline);
  checkName(name);
  return new ScopeBodyOperation(body, deadline, name);
}

/**
 * Runs `op` for at most `ms` milliseconds. `timeout(0, op)` allows one attempt without waiting.
 *
 * Errors: TimeoutError (ERR_TIMEOUT) with the limit and the wait that it ended. An error that `op`
 * throws while it unwinds is thrown instead, with the TimeoutError as its `cause` if it has none.
 * Cancel: the Cancelled of an enclosing scope is thrown.
 *
 * @example
 * const socket = yield* timeout(2000, connect('example.org:80'));
 */
export function timeout<T>(ms: number, op: OperationSource<T>): Operation<T> {
  checkDuration('ms', ms);
  checkSource(op);
  return new TimeoutOperation(op, ms, Infinity);
}

/**
 * As `timeout`, with an absolute time on the clock of `now()`.
 *
 * Errors: see `timeout`.
 * Cancel: the Cancelled of an enclosing scope is thrown.
 *
 * @example
 * const end = now() + 2000;
 * const head = yield* deadline(end, readHead(socket));
 * const body = yield* deadline(end, readBody(socket, head));
 */
export function deadline<T>(at: number, op: OperationSource<T>): Operation<T> {
  checkInstant('at', at);
  checkSource(op);
  return new TimeoutOperation(op, Infinity, at);
}

/**
 * As `timeout`, but returns `undefined` when the time is over.
 *
 * Cancel: the Cancelled of an enclosing scope is thrown.
 *
 * @example
 * const line = yield* moveOnAfter(500, reader.readLine());
 */
export function moveOnAfter<T>(ms: number, op: OperationSource<T>): Operation<T | undefined> {
  checkDuration('ms', ms);
  checkSource(op);
  return new MoveOnAfterOperation<T | undefined>(op, ms, Infinity);
}

/** `scope(body)`. */
class ScopeBodyOperation<T> extends ScopedOperation<T | undefined> {
  private readonly deadline: number;
  private readonly name: string;

  constructor(body: (scope: Scope) => Operation<T>, deadline: number, name: string) {
    super(body as () => Operation<T>);
    this.deadline = deadline;
    this.name = name;
  }

  protected createScope(task: TaskImpl): ScopeImpl {
    const scope = new ScopeImpl(task, task.scope, this.name);
    if (this.deadline !== Infinity) scope.deadline = this.deadline;
    return scope;
  }

  protected override createOperation(scope: ScopeImpl): Operation<T | undefined> {
    const body = this.source as (scope: Scope) => Operation<T>;
    return operationOf(() => body(scope));
  }

  protected resultWhenCancelled(): undefined {
    return undefined;
  }
}

/** `timeout` and `deadline`: a duration or an absolute time; the other one is Infinity. */
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

  /** Only the limit cancels this scope, so the reason is a TimeoutError. */
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

/** The scope of a time limit. Programs have no access to it, so its deadline cannot be moved. */
export class LimitScope extends ScopeImpl {
  protected limitTimer: Timer | null = null;
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

  override get limited(): boolean {
    return this.limitTimer?.armed === true || super.limited;
  }
}
