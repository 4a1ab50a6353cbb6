/**
 * Parking: the wait from which every other wait is built. One task parks, somebody wakes it with a
 * value or an error. Locks, channels, joins and promises are parkings with a queue or a source.
 *
 * Invariants:
 *  1. At most one task is parked at a time; a second one gets ERR_BUSY.
 *  2. A parked task is settled once: by `wake`, by `fail`, or by its cancellation. Whichever comes
 *     first takes the task out and the others answer false or do nothing.
 *  3. A parking is in its queue only while its task is parked. It is taken out before it is woken,
 *     and in the same moment in which it is cancelled.
 */
import type { TaskImpl } from './task/task.ts';

/** The source of a wake-up; the default is another task of the program. */
export interface ParkingOptions {
  /** True: the wake-up may come from outside the program, so waiting for it is no deadlock. */
  readonly external?: boolean;
  /**
   * True: the wake-up comes from the real process (a promise, an emitter), so the clock of a
   * simulation does not advance during the wait. Implies `external`.
   */
  readonly realTime?: boolean;
}

export class Parking {
  /** The task that waits here. @internal */
  declare waiter: TaskImpl | null;
  /** Set when `wake` or `fail` came before the task parked: the outcome waits for the task. */
  declare private early: 'none' | 'value' | 'error';
  declare private earlyOutcome: unknown;
  /** The FIFO that holds this parking, and its neighbours there. @internal */
  declare queue: ParkingQueue | null;
  /** @internal */
  declare previousInQueue: Parking | null;
  /** @internal */
  declare nextInQueue: Parking | null;
  /** Absent unless given: operations of locks and channels override what these describe. */
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
    if (options !== undefined) this.options = options;
  }

  /** True while a task waits here. */
  get occupied(): boolean {
    return this.waiter !== null;
  }

  /** True if `wake` or `fail` came before the task: it wins over a later cancellation. @internal */
  get wokenEarly(): boolean {
    return this.early !== 'none';
  }

  /** What `task.waitingOn` shows. */
  describe(): string {
    return this.description ?? 'a wake-up';
  }

  /** The task that has to act before this one can be woken, where that is known. */
  holder(): TaskImpl | null {
    return null;
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

  /** False only inside the kernel: a group waits for its children even when it is cancelled. */
  get cancellable(): boolean {
    return true;
  }

  /**
   * Resumes the parked task with `value`. Before the task has parked, the value is kept for it.
   * False if a wake-up is there already.
   */
  wake(value?: unknown): boolean {
    const task = this.takeOut();
    if (task !== null) task.wakeWith(value);
    else return this.keepEarly('value', value);
    return true;
  }

  /** Throws `error` into the parked task; otherwise as `wake`. */
  fail(error: unknown): boolean {
    const task = this.takeOut();
    if (task !== null) task.reject(error);
    else return this.keepEarly('error', error);
    return true;
  }

  /** Hands over an outcome that came early. True if there was one. @internal */
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

  /** The wait was cut short by a cancellation: forget the task, leave the queue. @internal */
  withdraw(): void {
    this.waiter = null;
    this.queue?.remove(this);
    this.onWithdrawn();
  }

  /** Called when a cancellation has taken the task away: undo what the wait had set up. */
  protected onWithdrawn(): void {}

  private takeOut(): TaskImpl | null {
    const task = this.waiter;
    this.waiter = null;
    this.queue?.remove(this);
    return task;
  }

  private keepEarly(kind: 'value' | 'error', outcome: unknown): boolean {
    if (this.early !== 'none') return false;
    this.early = kind;
    this.earlyOutcome = outcome;
    return true;
  }
}

/** A FIFO of parkings: push, shift and removal from the middle are O(1). */
export class ParkingQueue<P extends Parking = Parking> {
  #first: Parking | null = null;
  #last: Parking | null = null;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The one that has waited longest. */
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

  /** Takes out the one that has waited longest. */
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
