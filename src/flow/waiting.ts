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
import { currentRecord } from '../kernel/current.ts';
import { debug } from '../kernel/debug.ts';
import type { Frames, Operation, Wait } from '../kernel/operation.ts';
import { alreadyDriven, PAUSE } from '../kernel/operation.ts';
import type { TaskRecord } from '../kernel/task.ts';
import { mustPause, parkWait } from '../kernel/waits.ts';
import { Place } from './place.ts';
import type { Choice, Selectable } from './selectable.ts';
import { WOULD_WAIT } from './selectable.ts';

type Stage = 'made' | 'taken' | 'paused' | 'parked' | 'granted' | 'failed' | 'over';

/** Most operations give nothing, and `yield*` only reads the result. */
const NOTHING: IteratorReturnResult<undefined> = { done: true, value: undefined };

export abstract class Waiting<T>
  extends Place
  implements Operation<T>, Frames<T>, Choice<T>, Selectable<T>
{
  declare private stage: Stage;
  /** The value of the grant, or the error of the refusal, until the task has it. */
  declare private outcome: unknown;
  declare private waitingTask: TaskRecord | null;

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
  abstract enlist(place: Place): void;

  /** Grants those in line that can be granted. */
  abstract settle(): void;

  [Symbol.iterator](): this {
    if (this.stage !== 'made') throw alreadyDriven(this);
    this.stage = 'taken';
    debug.tracker?.driven(this);
    return this;
  }

  /** For `select`: the operation is taken, its arm stands in line for it. */
  asChoice(): Choice<T> {
    return this[Symbol.iterator]();
  }

  next(): IteratorResult<Wait, T> {
    switch (this.stage) {
      case 'taken':
        return mustPause() ? this.pause() : this.tryNow();
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
    this.giveUp();
    throw thrown;
  }

  return(value?: unknown): IteratorResult<Wait, T> {
    debug.tracker?.driven(this);
    if (this.waiter === null) this.giveUp();
    return { done: true, value: value as T };
  }

  override wake(value?: unknown): boolean {
    return this.settled('granted', value);
  }

  override fail(error: unknown): boolean {
    return this.settled('failed', error);
  }

  get task(): TaskRecord {
    return this.waitingTask ?? currentRecord();
  }

  get request(): this {
    return this;
  }

  get lapsed(): boolean {
    return this.stage === 'paused' && this.task.scope.cancelledBy !== null;
  }

  /** For `select`, whose arm stands in line for this operation. */
  leave(arm: Place): void {
    arm.queue?.remove(arm);
  }

  private tryNow(): IteratorResult<Wait, T> {
    const value = this.attempt();
    if (value !== WOULD_WAIT) return this.finish(value as T);
    this.waitingTask = currentRecord();
    this.enlist(this);
    return this.park();
  }

  private pause(): IteratorResult<Wait, T> {
    const task = currentRecord();
    this.stage = 'paused';
    if (task.scope.cancelledBy !== null) return PAUSE;
    this.waitingTask = task;
    this.enlist(this);
    return PAUSE;
  }

  /** Nobody has granted or refused it during the pause. */
  private resume(): IteratorResult<Wait, T> {
    if (this.queue === null) return this.tryNow();
    this.settle();
    return this.queue === null ? this.next() : this.park();
  }

  private park(): IteratorResult<Wait, T> {
    this.stage = 'parked';
    return parkWait(this);
  }

  private settled(stage: 'granted' | 'failed', outcome: unknown): boolean {
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

  private giveUp(): void {
    this.stage = 'over';
    this.outcome = undefined;
    this.queue?.remove(this);
  }
}
