/**
 * What locks and semaphores share: acquiring, the body of `with`, the watch over a task that holds
 * them.
 */
import type { Operation, OperationSource, Wait } from '../kernel/operation.ts';
import { discard, operationOf } from '../kernel/operation.ts';
import { Parking, ParkingQueue } from '../kernel/parking.ts';
import type { TaskImpl } from '../kernel/task/task.ts';
import { WOULD_WAIT } from './select/case.ts';
import type { Waiter } from './wait-queue.ts';
import { WaitingOperation } from './wait-queue.ts';

/** What `with` needs of a lock or a semaphore. */
export interface Holdable {
  acquire(): Operation<void>;
  release(): void;
  /** @internal */
  readonly ownedByCaller: boolean;
}

/** The body of `with`: an error of `op` is never hidden by one of the release. */
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

/** What `acquire` needs of a lock or a semaphore. */
export interface Acquirable {
  /** One try. */
  take(): boolean;
  enlist(place: Waiter): void;
  settle(): void;
  /** The task that holds all there is, if it is one. */
  readonly owner: TaskImpl | null;
  readonly title: string;
}

/** The acquiring of a lock or of a permit. */
export class Acquire extends WaitingOperation<void> {
  private readonly source: Acquirable;

  constructor(source: Acquirable) {
    super();
    this.source = source;
  }

  attempt(): undefined | typeof WOULD_WAIT {
    return this.source.take() ? undefined : WOULD_WAIT;
  }

  enlist(place: Waiter): void {
    this.source.enlist(place);
  }

  settle(): void {
    this.source.settle();
  }

  override holder(): TaskImpl | null {
    return this.source.owner;
  }

  override describe(): string {
    return this.source.title;
  }
}

/** Stands among the joiners of a task and hears of its end. */
export class OwnerMonitor extends Parking {
  readonly #ended: () => void;

  constructor(ended: () => void) {
    super();
    this.#ended = ended;
  }

  start(task: TaskImpl): void {
    task.joiners ??= new ParkingQueue();
    task.joiners.push(this);
  }

  stop(): void {
    this.queue?.remove(this);
  }

  /** The task has ended. */
  override wake(): boolean {
    this.stop();
    this.#ended();
    return true;
  }
}
