/**
 * Places: what stands in the queues of channels, locks and the rest. A place is granted with `wake`
 * or refused with `fail`, by the task that makes it possible, in that task's step.
 *
 * Two kinds of places exist, and the queues need not know which one they hold: an operation that
 * waits by itself (waiting.ts), and the arm of a `select` (select.ts), whose grant decides the
 * select.
 *
 * Invariants:
 *  1. A place is in at most one queue, and leaves it before its task hears of the grant.
 *  2. A place that has lapsed is never granted. `foremost` takes such places out.
 *  3. A task that must pause before it tries stands in line meanwhile, so nobody overtakes it. That
 *     is the only time in which a place can be both in line and grantable. Whoever tries, and the
 *     task itself when it resumes, calls `settle` first, which grants in the order of the line. So
 *     nobody ever parks behind a place that could be granted, and leaving a line needs no `settle`.
 */

import { runningTask } from '../kernel/current.ts';
import { debug } from '../kernel/debug.ts';
import type { Frames, Operation, Wait } from '../kernel/operation.ts';
import { alreadyDriven, PAUSE } from '../kernel/operation.ts';
import type { ParkingQueue } from '../kernel/parking.ts';
import { Parking } from '../kernel/parking.ts';
import type { TaskImpl } from '../kernel/task/task.ts';
import { mustPause, parkWait } from '../kernel/waits.ts';
import type { Case, Selectable } from './select/case.ts';
import { WOULD_WAIT } from './select/case.ts';

export abstract class Waiter extends Parking {
  /** The task that stands here, while the place is in line. */
  abstract readonly task: TaskImpl;
  /** What it stands here for. */
  abstract readonly request: Case<unknown>;
  /** True: its task was cancelled before a grant, or has got something else: pass it over. */
  abstract readonly stale: boolean;
}

/** The first place of `line` that can be granted, or null. It stays in line. */
export function firstWaiter(line: ParkingQueue<Waiter>): Waiter | null {
  let place = line.first;
  while (place?.stale === true) {
    line.remove(place);
    place = line.first;
  }
  return place;
}

/** As `foremost`, for a counterpart of `task`: no task can be granted what it offers itself. */
export function firstWaiterExcept(line: ParkingQueue<Waiter>, task: TaskImpl): Waiter | null {
  let place = firstWaiter(line) as Waiter | null;
  while (place !== null && (place.task === task || place.stale)) {
    place = place.nextInQueue as Waiter | null;
  }
  return place;
}

/** Refuses everybody in `line`. */
export function failAll(line: ParkingQueue<Waiter>, error: () => unknown): void {
  for (let place = firstWaiter(line); place !== null; place = firstWaiter(line))
    place.fail(error());
}

/**
 * Waiting: the base of every operation of this room that may have to wait. It is operation,
 * iterator and place in one object, so that a send or an acquire costs one allocation and no
 * generator.
 *
 *            yield*          next          attempt: would wait          wake
 *   made ──────────► taken ───────► (try) ─────────────────────► parked ──────► granted ──► over
 *                      │               ▲                           ▲   │ fail
 *                      │ must pause    │ resumed, not in line      │   └──────► failed ───► over
 *                      └────────────► paused ──────────────────────┘
 *                                          resumed, in line: settle
 *
 * Invariants:
 *  1. Tried first, waiting only on "would wait". The try and the grant are each one synchronous
 *     step.
 *  2. A paused operation stands in line unless its scope is cancelled (place.ts, invariant 3).
 *     Being granted or refused in that time counts: a cancellation that comes later does not undo
 *     it.
 *  3. A cancelled operation has not happened: it has left the line without a grant.
 */

type Stage = 'made' | 'taken' | 'paused' | 'parked' | 'granted' | 'failed' | 'over';

/** Most operations give nothing, and `yield*` only reads the result. */
const NOTHING: IteratorReturnResult<undefined> = { done: true, value: undefined };

