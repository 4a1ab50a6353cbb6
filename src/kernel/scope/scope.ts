/**
 * Scopes: regions that can be cancelled. They form a tree. Each scope is on the stack of one task.
 *
 *   run ── main task's scope ── scope(…) ── group's scope ──┬── child task's scope ── …
 *                                                           └── child task's scope
 *
 * Invariants:
 *  1. `cancelledBy` is the outermost cancelled scope whose cancellation reaches this one (possibly
 *     itself), or null. `propagateCancellation` keeps it up to date, so each operation checks one
 *     field. It never becomes null again.
 *  2. A shield (shield.ts) keeps `cancelledBy` null inside itself until it expires.
 *  3. A cancellation resumes the tasks whose innermost scope it reaches. A task that does not wait
 *     receives it at its next operation.
 *  4. A scope that has ended is not in the tree and cannot be cancelled.
 *
 * Cancellation is iterative, because a tree of a hundred thousand tasks would exhaust the stack.
 */
import { checkDuration, checkInstant, checkKeys } from '../../support/checks.ts';
import type { Selectable } from '../case.ts';
import { WOULD_WAIT } from '../case.ts';
import { graceOver } from '../diagnostics.ts';
import { TimeoutError, UsageError } from '../errors.ts';
import { ParkingQueue } from '../parking.ts';
import type { Scheduler } from '../scheduler.ts';
import type { TaskImpl } from '../task/task.ts';
import type { TimerTarget } from '../timers.ts';
import { Timer } from '../timers.ts';
import { LatchWait } from '../waits.ts';
import { Cancelled, catchingScope } from './cancelled.ts';

/** A region that can be cancelled or stopped, with a deadline that can be moved. */
export interface Scope {
  /** Requests the end of everything inside. Returns at once. Only the first reason is kept. */
  cancel(reason?: unknown): void;
  /** True after this scope, or one around it, was cancelled. */
  readonly cancelled: boolean;
  /** The argument of `cancel`, or the TimeoutError of a deadline; `undefined` if not cancelled. */
  readonly reason: unknown;
  /**
   * Requests a soft stop: sets `stopping` here and in all scopes inside, and cancels nothing.
   * After `graceMs` milliseconds the scope is cancelled (ERR_GRACE_OVER).
   */
  stop(options?: { readonly graceMs?: number }): void;
  /** True after `stop()` was called on this scope or on one around it. */
  readonly stopping: boolean;
  /**
   * Waits until `stopping` is true.
   * Cancel: the wait ends; nothing has happened.
   */
  waitStopping(): Selectable<void>;
  /** The time at which the scope is cancelled, on the clock of `now()`; Infinity: never. */
  deadline: number;
  /** Aborts when the scope is cancelled, for libraries that accept an AbortSignal. */
  readonly signal: AbortSignal;
}

/** State that few scopes have. Created at its first use. */
class Extras {
  /** The timer of the deadline, and the limit in its TimeoutError. */
  timer: Timer | null = null;
  limitMs = Infinity;
  stop: StopState | null = null;
  aborter: AbortController | null = null;
}

const STOP_KEYS = { graceMs: true } as const;

export class ScopeImpl implements Scope, TimerTarget {
  /** The task on whose stack the scope is. */
  readonly task: TaskImpl;
  readonly parent: ScopeImpl | null;
  /** The name in reports. */
  readonly name: string;
  /** The scopes inside, in the order of opening, as a doubly linked list of siblings. */
  firstChild: ScopeImpl | null = null;
  lastChild: ScopeImpl | null = null;
  next: ScopeImpl | null = null;
  previous: ScopeImpl | null = null;
  /** Invariant 1. */
  cancelledBy: ScopeImpl | null = null;
  ended = false;
  /** Created by `cancel`: the value that operations inside throw because of this scope. */
  private ownCancellation: Cancelled | null = null;
  /** Each task and each timeout has a scope, so rarely used state is kept out of it. */
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

  /** True after `cancel` was called on this scope itself. */
  get cancelRequested(): boolean {
    return this.ownCancellation !== null;
  }

  /** The argument of `cancel` on this scope itself. */
  get ownReason(): unknown {
    return this.ownCancellation?.reason;
  }

