/**
 * Select: waits for several operations and carries out exactly one of them.
 *
 *          yield*          next: all would wait          a case is woken
 *   new ──────────► driven ────────────────────► parked ────────────────► decided ──► over
 *                     │                           │  ▲                       ▲
 *                     │      a resource is ready  │  │ would wait            │ success
 *                     │                           └──► notified: attempt ────┤
 *                     └── next: success ─────────────────────────────────────┘
 *
 * Invariants:
 *  1. One synchronous step settles the select: it carries out one case and removes all others from
 *     their queues, before the selecting task is woken. The step is made by the counterpart, by the
 *     timer, or by the selecting task if an attempt succeeds. A removed case has not happened.
 *  2. The cases are registered only while the select is parked or notified.
 *  3. After a cancellation no case is carried out, with one exception: a select that was notified
 *     before still makes its attempt. A cancellation after the decision does not undo it.
 *  4. If several cases can be carried out, the choice rotates. The host draws the first index, so
 *     in a simulation the seed determines it.
 *  5. As with any operation, the result is kept for one pause if the budget of the task is spent.
 *  6. A select with a guard carries out no case once the guard is closed.
 */
import type { Case, CaseWaiter, Selectable } from '../../kernel/case.ts';
import { isSelectable, Waiter, WOULD_WAIT } from '../../kernel/case.ts';
import { runningTask } from '../../kernel/current.ts';
import type { Frames, Operation, Wait } from '../../kernel/operation.ts';
import {
  alreadyDriven,
  discard,
  isOperation,
  isPromise,
  PAUSE,
  rejectAwait,
} from '../../kernel/operation.ts';
import { Parking } from '../../kernel/parking.ts';
import type { Scheduler } from '../../kernel/scheduler.ts';
import type { TaskImpl } from '../../kernel/task/task.ts';
import { noteDriven, noteMade } from '../../kernel/task/undriven.ts';
import { mustPause, parkWait, takesNothing } from '../../kernel/waits.ts';
import { outOfRange, show, wrongType } from '../../support/checks.ts';

/** The operations that a select chooses from, by the keys that its result uses. */
export type SelectCases = Readonly<Record<string, Selectable<unknown>>>;

/** `{ key, value }` of the case that was carried out. A check of `key` narrows `value`. */
export type Selected<A extends SelectCases> = {
  [K in keyof A & string]: {
    readonly key: K;
    readonly value: A[K] extends Operation<infer T> ? T : never;
  };
}[keyof A & string];

/**
 * Waits until one of `cases` can be carried out, and carries out that one; the others have not
 * happened. A case is a Selectable: an operation of a channel, broadcast, event, lock, semaphore or
 * barrier, a receive or an accept, a read of a Reader, `readable`, `writable`, `sleep`,
 * `sleepUntil`, `sleepForever`, `task.join()` or `scope.waitStopping()`. For code of your own, and
 * for operations that do a part of their work before they end (`connect`, `sendAll`), use `race`.
 *
 * Cancel: no case has happened. Errors: the error of the case that fails first, for example
 * ERR_CHANNEL_CLOSED (`next()` reports the end without an error); TypeError for any other value,
 * such as a generator or a function; RangeError for an empty object.
 *
 * @example
 * const { key, value } = yield* select({ job: jobs.receive(), late: sleep(1000) });
 */
export function select<A extends SelectCases>(cases: A): Operation<Selected<A>> {
  checkCases(cases);
  return new Select<Selected<A>>(cases);
}

/** A condition of a wait in `any` or `race`: the wait takes effect only before the decision. */
export interface Guard {
  readonly closed: boolean;
  /** The wait has taken effect with `value`. Called in the same step, so that it decides. */
  settled(value: unknown): void;
}

/**
 * Returns `operation` as one that takes effect only while `guard` is open: an item, a connection or
 * bytes that arrive together with another decision stay where they are. Operations that are not
 * waits, and waits that take nothing, are returned unchanged.
 */
export function guarded(operation: Operation<unknown>, guard: Guard): Operation<unknown> {
  if (operation instanceof Select) {
    operation.guard = guard;
    return operation;
  }
  if (!isSelectable(operation) || takesNothing(operation)) return operation;
  return new GuardedWait(operation, guard);
}

type Stage = 'new' | 'driven' | 'parked' | 'notified' | 'decided' | 'over';

class Select<R> extends Parking implements Operation<R>, Frames<R> {
  readonly #given: SelectCases;
  #stage: Stage = 'new';
  #cases: PendingCase[] = [];
  #task: TaskImpl | null = null;
  guard: Guard | null = null;
  /** The case that is attempted first. */
  #firstIndex = 0;
  #external = false;
  #realTime = false;
  /** The decision: a result, or the error of a case. */
  #outcome: unknown = undefined;
  #failed = false;

  constructor(given: SelectCases) {
    super();
    this.#given = given;
    noteMade(this);
  }

