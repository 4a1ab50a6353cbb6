/** The parts that locks and semaphores share: acquire, the body of `with`, the owner monitor. */

import type { Waiter } from '../kernel/case.ts';
import { WOULD_WAIT } from '../kernel/case.ts';
import type { Operation, OperationSource, Wait } from '../kernel/operation.ts';
import { discard, operationOf } from '../kernel/operation.ts';
import { Parking, ParkingQueue } from '../kernel/parking.ts';
import type { TaskImpl } from '../kernel/task/task.ts';
import { WaitingOperation } from './wait-queue.ts';

/** A lock or a semaphore, for `withHeld`. */
export interface Holdable {
  acquire(n: number): Operation<void>;
  release(n: number): void;
  /** @internal */
  readonly ownedByCaller: boolean;
}

/** The body of `with`. An error of `op` takes precedence over an error of the release. */
export function* withHeld<T>(held: Holdable, op: OperationSource<T>, n = 1): Generator<Wait, T> {
  let acquired = false;
  try {
    yield* held.acquire(n);
    acquired = true;
  } finally {
    if (!acquired) discard(op);
  }
  let returned = false;
  try {
    const value = yield* operationOf(op);
    returned = true;
    return value;
  } finally {
    if (returned || held.ownedByCaller) held.release(n);
  }
}

/** A lock or a semaphore, for `Acquire`. */
export interface Acquirable {
  readonly waiters: ParkingQueue<Waiter>;
  readonly title: string;
  /** The tasks that hold it. */
  holders(): readonly TaskImpl[];
  /** True if the next waiter can acquire it once the holders that are free have released it. */
  becomesFree(isFree: (holder: TaskImpl) => boolean, n: number): boolean;
  tryAcquire(n: number): boolean;
  /** A waiter has left without acquiring anything. */
  waiterLeft?(): void;
}

/** `acquire()` of a lock or a semaphore. */
export class Acquire extends WaitingOperation<void> {
  private readonly source: Acquirable;
  /** The number of permits. */
  readonly n: number;

  constructor(source: Acquirable, n = 1) {
    super(source.waiters);
    this.source = source;
    this.n = n;
  }

  attempt(): undefined | typeof WOULD_WAIT {
    return this.source.tryAcquire(this.n) ? undefined : WOULD_WAIT;
  }

  override holders(): readonly TaskImpl[] {
    return this.source.holders();
  }

  override resources(): readonly object[] {
    return [this.source];
  }

  override canEnd(isFree: (holder: TaskImpl) => boolean): boolean {
    return this.source.becomesFree(isFree, this.n);
  }

  override describe(): string {
    return this.source.title;
  }

  /** As a case of a select. */
  override leave(waiter: Waiter): void {
    super.leave(waiter);
    this.source.waiterLeft?.();
  }

  protected override onWithdrawn(): void {
    this.source.waiterLeft?.();
  }
}

/** Calls `onEnd` when a task ends, by joining the queue of its joiners. */
export class OwnerMonitor extends Parking {
  readonly #onEnd: () => void;
  readonly #held: readonly object[];

  /** `held`: the lock or the semaphore that the task holds; absent for subscriptions. */
  constructor(onEnd: () => void, ...held: readonly object[]) {
    super();
    this.#onEnd = onEnd;
    this.#held = held;
  }

  override resources(): readonly object[] {
    return this.#held;
  }

  start(task: TaskImpl): void {
    task.joiners ??= new ParkingQueue();
    task.joiners.push(this);
  }

  stop(): void {
    this.queue?.remove(this);
  }

  override wake(): boolean {
    this.stop();
    this.#onEnd();
    return true;
  }
}