  /** The one value that all operations inside throw because of this scope. */
  get cancellation(): Cancelled {
    return this.ownCancellation as Cancelled;
  }

  /** True for the scopes of timeouts and shields, which `currentScope()` does not return. */
  get hidden(): boolean {
    return false;
  }

  /** True for a shield that has not expired. */
  get shielding(): boolean {
    return false;
  }

  /** True while a time limit is running at whose end the scope is cancelled. */
  get limited(): boolean {
    const { extras } = this;
    return extras !== null && (extras.timer?.armed === true || extras.stop?.limited === true);
  }

  /** Shields only: a scope around the shield was cancelled, so its time limit begins. */
  startLimit(): void {}

  /** Shields only: cancellations reach the scopes inside from now on. */
  stopShielding(): void {}

  /** True if `error` is the cancellation of this scope, which it catches when control leaves it. */
  owns(error: unknown): boolean {
    return catchingScope(error) === this;
  }

  /** True if this scope is `other` or a scope around it. */
  encloses(other: ScopeImpl): boolean {
    let scope: ScopeImpl | null = other;
    while (scope !== null && scope !== this) scope = scope.parent;
    return scope === this;
  }

  /** As `encloses`, in constant time if this scope's cancellation has reached `other`. */
  reaches(other: ScopeImpl): boolean {
    return other.cancelledBy === this || this.encloses(other);
  }

  cancel(reason?: unknown): void {
    if (this.cancelRequested || this.ended) return;
    this.ownCancellation = new Cancelled(this, reason);
    if (this.cancelledBy === null) propagateCancellation(this, this);
  }

  /** The cancellation of `source` has reached this scope: ends the wait of a task in it. */
  reach(source: ScopeImpl): void {
    this.cancelledBy = source;
    if (this.task.scope === this) this.task.interrupt();
  }

  get deadline(): number {
    return this.extras?.timer?.at ?? Infinity;
  }

  set deadline(at: number) {
    checkInstant('deadline', at);
    if (this.ended || this.cancelRequested) return;
    const extras = this.ensureExtras();
    extras.timer ??= new Timer(this);
    extras.limitMs = Math.max(0, at - this.scheduler.now());
    this.scheduler.arm(extras.timer, at);
  }

  /** The deadline has passed. */
  expire(): void {
    this.cancel(new TimeoutError(this.ensureExtras().limitMs, this.task.waitingOn));
  }

  stop(options: { readonly graceMs?: number } = {}): void {
    checkKeys('options', options, STOP_KEYS);
    if (options.graceMs !== undefined) checkDuration('graceMs', options.graceMs);
    if (this.ended) return;
    this.stopState.request(options.graceMs);
    for (let at: ScopeImpl | null = this; at !== null; at = nextInTree(at, this)) {
      at.extras?.stop?.wakeAll();
    }
  }

  get stopping(): boolean {
    let scope: ScopeImpl | null = this;
    while (scope !== null && scope.extras?.stop?.requested !== true) scope = scope.parent;
    return scope !== null;
  }

  get stopState(): StopState {
    const extras = this.ensureExtras();
    extras.stop ??= new StopState(this);
    return extras.stop;
  }

  waitStopping(): Selectable<void> {
    return new StopWait(this);
  }

  get signal(): AbortSignal {
    const extras = this.ensureExtras();
    if (extras.aborter === null) {
      extras.aborter = new AbortController();
      if (this.cancelled) extras.aborter.abort(this.reason);
    }
    return extras.aborter.signal;
  }

  /** The source of `signal`, if that was used. */
  get aborter(): AbortController | null {
    return this.extras === null ? null : this.extras.aborter;
  }

  private ensureExtras(): Extras {
    this.extras ??= new Extras();
    return this.extras;
  }

  get scheduler(): Scheduler {
    return this.task.scheduler;
  }

  /** Control enters the scope: the operations of the task now belong to it. */
  enter(): void {
    this.task.moveToScope(this);
  }

  /** Control leaves the scope and returns to the one around it. */
  leave(): void {
    if (this.ended) return;
    const nested = this.task.scope === this;
    this.end();
    if (this.parent !== null) this.task.moveToScope(this.parent);
    if (!nested) throw misnested(this);
  }

