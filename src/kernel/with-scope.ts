/**
 * Operations that run another one inside a scope: `scope`, `timeout`, `moveOnAfter`, `deadline`.
 */
import { checkDuration, checkInstant } from './checks.ts';
import { TimeoutError } from './errors.ts';
import { InScope } from './in-scope.ts';
import type { Operation, OperationSource } from './operation.ts';
import { checkSource, operationOf } from './operation.ts';
import { addCause } from './report.ts';
import type { Scope } from './scope.ts';
import { ScopeRecord } from './scope.ts';
import type { TaskRecord } from './task.ts';
import { Timer } from './timers.ts';

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
  return new Scoped(body, deadline, name);
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
  return new Limited(op, ms, Infinity);
}

/**
 * As `timeout`, with an absolute time on the clock of `now()`.
 * Cancel: from outside, Cancelled goes through.
 */
export function deadline<T>(at: number, op: OperationSource<T>): Operation<T> {
  checkInstant('at', at);
  checkSource(op);
  return new Limited(op, Infinity, at);
}

/**
 * As `timeout`, but gives `undefined` when the time is over.
 * Cancel: from outside, Cancelled goes through.
 */
export function moveOnAfter<T>(ms: number, op: OperationSource<T>): Operation<T | undefined> {
  checkDuration('ms', ms);
  checkSource(op);
  return new Patient<T | undefined>(op, ms, Infinity);
}

/** `scope(body)`. */
class Scoped<T> extends InScope<T | undefined> {
  private readonly body: (scope: Scope) => Operation<T>;
  private readonly deadline: number;
  private readonly name: string;

  constructor(body: (scope: Scope) => Operation<T>, deadline: number, name: string) {
    super(body as () => Operation<T>);
    this.body = body;
    this.deadline = deadline;
    this.name = name;
  }

  protected open(task: TaskRecord): ScopeRecord {
    const scope = new ScopeRecord(task, task.scope, this.name);
    if (this.deadline !== Infinity) scope.deadline = this.deadline;
    return scope;
  }

  protected override begin(scope: ScopeRecord): Operation<T | undefined> {
    return operationOf(() => this.body(scope));
  }

  protected swallowed(): undefined {
    return undefined;
  }
}

/** `timeout` and `deadline`: a duration or a point in time, the other one being Infinity. */
class Limited<T> extends InScope<T> {
  private readonly limitMs: number;
  private readonly limitAt: number;

  constructor(op: OperationSource<T>, ms: number, at: number) {
    super(op);
    this.limitMs = ms;
    this.limitAt = at;
  }

  protected open(task: TaskRecord): ScopeRecord {
    const scope = new LimitScope(task, task.scope, '');
    if (this.limitMs !== Infinity) scope.begin(task.scheduler.now() + this.limitMs, this.limitMs);
    else if (this.limitAt !== Infinity)
      scope.begin(this.limitAt, this.limitAt - task.scheduler.now());
    return scope;
  }

  /** The limit is the only one that can cancel this scope. */
  protected swallowed(scope: ScopeRecord): T {
    throw scope.ownReason;
  }

  protected override failed(scope: ScopeRecord, error: unknown): void {
    if (scope.requested) addCause(error, scope.ownReason);
  }
}

/** `moveOnAfter`. */
class Patient<T> extends Limited<T | undefined> {
  protected override swallowed(): undefined {
    return undefined;
  }

  protected override failed(): void {}
}

/**
 * The scope of a time limit. `currentScope()` passes over it, so nobody can move its deadline: it
 * keeps its timer to itself.
 */
class LimitScope extends ScopeRecord {
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