  [Symbol.iterator](): this {
    if (this.#stage !== 'new') throw alreadyDriven(this);
    this.#stage = 'driven';
    noteDriven(this);
    return this;
  }

  next(): IteratorResult<Wait, R> {
    switch (this.#stage) {
      case 'driven':
        return this.#start(runningTask());
      case 'notified':
        this.#advance();
        return this.#decided ? this.#finish() : this.#wait();
      case 'decided':
        return this.#finish();
      default:
        throw alreadyDriven(this);
    }
  }

  /** Delivers a cancellation. A decision that is already there takes precedence. */
  throw(error: unknown): IteratorResult<Wait, R> {
    if (this.#decided) return this.#finish();
    this.#abandon();
    throw error;
  }

  return(value?: unknown): IteratorResult<Wait, R> {
    noteDriven(this);
    if (this.#stage === 'new') discardAll(this.#given);
    if (this.waiter === null) this.#abandon();
    return { done: true, value: value as R };
  }

  then(_resolve: unknown, reject: unknown): void {
    rejectAwait(this, reject);
  }

  override describe(): string {
    const keys = Object.keys(this.#given);
    const cases = this.describeCases().map((text, index) => `${keys[index]}: ${text}`);
    // A trace may read the description after the end, when the cases have been removed.
    return `select of ${(cases.length > 0 ? cases : keys).join(', ')}`;
  }

  protected describeCases(): string[] {
    return this.#cases.map(({ request }) => request.describe());
  }

  override resources(): readonly object[] {
    return this.#cases.flatMap(({ request }) => request.resources?.() ?? []);
  }

  override get external(): boolean {
    return this.#external || this.#realTime;
  }

  override get realTime(): boolean {
    return this.#realTime;
  }

  protected override onWithdrawn(): void {
    this.#leaveAll();
  }

  // ---- for the pending cases ----

  get task(): TaskImpl {
    return this.#task as TaskImpl;
  }

  /** True if no case may be carried out any more. */
  get stale(): boolean {
    if (this.guard?.closed === true) return true;
    if (this.#stage === 'parked') return false;
    return this.#stage !== 'notified' || this.task.scope.cancelledBy !== null;
  }

  /** Invariant 1. Returns false if the select was decided before. */
  settleIfOpen(outcome: unknown, failed: boolean): boolean {
    const before = this.#stage;
    if (before !== 'parked' && before !== 'notified') return false;
    if (this.guard?.closed === true) return false;
    this.#settle(outcome, failed);
    if (before === 'parked') this.wake();
    if (!failed) this.guard?.settled(outcome);
    return true;
  }

  /** An attempt of a case may succeed. Only the selecting task can make it. */
  caseReady(): void {
    if (this.#stage !== 'parked') return;
    this.#stage = 'notified';
    this.wake();
  }

  // ---- steps of the selecting task ----

  #start(task: TaskImpl): IteratorResult<Wait, R> {
    this.#task = task;
    try {
      this.#takeCases();
    } catch (error) {
      this.#abandon();
      throw error;
    }
    if (mustPause() && task.scope.cancelledBy !== null) return PAUSE;
    this.#firstIndex = nextFirstIndex(task.scheduler) % this.#cases.length;
    this.#advance();
    if (!this.#decided) return this.#wait();
    return task.budget > 0 ? this.#finish() : PAUSE;
  }

  get #decided(): boolean {
    return this.#stage === 'decided';
  }

  /** An error settles the select; no case has happened. */
  #advance(): void {
    try {
      if (this.#stage === 'notified') this.#attemptNotified();
      else if (!this.#attemptAll()) this.#enlistAll();
    } catch (error) {
      this.#settle(error, true);
    }
  }

  /**
   * If a case became ready during the attempts, pauses instead of parking, so that the next step
   * attempts it.
   */
  #wait(): IteratorResult<Wait, R> {
    if (this.#cases.some((pending) => pending.notified)) return PAUSE;
    this.#stage = 'parked';
    return parkWait(this);
  }

  #takeCases(): void {
    const keys = Object.keys(this.#given);
    let taken = 0;
    try {
      for (const key of keys) {
        taken++;
        const request = (this.#given[key] as Selectable<unknown>).asCase();
        this.#cases.push(new PendingCase(this, key, request));
        if (request.external) this.#external = true;
        if (request.realTime === true) this.#realTime = true;
      }
    } finally {
      for (const key of keys.slice(taken)) discard(this.#given[key] as Selectable<unknown>);
    }
  }

  /** The cases in the order of the attempts: rotated by `#firstIndex`. */
  #caseAt(index: number): PendingCase {
    return this.#cases[(this.#firstIndex + index) % this.#cases.length] as PendingCase;
  }

  #attemptAll(): boolean {
    for (let i = 0; i < this.#cases.length; i++) if (this.#attempt(this.#caseAt(i))) return true;
    return false;
  }

  #enlistAll(): void {
    this.#stage = 'notified';
    for (const pending of this.#cases) {
      pending.request.enlist(pending);
      if (this.#decided) return;
    }
    this.#attemptNotified();
  }

  /** Attempts the cases whose resource is ready. Those that would wait are registered again. */
  #attemptNotified(): void {
    for (let i = 0; i < this.#cases.length; i++) {
      const pending = this.#caseAt(i);
      if (!pending.notified) continue;
      pending.notified = false;
      if (this.#attempt(pending)) return;
      pending.request.enlist(pending);
    }
  }

  #attempt({ key, request }: PendingCase): boolean {
    if (this.guard?.closed === true) return false;
    const value = request.attempt();
    if (value === WOULD_WAIT) return false;
    const result = this.resultOf(key, value);
    this.#settle(result, false);
    this.guard?.settled(result);
    return true;
  }

  /** The result for a case that was carried out. */
  resultOf(key: string, value: unknown): unknown {
    return { key, value };
  }

  // ---- the end ----

  #settle(outcome: unknown, failed: boolean): void {
    this.#stage = 'decided';
    this.#outcome = outcome;
    this.#failed = failed;
    this.#leaveAll();
  }

  #finish(): IteratorResult<Wait, R> {
    const outcome = this.#outcome;
    this.#abandon();
    if (this.#failed) throw outcome;
    return { done: true, value: outcome as R };
  }

  #abandon(): void {
    this.#stage = 'over';
    this.#outcome = undefined;
    this.#leaveAll();
    this.#cases = [];
  }

  #leaveAll(): void {
    for (const pending of this.#cases) pending.leave();
  }
}

/** A single wait that takes effect only while a guard is open. */
class GuardedWait extends Select<unknown> {
  constructor(operation: Selectable<unknown>, guard: Guard) {
    super({ wait: operation });
    this.guard = guard;
  }

  override resultOf(_key: string, value: unknown): unknown {
    return value;
  }

  override describe(): string {
    return this.describeCases().join();
  }
}

/** A case of a select, as a waiter in a queue, for readiness, or for a timer. */
class PendingCase extends Waiter implements CaseWaiter {
  readonly key: string;
  readonly request: Case<unknown>;
  readonly #select: Select<unknown>;
  /** True if the selecting task has to attempt the case. */
  notified = false;
  #hasLeft = false;

  constructor(select: Select<unknown>, key: string, request: Case<unknown>) {
    super();
    this.#select = select;
    this.key = key;
    this.request = request;
  }

  get task(): TaskImpl {
    return this.#select.task;
  }

  override get stale(): boolean {
    return this.#select.stale;
  }

  override wake(value?: unknown): boolean {
    return this.#select.settleIfOpen(this.#select.resultOf(this.key, value), false);
  }

  override fail(error: unknown): boolean {
    return this.#select.settleIfOpen(error, true);
  }

  /** The resource is ready. */
  notify(): void {
    this.notified = true;
    this.#select.caseReady();
  }

  /** The resource was closed. */
  reject(error: unknown): void {
    this.fail(error);
  }

  /** The timer has expired. */
  expire(): void {
    this.wake();
  }

  leave(): void {
    if (this.#hasLeft) return;
    this.#hasLeft = true;
    this.request.leave(this);
  }
}

function checkCases(cases: SelectCases): void {
  if (typeof cases !== 'object' || cases === null) {
    throw wrongType('cases', 'an object of operations', cases);
  }
  const keys = Object.keys(cases);
  if (keys.length === 0) throw outOfRange('cases', 'an object with at least one wait', cases);
  for (const key of keys) {
    const operation = cases[key];
    if (isSelectable(operation)) continue;
    discardAll(cases);
    throw notACase(key, operation);
  }
}

function discardAll(cases: SelectCases): void {
  for (const operation of Object.values(cases)) {
    if (typeof operation === 'object' && operation !== null) discard(operation);
  }
}

function notACase(key: string, operation: unknown): TypeError {
  const text =
    `Expected case \`${key}\` of select to be a wait (receive, sleep, join, readable, …), got ` +
    `${show(operation)} (${typeof operation}). ${remedyFor(operation)}`;
  return Object.assign(new TypeError(text), { code: 'ERR_INVALID_ARG_TYPE' });
}

function remedyFor(value: unknown): string {
  if (typeof value === 'function') {
    return (
      'A case is an operation, not a function that returns one: drop the `() =>`, or use `race` ' +
      'for code of your own.'
    );
  }
  if (isPromise(value)) return 'Wait for a promise with `until(promise)`.';
  if (Array.isArray(value)) return 'Use `sleep`, `readable` or `writable` for a reason to wait.';
  if (!isOperation(value)) return 'This is not an operation.';
  return (
    'This operation does a part of its work before it ends, and that could not be undone if ' +
    'another case is chosen. `race` runs it as a task and cancels it then.'
  );
}

/**
 * Counts the selects of a scheduler, starting with a number that its host draws. The counter is a
 * field of the scheduler: an entry of a WeakMap would keep a short-lived scheduler and everything
 * that it references until the next full collection, and a simulation creates thousands of
 * schedulers per second.
 */
function nextFirstIndex(scheduler: Scheduler): number {
  if (scheduler.selectStart < 0) {
    scheduler.selectStart = Math.floor(scheduler.host.random() * 2 ** 20);
  }
  return scheduler.selectStart++;
}
