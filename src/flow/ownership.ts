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
  acquire(): Operation<void>;
  release(): void;
  /** @internal */
  readonly ownedByCaller: boolean;
}

/** The body of `with`. An error of `op` takes precedence over an error of the release. */
export function* withHeld<T>(held: Holdable, op: OperationSource<T>): Generator<Wait, T> {
  let acquired = false;
  try {
    yield* held.acquire();
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
    if (returned || held.ownedByCaller) held.release();
  }
}

/** A lock or a semaphore, for `Acquire`. */
export interface Acquirable {
  readonly waiters: ParkingQueue<Waiter>;
  readonly title: string;
  /** The tasks that hold it. */
  holders(): readonly TaskImpl[];
  /** True if the next waiter can acquire it once the holders that are free have released it. */
  becomesFree(isFree: (holder: TaskImpl) => boolean): boolean;
  tryAcquire(): boolean;
}

/** `acquire()` of a lock or a semaphore. */
export class Acquire extends WaitingOperation<void> {
  private readonly source: Acquirable;

  constructor(source: Acquirable) {
    super(source.waiters);
    this.source = source;
  }

  attempt(): undefined | typeof WOULD_WAIT {
    return this.source.tryAcquire() ? undefined : WOULD_WAIT;
  }

  override holders(): readonly TaskImpl[] {
    return this.source.holders();
  }

  override canEnd(isFree: (holder: TaskImpl) => boolean): boolean {
    return this.source.becomesFree(isFree);
  }

  override describe(): string {
    return this.source.title;
  }
}

/** Calls `onEnd` when a task ends, by joining the queue of its joiners. */
export class OwnerMonitor extends Parking {
  readonly #onEnd: () => void;

  constructor(onEnd: () => void) {
    super();
    this.#onEnd = onEnd;
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
