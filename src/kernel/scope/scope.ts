/**
 * Scopes: the regions that can be cancelled. They form a tree; each lies on the stack of one task.
 *
 *   run ── main task's scope ── scope(…) ── group's scope ──┬── child task's scope ── …
 *                                                           └── child task's scope
 *
 * Invariants:
 *  1. `cancelledBy` is the outermost cancelled scope whose cancellation reaches this one (itself
 *     included), or null. It is kept up to date by `spread`, so that the check on every operation
 *     is one field. It never becomes null again.
 *  2. A shield (shield.ts) keeps `cancelledBy` null below itself until it falls.
 *  3. Cancelling resumes exactly the tasks whose innermost scope is reached; all others meet the
 *     cancellation at their next operation.
 *  4. A scope that has ended is out of the tree and cannot be cancelled any more.
 *
 * Cancelling is iterative: a tree of a hundred thousand tasks needs no stack.
 */

import { checkDuration, checkInstant } from '../../support/checks.ts';
import { TimeoutError, UsageError } from '../errors.ts';
import type { Operation } from '../operation.ts';
import type { Scheduler } from '../scheduler.ts';
import type { TaskImpl } from '../task/task.ts';
import type { TimerTarget } from '../timers.ts';
import { Timer } from '../timers.ts';
import { Cancelled } from './cancelled.ts';
import { StopState, waitStopping } from './stop.ts';

/** A region that can be cancelled or stopped, with a deadline that may be moved. */
export interface Scope {
  /** Cancels everything inside. A request: returns at once; the first reason stays. */
  cancel(reason?: unknown): void;
  /** True once this scope, or one around it, is cancelled. */
  readonly cancelled: boolean;
  /** Why; `undefined` while not cancelled. */
  readonly reason: unknown;
  /** Asks what is inside to come to an end by itself; `graceMs` later it is cancelled. */
  stop(options?: { readonly graceMs?: number }): void;
  /** True once this scope, or one around it, was asked to stop. */
  readonly stopping: boolean;
  /** Returns once `stopping` is true. Cancel: nothing has happened. */
  waitStopping(): Operation<void>;
  /** When the scope is cancelled by itself, on the clock of `now()`; Infinity: never. */
  deadline: number;
  /** Aborts when the scope is cancelled: for libraries that take an AbortSignal. */
  readonly signal: AbortSignal;
}

/** What few scopes need; made when the first of it is asked for. */
class Extras {
  /** The deadline's timer, and the limit that a TimeoutError gives for it. */
  timer: Timer | null = null;
  limitMs = Infinity;
  stop: StopState | null = null;
  aborter: AbortController | null = null;
}

export class ScopeImpl implements Scope, TimerTarget {
  /** The task on whose stack the scope lies. */
  readonly task: TaskImpl;
  readonly parent: ScopeImpl | null;
  /** For reports. */
  readonly name: string;
  /** The tree below, in the order of opening, as a doubly linked list of siblings. */
  firstChild: ScopeImpl | null = null;
  lastChild: ScopeImpl | null = null;
  next: ScopeImpl | null = null;
  previous: ScopeImpl | null = null;
  /** Invariant 1. */
  cancelledBy: ScopeImpl | null = null;
  ended = false;
  /** Made by `cancel`: what operations inside throw because of this very scope. */
  private ownCancellation: Cancelled | null = null;
  /** Every task and every timeout has a scope: what is rare is kept out of it. */
  private extras: Extras | null = null;

  constructor(task: TaskImpl, parent: ScopeImpl | null, name: string) {
    this.task = task;
    this.parent = parent;
    this.name = name;
    if (parent === null) return;
    this.cancelledBy = parent.cancelledBy;
    this.previous = parent.lastChild;
    if (parent.lastChild === null) parent.firstChild = this;
    else parent.lastChild.next = this;
    parent.lastChild = this;
  }

  get cancelled(): boolean {
    return this.cancelledBy !== null;
  }

  get reason(): unknown {
    return this.cancelledBy?.ownReason;
  }

  /** True once `cancel` was called on this very scope. */
  get cancelRequested(): boolean {
    return this.ownCancellation !== null;
  }

  /** The reason given to this very scope. */
  get ownReason(): unknown {
    return this.ownCancellation?.reason;
  }

  /** What operations inside throw because of this scope: one object for all of them. */
  get cancellation(): Cancelled {
    return this.ownCancellation as Cancelled;
  }

  /** True for the scopes of timeouts and shields, which `currentScope()` passes over. */
  get hidden(): boolean {
    return false;
  }

  /** True for a shield that still keeps cancellations out. */
  get shielding(): boolean {
    return false;
  }

  /** Shields only: a cancellation has come up around it, so its time is counted from now on. */
  startLimit(): void {}

  /** Shields only: it keeps nothing out any more. */
  stopShielding(): void {}

  /** True if `error` is the cancellation that this scope has to swallow. */
  owns(error: unknown): boolean {
    return error instanceof Cancelled && error.scope === this;
  }

  /** True if this scope is `other` or lies around it. */
  encloses(other: ScopeImpl): boolean {
    let scope: ScopeImpl | null = other;
    while (scope !== null && scope !== this) scope = scope.parent;
    return scope === this;
  }

  /** As `encloses`, and at no cost where this scope's cancellation has reached `other`. */
  reaches(other: ScopeImpl): boolean {
    return other.cancelledBy === this || this.encloses(other);
  }

