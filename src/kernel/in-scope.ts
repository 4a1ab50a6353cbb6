/**
 * The base of operations that run another one inside a scope of its own: scope, timeout, shield.
 *
 * Written by hand, not as a generator: a timeout around an operation that does not wait must cost
 * next to nothing.
 */
import { currentRecord } from './current.ts';
import type { Frames, Operation, OperationSource, Wait } from './operation.ts';
import { discard, operationOf, Step } from './operation.ts';
import type { ScopeRecord } from './scope.ts';
import type { TaskRecord } from './task.ts';

export abstract class InScope<T> extends Step<T> {
  protected readonly source: OperationSource<T>;
  private inner: ScopeRecord | null = null;
  private frames: Frames<T> | null = null;

  constructor(source: OperationSource<T>) {
    super();
    this.source = source;
  }

  /** Makes the scope, before anything is driven in it. */
  protected abstract open(task: TaskRecord): ScopeRecord;

  /** What is driven. */
  protected begin(_scope: ScopeRecord): Operation<T> {
    return operationOf(this.source);
  }

  /** The scope has swallowed its own cancellation: what the operation gives, or throws. */
  protected abstract swallowed(scope: ScopeRecord): T;

  /** The operation has thrown something else. */
  protected failed(_scope: ScopeRecord, _error: unknown): void {}

  /** The scope has been left, with a value or with an error. */
  protected left(_task: TaskRecord): void {}

  next(value?: unknown): IteratorResult<Wait, T> {
    const scope = this.inner ?? this.enterScope();
    try {
      this.frames ??= this.begin(scope)[Symbol.iterator]();
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

  private enterScope(): ScopeRecord {
    const task = currentRecord();
    const scope = this.open(task);
    this.inner = scope;
    scope.enter();
    return scope;
  }

  private passOn(scope: ScopeRecord, result: IteratorResult<Wait, T>): IteratorResult<Wait, T> {
    if (result.done === true) this.leaveScope(scope);
    return result;
  }

  private leaveWith(scope: ScopeRecord, error: unknown): IteratorResult<Wait, T> {
    this.leaveScope(scope);
    if (scope.owns(error)) return { done: true, value: this.swallowed(scope) };
    this.failed(scope, error);
    throw error;
  }

  private leaveScope(scope: ScopeRecord): void {
    scope.leave();
    this.left(scope.task);
  }
}