export abstract class WaitingOperation<T>
  extends Waiter
  implements Operation<T>, Frames<T>, Case<T>, Selectable<T>
{
  declare private stage: Stage;
  /** The value of the grant, or the error of the refusal, until the task has it. */
  declare private outcome: unknown;
  declare private waitingTask: TaskImpl | null;

  /**
   * The fields are assigned here: defining class fields in a base of many classes calls into V8's
   * runtime for each of them and each object, which makes an operation cost four times as much.
   */
  constructor() {
    super();
    this.stage = 'made';
    this.outcome = undefined;
    this.waitingTask = null;
    debug.tracker?.made(this);
  }

  /** One try. It takes effect in this very step or not at all. */
  abstract attempt(): T | typeof WOULD_WAIT;

  /** Puts `place`, this operation itself or an arm that stands for it, in line. */
  abstract enlist(place: Waiter): void;

  /** Grants those in line that can be granted. */
  abstract settle(): void;

  [Symbol.iterator](): this {
    if (this.stage !== 'made') throw alreadyDriven(this);
    this.stage = 'taken';
    debug.tracker?.driven(this);
    return this;
  }

  /** For `select`: the operation is taken, its arm stands in line for it. */
  asCase(): Case<T> {
    return this[Symbol.iterator]();
  }

  next(): IteratorResult<Wait, T> {
    switch (this.stage) {
      case 'taken':
        return mustPause() ? this.pause() : this.attemptNow();
      case 'paused':
        return this.resume();
      case 'granted':
        return this.finish(this.outcome as T);
      case 'failed':
        return this.throw(this.outcome);
      default:
        throw alreadyDriven(this);
    }
  }

  /** A cancellation reaches a paused or parked operation; a grant that came before it counts. */
  throw(error: unknown): IteratorResult<Wait, T> {
    if (this.stage === 'granted') return this.finish(this.outcome as T);
    const thrown = this.stage === 'failed' ? this.outcome : error;
    this.abandon();
    throw thrown;
  }

  return(value?: unknown): IteratorResult<Wait, T> {
    debug.tracker?.driven(this);
    if (this.waiter === null) this.abandon();
    return { done: true, value: value as T };
  }

  override wake(value?: unknown): boolean {
    return this.settleAs('granted', value);
  }

  override fail(error: unknown): boolean {
    return this.settleAs('failed', error);
  }

  get task(): TaskImpl {
    return this.waitingTask ?? runningTask();
  }

  get request(): this {
    return this;
  }

  get stale(): boolean {
    return this.stage === 'paused' && this.task.scope.cancelledBy !== null;
  }

  /** For `select`, whose arm stands in line for this operation. */
  leave(arm: Waiter): void {
    arm.queue?.remove(arm);
  }

  private attemptNow(): IteratorResult<Wait, T> {
    const value = this.attempt();
    if (value !== WOULD_WAIT) return this.finish(value as T);
    this.waitingTask = runningTask();
    this.enlist(this);
    return this.park();
  }

  private pause(): IteratorResult<Wait, T> {
    const task = runningTask();
    this.stage = 'paused';
    if (task.scope.cancelledBy !== null) return PAUSE;
    this.waitingTask = task;
    this.enlist(this);
    return PAUSE;
  }

  /** Nobody has granted or refused it during the pause. */
  private resume(): IteratorResult<Wait, T> {
    if (this.queue === null) return this.attemptNow();
    this.settle();
    return this.queue === null ? this.next() : this.park();
  }

  private park(): IteratorResult<Wait, T> {
    this.stage = 'parked';
    return parkWait(this);
  }

  private settleAs(stage: 'granted' | 'failed', outcome: unknown): boolean {
    const before = this.stage;
    if (before !== 'parked' && before !== 'paused') return false;
    this.stage = stage;
    this.outcome = outcome;
    if (before === 'parked') return super.wake();
    this.queue?.remove(this);
    return true;
  }

  private finish(value: T): IteratorResult<Wait, T> {
    this.stage = 'over';
    this.outcome = undefined;
    return value === undefined ? (NOTHING as IteratorReturnResult<T>) : { done: true, value };
  }

  private abandon(): void {
    this.stage = 'over';
    this.outcome = undefined;
    this.queue?.remove(this);
  }
}