  cancel(reason?: unknown): void {
    if (this.cancelRequested || this.ended) return;
    this.ownCancellation = new Cancelled(this, reason);
    if (this.cancelledBy === null) propagateCancellation(this, this);
  }

  /** A cancellation has reached this scope: wakes its task if it waits right here. */
  reach(source: ScopeImpl): void {
    this.cancelledBy = source;
    if (this.task.scope === this) this.task.interrupt();
  }

  get deadline(): number {
    return this.extras?.timer?.at ?? Infinity;
  }

  set deadline(at: number) {
    checkInstant('deadline', at);
    this.limit(at, at - this.scheduler.now());
  }

  /** Moves the deadline to `at`; a TimeoutError will say `limitMs`. */
  limit(at: number, limitMs: number): void {
    if (this.ended || this.cancelRequested) return;
    const extras = this.ensureExtras();
    extras.timer ??= new Timer(this);
    extras.limitMs = Math.max(0, limitMs);
    this.scheduler.arm(extras.timer, at);
  }

  /** The deadline has passed. */
  expire(): void {
    this.cancel(new TimeoutError(this.ensureExtras().limitMs, this.task.waitingOn));
  }

  stop(options: { readonly graceMs?: number } = {}): void {
    if (options.graceMs !== undefined) checkDuration('graceMs', options.graceMs);
    if (this.ended) return;
    this.stopState.begin(options.graceMs);
    for (let at: ScopeImpl | null = this; at !== null; at = nextInTree(at, this)) {
      at.extras?.stop?.wakeAll();
    }
  }

  get stopping(): boolean {
    let scope: ScopeImpl | null = this;
    while (scope !== null && scope.extras?.stop?.begun !== true) scope = scope.parent;
    return scope !== null;
  }

  get stopState(): StopState {
    const extras = this.ensureExtras();
    extras.stop ??= new StopState(this);
    return extras.stop;
  }

  waitStopping(): Operation<void> {
    return waitStopping(this);
  }

  get signal(): AbortSignal {
    const extras = this.ensureExtras();
    if (extras.aborter === null) {
      extras.aborter = new AbortController();
      if (this.cancelled) extras.aborter.abort(this.reason);
    }
    return extras.aborter.signal;
  }

  /** Tells the listeners of `signal`, after the cancellation has spread. */
  abortSignal(): void {
    this.extras?.aborter?.abort(this.reason);
  }

  get hasSignal(): boolean {
    return this.extras !== null && this.extras.aborter !== null;
  }

  private ensureExtras(): Extras {
    this.extras ??= new Extras();
    return this.extras;
  }

  get scheduler(): Scheduler {
    return this.task.scheduler;
  }

  /** Control enters: operations of the task now belong to this scope. */
  enter(): void {
    this.task.moveToScope(this);
  }

  /** Control leaves: back to the scope around it, which must be where the task came from. */
  leave(): void {
    if (this.ended) return;
    const nested = this.task.scope === this;
    this.end();
    if (this.parent !== null) this.task.moveToScope(this.parent);
    if (!nested) throw misnested(this);
  }

  /** Takes the scope out of the tree. Idempotent. */
  end(): void {
    if (this.ended) return;
    this.ended = true;
    if (this.extras !== null) this.endExtras(this.extras);
    const { parent, previous, next } = this;
    if (parent === null) return;
    if (previous === null) parent.firstChild = next;
    else previous.next = next;
    if (next === null) parent.lastChild = previous;
    else next.previous = previous;
  }

  private endExtras({ timer, stop }: Extras): void {
    if (timer !== null) this.scheduler.disarm(timer);
    stop?.end();
  }
}

/**
 * Carries a cancellation of `source` down from `top`. A shield that stands keeps it out: in there,
 * only the clocks of the shields are started. When `top` is itself a shield that has just fallen,
 * the shields inside it fall with it: the earliest limit counts.
 */
export function propagateCancellation(top: ScopeImpl, source: ScopeImpl, through = false): void {
  const signals: ScopeImpl[] = [];
  let scope: ScopeImpl | null = top;
  while (scope !== null) {
    if (scope.shielding && scope !== top && !through) {
      startLimits(scope);
      scope = nextAfterSubtree(scope, top);
      continue;
    }
    if (through) scope.stopShielding();
    scope.reach(source);
    if (scope.hasSignal) signals.push(scope);
    scope = nextInTree(scope, top);
  }
  for (const reached of signals) reached.abortSignal();
}

function startLimits(shield: ScopeImpl): void {
  for (let at: ScopeImpl | null = shield; at !== null; at = nextInTree(at, shield)) {
    at.startLimit();
  }
}

/** The next scope of the tree under `top`, parents before children, without recursion. */
function nextInTree(scope: ScopeImpl, top: ScopeImpl): ScopeImpl | null {
  return scope.firstChild ?? nextAfterSubtree(scope, top);
}

/** As nextInTree, leaving out what is below `scope`. */
function nextAfterSubtree(scope: ScopeImpl, top: ScopeImpl): ScopeImpl | null {
  let at = scope;
  while (at !== top) {
    if (at.next !== null) return at.next;
    if (at.parent === null) return null;
    at = at.parent;
  }
  return null;
}

function misnested(scope: ScopeImpl): UsageError {
  return new UsageError(
    'ERR_SCOPE_MISNESTED',
    `Scope '${scope.name}' was left while another one was open inside it. Let \`yield*\` drive ` +
      'every operation; an operation must not be left half-way and driven by hand.',
  );
}
