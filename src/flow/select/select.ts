/**
 * Select: waits for several things and takes exactly one of them.
 *
 *            yield*          next                               an arm is woken
 *   made ──────────► taken ───────► (try each) ──────► parked ───────────────────► decided ──► over
 *                      │                 ▲             │    ▲                          ▲
 *                      │ must pause      │             │ an arm is worth a try         │
 *                      └────► paused ────┘             └──► awake: try it ─────────────┘
 *
 * Invariants:
 *  1. One synchronous step decides: it takes the value of one arm and takes all others out of their
 *     lines, before the selecting task is woken. That step belongs to the counterpart, to the
 *     timer, or to the selecting task itself when a try succeeds. An arm that was taken out has not
 *     happened.
 *  2. The arms stand in line only while the select is paused, parked or awake.
 *  3. A cancellation before the decision means that no arm has happened; one after it comes too
 *     late.
 *  4. Among several arms that are ready the choice rotates, from a beginning that the host draws:
 *     in a simulation the seed decides it.
 */

import { runningTask } from '../../kernel/current.ts';
import { debug } from '../../kernel/debug.ts';
import type { Frames, Operation, Wait } from '../../kernel/operation.ts';
import { alreadyDriven, discard, PAUSE } from '../../kernel/operation.ts';
import { Parking } from '../../kernel/parking.ts';
import type { Scheduler } from '../../kernel/scheduler.ts';
import type { TaskImpl } from '../../kernel/task/task.ts';
import { mustPause, parkWait } from '../../kernel/waits.ts';
import { show, wrongType } from '../../support/checks.ts';
import { Waiter } from '../wait-queue.ts';
import type { Case, CaseWaiter } from './case.ts';
import { caseOfKernelWait, isKernelWait, isSelectable, WOULD_WAIT } from './case.ts';

/** The waits that a select chooses from, by the names that its answer uses. */
export type SelectCases = Readonly<Record<string, Operation<unknown>>>;

/** `{ key, value }` of the arm that was taken; checking `key` tells the type of `value`. */
export type Selected<A extends SelectCases> = {
  [K in keyof A & string]: {
    readonly key: K;
    readonly value: A[K] extends Operation<infer T> ? T : never;
  };
}[keyof A & string];

/**
 * Waits until one of `arms` can happen, and takes that one; all others have not happened. Arms are
 * operations of channels, broadcasts, events, locks, semaphores, barriers; receives and accepts;
 * `readable`, `writable`; `sleep`, `sleepUntil`, `sleepForever`. A body of code is no arm: use
 * `race`.
 *
 * Cancel: none has happened. Errors: that of the arm that fails first, for instance
 * ERR_CHANNEL_CLOSED (`next()` tells the end without an error); TypeError for what can be no arm,
 * such as a generator or a function; RangeError for none at all.
 *
 * @example
 * const { key, value } = yield* select({ job: jobs.receive(), late: sleep(1000) });
 */
export function select<A extends SelectCases>(arms: A): Operation<Selected<A>> {
  checkCases(arms);
  return new Select<Selected<A>>(arms);
}

type Stage = 'made' | 'taken' | 'paused' | 'parked' | 'awake' | 'decided' | 'over';

class Select<R> extends Parking implements Operation<R>, Frames<R>, PendingSelect {
  readonly #given: SelectCases;
  #stage: Stage = 'made';
  #cases: PendingCase[] = [];
  #task: TaskImpl | null = null;
  /** Which arm is tried first this time. */
  #firstIndex = 0;
  #external = false;
  /** The decision: a result, or the error of an arm. */
  #outcome: unknown = undefined;
  #failed = false;

  constructor(given: SelectCases) {
    super();
    this.#given = given;
    debug.tracker?.made(this);
  }