  /** Removes the scope from the tree. Idempotent. */
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
    // A dead scope in old memory would keep the later ones alive until the next full collection.
    this.previous = null;
    this.next = null;
  }

  private endExtras({ timer, stop }: Extras): void {
    if (timer !== null) this.scheduler.disarm(timer);
    stop?.end();
  }
}

// ---- the soft stop: `stop()` cancels nothing, it lets `waitStopping()` return ----

/** The stop state of a scope. Created at the first call of `stop()` or `waitStopping()`. */
class StopState implements TimerTarget {
  readonly #scope: ScopeImpl;
  /** The tasks in `waitStopping()`. */
  readonly waiters: ParkingQueue = new ParkingQueue();
  /** True after `stop()` was called on this scope itself. */
  requested = false;
  #timer: Timer | null = null;
  #graceMs = 0;

  constructor(scope: ScopeImpl) {
    this.#scope = scope;
  }

  /** A second call can only shorten the grace period. */
  request(graceMs: number | undefined): void {
    this.requested = true;
    if (graceMs === undefined) return;
    const { scheduler } = this.#scope;
    const at = scheduler.now() + graceMs;
    if (this.#timer?.armed && this.#timer.at <= at) return;
    this.#graceMs = graceMs;
    this.#timer ??= new Timer(this);
    scheduler.arm(this.#timer, at);
  }

  /** The grace period is over. */
  expire(): void {
    this.#scope.cancel(graceOver(this.#scope, this.#graceMs));
  }

  /** True during a grace period. */
  get limited(): boolean {
    return this.#timer?.armed === true;
  }

  wakeAll(): void {
    while (this.waiters.first !== null) this.waiters.first.wake();
  }

  end(): void {
    if (this.#timer !== null) this.#scope.scheduler.disarm(this.#timer);
  }
}

/** `waitStopping()`. */
class StopWait extends LatchWait<void> {
  private readonly scope: ScopeImpl;

  constructor(scope: ScopeImpl) {
    super();
    this.scope = scope;
  }

  attempt(): undefined | typeof WOULD_WAIT {
    return this.scope.stopping ? undefined : WOULD_WAIT;
  }

  protected queue(): ParkingQueue {
    return this.scope.stopState.waiters;
  }

  describe(): string {
    return 'stopping';
  }

  /** Most stops come from outside the program, for example from a signal. */
  override get external(): boolean {
    return true;
  }
}

// ---- cancellation in the tree of scopes ----

/**
 * Propagates the cancellation of `source` to `top` and the scopes inside it. It does not enter a
 * shield; it only starts the time limits of the shields there. If `top` is a shield that has just
 * expired (`expired`), the shields inside expire with it: the earliest limit applies.
 */
export function propagateCancellation(top: ScopeImpl, source: ScopeImpl, expired = false): void {
  const aborters: AbortController[] = [];
  let scope: ScopeImpl | null = top;
  while (scope !== null) {
    if (scope.shielding && scope !== top && !expired) {
      startLimits(scope);
      scope = nextAfterSubtree(scope, top);
      continue;
    }
    if (expired) scope.stopShielding();
    scope.reach(source);
    if (scope.aborter !== null) aborters.push(scope.aborter);
    scope = nextInTree(scope, top);
  }
  // The listeners of the signals run after the cancellation has propagated.
  for (const aborter of aborters) aborter.abort(source.ownReason);
}

function startLimits(shield: ScopeImpl): void {
  for (let at: ScopeImpl | null = shield; at !== null; at = nextInTree(at, shield)) {
    at.startLimit();
  }
}

/** The next scope in the tree of `top`, parents before children, without recursion. */
function nextInTree(scope: ScopeImpl, top: ScopeImpl): ScopeImpl | null {
  return scope.firstChild ?? nextAfterSubtree(scope, top);
}

/** As `nextInTree`, without the scopes inside `scope`. */
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
    `Scope '${scope.name}' was left while another scope was open inside it. Drive every ` +
      'operation to its end with `yield*`; do not call its iterator by hand.',
  );
}
