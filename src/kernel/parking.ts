/**
 * Parking: a wait that another part of the program ends, with a value or an error. Locks, channels,
 * joins and promises are parkings with a queue or an event source.
 *
 * Invariants:
 *  1. At most one task is parked at a time. A second task gets ERR_BUSY.
 *  2. A parked task is settled once: by `wake`, by `fail`, or by its cancellation. The first of
 *     them removes the task; the others return false or do nothing.
 *  3. A parking is in its queue only while its task is parked. It is removed before the task is
 *     woken, and in the same step in which the task is cancelled.
 */
import type { Keys } from '../support/checks.ts';
import { checkKeys } from '../support/checks.ts';
import type { TaskImpl } from './task/task.ts';

/** The source of a wake-up. The default is another task of the program. */
export interface ParkingOptions {
  /** True: the wake-up may come from outside the program, so the wait is not a deadlock. */
  readonly external?: boolean;
  /**
   * True: the wake-up comes from the real process (a promise, an emitter), so the clock of a
   * simulation does not advance during the wait. Implies `external`.
   */
  readonly realTime?: boolean;
}

const PARKING_KEYS: Keys<ParkingOptions> = { external: true, realTime: true };

/**
 * One wait of one task, until `wake` or `fail` is called.
 *
 * @example
 * const parking = new Parking('the reply', { external: true });
 * request.onReply = (reply) => parking.wake(reply);
 * const reply = yield* park(parking);
 */
export class Parking {
  /** The parked task. @internal */
  declare waiter: TaskImpl | null;
  /** Set by `wake` or `fail` if no task is parked; the outcome is stored for the next task. */
  declare private early: 'none' | 'value' | 'error';
  declare private earlyOutcome: unknown;
  /** The FIFO queue that holds this parking, and its neighbours there. @internal */
  declare queue: ParkingQueue | null;
  /** @internal */
  declare previousInQueue: Parking | null;
  /** @internal */
  declare nextInQueue: Parking | null;
  /** Not assigned if absent: lock and channel operations must not pay for two unused fields. */
  declare private readonly description?: string;
  declare private readonly options?: ParkingOptions;

  /** `description` is what `task.waitingOn` shows. */
  constructor(description?: string, options?: ParkingOptions) {
    this.waiter = null;
    this.early = 'none';
    this.earlyOutcome = undefined;
    this.queue = null;
    this.previousInQueue = null;
    this.nextInQueue = null;
    if (description !== undefined) this.description = description;
    if (options === undefined) return;
    checkKeys('options', options, PARKING_KEYS);
    this.options = options;
  }

  /** True while a task is parked. */
  get occupied(): boolean {
    return this.waiter !== null;
  }

  /**
   * True if `wake` or `fail` was called before the task parked. That outcome has precedence over a
   * later cancellation. @internal
   */
  get wokenEarly(): boolean {
    return this.early !== 'none';
  }

  /** The text of `task.waitingOn`. */
  describe(): string {
    return this.description ?? 'a wake-up';
  }

  /**
   * The task that must act before this one can be woken, if it is known. For parkings of other
   * authors: the search for deadlocks then does without a shortcut.
   */
  holder(): TaskImpl | null {
    return null;
  }

  /** The tasks of which some must act before this one can be woken, if they are known. @internal */
  holders(): readonly TaskImpl[] {
    const holder = this.holder();
    return holder === null ? NO_HOLDERS : [holder];
  }

  /** True if the wait can end although only those holders act that are free. @internal */
  canEnd(isFree: (holder: TaskImpl) => boolean): boolean {
    return this.holders().every(isFree);
  }

  /** The locks, channels and sockets that the task waits for here, for views of it. @internal */
  resources(): readonly object[] {
    return NO_RESOURCES;
  }

  /** True: this is a receive from a queue, which is empty now. @internal */
  isEmptied(): boolean {
    return false;
  }

  /** See ParkingOptions. */
  get external(): boolean {
    const { options } = this;
    return options !== undefined && (options.external === true || options.realTime === true);
  }

  /** See ParkingOptions. */
  get realTime(): boolean {
    return this.options?.realTime === true;
  }

  /** False only in the kernel: a cancelled group still waits for its children. */
  get cancellable(): boolean {
    return true;
  }

  /**
   * Resumes the parked task with `value`. If no task is parked, stores the value for the task that
   * parks next. Returns false if a wake-up is already stored.
   */
  wake(value?: unknown): boolean {
    const task = this.removeTask();
    if (task === null) return this.storeEarly('value', value);
    task.wakeWith(value);
    return true;
  }

  /** Throws `error` into the parked task; otherwise as `wake`. */
  fail(error: unknown): boolean {
    const task = this.removeTask();
    if (task === null) return this.storeEarly('error', error);
    task.reject(error);
    return true;
  }

  /** Delivers a stored outcome to `task`. Returns false if there is none. @internal */
  deliverEarly(task: TaskImpl): boolean {
    const kind = this.early;
    if (kind === 'none') return false;
    const outcome = this.earlyOutcome;
    this.early = 'none';
    this.earlyOutcome = undefined;
    if (kind === 'value') task.wakeWith(outcome);
    else task.reject(outcome);
    return true;
  }

  /** Ends the wait without an outcome: removes the task, and itself from its queue. @internal */
  withdraw(): void {
    this.waiter = null;
    this.queue?.remove(this);
    this.onWithdrawn();
  }

  /** Called after a cancellation or a deadlock has ended the wait, to undo what it had set up. */
  protected onWithdrawn(): void {}

  private removeTask(): TaskImpl | null {
    const task = this.waiter;
    this.waiter = null;
    this.queue?.remove(this);
    return task;
  }

  private storeEarly(kind: 'value' | 'error', outcome: unknown): boolean {
    if (this.early !== 'none') return false;
    this.early = kind;
    this.earlyOutcome = outcome;
    return true;
  }
}

/** The holders of a parking that has none. */
export const NO_HOLDERS: readonly TaskImpl[] = [];

const NO_RESOURCES: readonly object[] = [];

/** A FIFO queue of parkings. `push`, `shift` and `remove` are O(1). */
export class ParkingQueue<P extends Parking = Parking> {
  #first: Parking | null = null;
  #last: Parking | null = null;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The parking that has waited longest. */
  get first(): P | null {
    return this.#first as P | null;
  }

  push(parking: P): void {
    parking.queue = this as unknown as ParkingQueue;
    parking.previousInQueue = this.#last;
    parking.nextInQueue = null;
    if (this.#last === null) this.#first = parking;
    else this.#last.nextInQueue = parking;
    this.#last = parking;
    this.#size++;
  }

  /** Removes and returns the parking that has waited longest. */
  shift(): P | null {
    const first = this.#first;
    if (first !== null) this.remove(first);
    return first as P | null;
  }

  remove(parking: Parking): void {
    const { previousInQueue, nextInQueue } = parking;
    if (previousInQueue === null) this.#first = nextInQueue;
    else previousInQueue.nextInQueue = nextInQueue;
    if (nextInQueue === null) this.#last = previousInQueue;
    else nextInQueue.previousInQueue = previousInQueue;
    parking.queue = null;
    parking.previousInQueue = null;
    parking.nextInQueue = null;
    this.#size--;
  }
}