  [Symbol.iterator](): this {
    if (this.#stage !== 'made') throw alreadyDriven(this);
    this.#stage = 'taken';
    debug.tracker?.driven(this);
    return this;
  }

  /** An error ends the select: none of the arms has happened. */
  next(): IteratorResult<Wait, R> {
    let waits: 'parked' | 'paused';
    try {
      waits = this.#advance();
    } catch (error) {
      this.#abandon();
      throw error;
    }
    return this.#decided ? this.#conclude() : this.#wait(waits);
  }

  /** A cancellation; a decision that came before it counts. */
  throw(error: unknown): IteratorResult<Wait, R> {
    if (this.#stage === 'decided') return this.#conclude();
    this.#abandon();
    throw error;
  }

  return(value?: unknown): IteratorResult<Wait, R> {
    debug.tracker?.driven(this);
    if (this.#stage === 'made') discardAll(this.#given);
    if (this.waiter === null) this.#abandon();
    return { done: true, value: value as R };
  }

  override describe(): string {
    const arms = this.#cases.map(({ key, request }) => `${key}: ${request.describe()}`);
    // Once it is over, a trace may still ask what it was.
    const names = arms.length > 0 ? arms : Object.keys(this.#given);
    return `select of ${names.join(', ')}`;
  }

  override get external(): boolean {
    return this.#external;
  }

  protected override onWithdrawn(): void {
    this.#leaveAll();
  }

  // ---- for its arms ----

  get task(): TaskImpl {
    return this.#task as TaskImpl;
  }

  get stale(): boolean {
    if (this.#stage === 'parked') return false;
    if (this.#stage !== 'paused' && this.#stage !== 'awake') return true;
    return this.task.scope.cancelledBy !== null;
  }

  /** Invariant 1. False if something else was decided before. */
  decide(outcome: unknown, failed: boolean): boolean {
    const before = this.#stage;
    if (before !== 'parked' && before !== 'paused' && before !== 'awake') return false;
    this.#decideOn(outcome, failed);
    if (before === 'parked') this.wake();
    return true;
  }

  /** An arm is worth a try, which only the selecting task can make. */
  caseReady(): void {
    if (this.#stage !== 'parked') return;
    this.#stage = 'awake';
    this.wake();
  }

  // ---- steps of the selecting task ----

  /** As far as it goes without waiting. How it has to wait, unless that was a decision. */
  #advance(): 'parked' | 'paused' {
    switch (this.#stage) {
      case 'taken':
        return this.#begin(runningTask());
      case 'paused':
        this.#settleCases();
        return 'parked';
      case 'awake':
        this.#attemptNotified();
        return 'parked';
      case 'decided':
        return 'parked';
      default:
        throw alreadyDriven(this);
    }
  }

  #begin(task: TaskImpl): 'parked' | 'paused' {
    this.#task = task;
    this.#takeCases();
    this.#firstIndex = nextFirstIndex(task.scheduler) % this.#cases.length;
    if (mustPause()) {
      if (task.scope.cancelledBy === null) this.#enlistAll();
      return 'paused';
    }
    if (this.#attemptAll()) return 'parked';
    this.#enlistAll();
    this.#settleCases();
    return 'parked';
  }

  get #decided(): boolean {
    return this.#stage === 'decided';
  }

  #wait(stage: 'parked' | 'paused'): IteratorResult<Wait, R> {
    this.#stage = stage === 'parked' && this.#cases.some(isNotified) ? 'awake' : stage;
    return this.#stage === 'parked' ? parkWait(this) : PAUSE;
  }

  #takeCases(): void {
    const keys = Object.keys(this.#given);
    let taken = 0;
    try {
      for (const key of keys) {
        taken++;
        const choice = caseOf(key, this.#given[key]);
        this.#cases.push(new PendingCase(this, key, choice));
        if (choice.external) this.#external = true;
      }
    } finally {
      for (const key of keys.slice(taken)) discard(this.#given[key] as Operation<unknown>);
    }
  }

  /** The arms in the order of the choice: rotated by `#start`. */
  #caseAt(index: number): PendingCase {
    return this.#cases[(this.#firstIndex + index) % this.#cases.length] as PendingCase;
  }

  #attemptAll(): boolean {
    for (let i = 0; i < this.#cases.length; i++) if (this.#attempt(this.#caseAt(i))) return true;
    return false;
  }

  /**
   * In line: those before us are served first, then we, in the order of the choice. This is due
   * after a pause, and after the tries too: the try of one arm may have served somebody who stood
   * in the way of an arm that was tried before.
   */
  #settleCases(): void {
    for (let i = 0; i < this.#cases.length; i++) {
      this.#caseAt(i).request.settle();
      if (this.#decided) return;
    }
    this.#attemptNotified();
  }

  /** The arms that were told that a try is worth it; those that still would wait go on waiting. */
  #attemptNotified(): void {
    for (let i = 0; i < this.#cases.length; i++) {
      const arm = this.#caseAt(i);
      if (!arm.notified) continue;
      arm.notified = false;
      if (this.#attempt(arm)) return;
      arm.request.enlist(arm);
    }
  }

  #attempt(arm: PendingCase): boolean {
    const value = arm.request.attempt();
    if (value === WOULD_WAIT) return false;
    this.#decideOn({ key: arm.key, value }, false);
    return true;
  }

  #enlistAll(): void {
    this.#stage = 'paused';
    for (const arm of this.#cases) arm.request.enlist(arm);
  }

  // ---- the end ----

  #decideOn(outcome: unknown, failed: boolean): void {
    this.#stage = 'decided';
    this.#outcome = outcome;
    this.#failed = failed;
    this.#leaveAll();
  }

  #leaveAll(): void {
    for (const arm of this.#cases) arm.leave();
  }

  #conclude(): IteratorResult<Wait, R> {
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
}

function isNotified(arm: PendingCase): boolean {
  return arm.notified;
}

function caseOf(key: string, operation: unknown): Case<unknown> {
  if (isSelectable(operation)) return operation.asCase();
  const choice = isKernelWait(operation) ? caseOfKernelWait(operation) : null;
  if (choice === null) throw notACase(key, operation);
  return choice;
}

function checkCases(arms: SelectCases): void {
  if (typeof arms !== 'object' || arms === null) {
    throw wrongType('arms', 'an object of operations', arms);
  }
  const keys = Object.keys(arms);
  if (keys.length === 0) throw new RangeError('Expected at least one arm to select from, got {}');
  for (const key of keys) {
    const operation = arms[key];
    if (isSelectable(operation) || isKernelWait(operation)) continue;
    discardAll(arms);
    throw notACase(key, operation);
  }
}

function discardAll(arms: SelectCases): void {
  for (const operation of Object.values(arms)) {
    if (typeof operation === 'object' && operation !== null) discard(operation);
  }
}

function notACase(key: string, operation: unknown): TypeError {
  const text =
    `Expected arm \`${key}\` of select to be a wait (receive, send, sleep, readable, …), got ` +
    `${show(operation)} (${typeof operation}). What runs code of yours cannot be undone: use ` +
    '`race`.';
  return Object.assign(new TypeError(text), { code: 'ERR_INVALID_ARG_TYPE' });
}

/**
 * Counts the selects of a scheduler, from a number that its host has drawn. It counts in a field of
 * the scheduler: in a WeakMap, a scheduler that is young would keep all that it reaches alive until
 * the next full collection, and a simulation makes thousands of schedulers a second.
 */
function nextFirstIndex(scheduler: Scheduler): number {
  if (scheduler.selectStart < 0) {
    scheduler.selectStart = Math.floor(scheduler.host.random() * 2 ** 20);
  }
  return scheduler.selectStart++;
}

/** The arm of a select, and what it needs of the select. */

/** The select as its arms see it. */
export interface PendingSelect {
  readonly task: TaskImpl;
  /** True: its arms can not be granted any more. */
  readonly stale: boolean;
  /** Takes this arm and no other. False if something else was decided before. */
  decide(outcome: unknown, failed: boolean): boolean;
  /** An arm is worth a try, which only the selecting task can make. */
  caseReady(): void;
}

/** An arm of a select that waits: it stands in a line as any other place does. */
export class PendingCase extends Waiter implements CaseWaiter {
  readonly key: string;
  readonly request: Case<unknown>;
  readonly #select: PendingSelect;
  /** True: the selecting task has to try it. */
  notified = false;
  #hasLeft = false;

  constructor(select: PendingSelect, key: string, request: Case<unknown>) {
    super();
    this.#select = select;
    this.key = key;
    this.request = request;
  }

  get task(): TaskImpl {
    return this.#select.task;
  }

  get stale(): boolean {
    return this.#select.stale;
  }

  override wake(value?: unknown): boolean {
    return this.#select.decide({ key: this.key, value }, false);
  }

  override fail(error: unknown): boolean {
    return this.#select.decide(error, true);
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

  /** The timer has fired. */
  expire(): void {
    this.wake();
  }

  leave(): void {
    if (this.#hasLeft) return;
    this.#hasLeft = true;
    this.request.leave(this);
  }
}
