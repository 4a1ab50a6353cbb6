/**
 * Forced end: ends a task that ignores its cancellations.
 *
 * Each operation of a cancelled task throws. If the task catches that and continues, its next
 * operation throws again, up to a limit. Then the task is ended with `return()`, which skips its
 * `catch` blocks. If it yields even then, it is abandoned. In both cases the kernel still waits for
 * its groups, so no child outlives them. The task has failed, unless the operation that it drives
 * handles the forced end itself (ForcedEndHandler).
 */
import { UncooperativeError } from '../errors.ts';
import type { Frames, Wait } from '../operation.ts';
import type { TaskImpl } from '../task/task.ts';
import { park } from '../waits.ts';
import type { ScopeImpl } from './scope.ts';

/**
 * A task that ignores its cancellation this often, or for this long, is ended by force. A task that
 * enters this many shields without a delivery is not cleaning up: it receives one.
 */
const MAX_DELIVERIES = 1000;
const MAX_DELIVERY_MS = 1000;

/** An operation that handles its own forced end: the task that drives it has then not failed. */
export interface ForcedEndHandler {
  onForcedEnd(error: UncooperativeError): void;
}

/** The cancellations that one scope has delivered to one task. */
export class CancellationDeliveries {
  scope: ScopeImpl;
  count: number;
  /** When the first delivery was made, or when a shield or group was last left. */
  since: number;
  /** Shields that the task has entered in the cancelled scope since the last delivery. */
  shields = 0;

  constructor(scope: ScopeImpl, count: number, now: number) {
    this.scope = scope;
    this.count = count;
    this.since = now;
  }
}

/**
 * Counts a delivery to `task` by `scope`. Returns true if the limit is exceeded. Nearly every
 * cancelled task receives one delivery, so the first one only stores the scope, and the second one
 * allocates the counter.
 */
export function countDelivery(task: TaskImpl, scope: ScopeImpl): boolean {
  const before = task.cancellationDeliveries;
  if (before === null) {
    task.cancellationDeliveries = scope;
    return false;
  }
  const deliveries = counterOf(task, scope);
  deliveries.count++;
  deliveries.shields = 0;
  if (deliveries.count > MAX_DELIVERIES) return true;
  const now = task.scheduler.now();
  return deliveries.count > 1 && now - deliveries.since >= MAX_DELIVERY_MS;
}

/** Counts a shield that `task` enters in `scope`, which is cancelled. True: more than the limit. */
export function countShield(task: TaskImpl, scope: ScopeImpl): boolean {
  return ++counterOf(task, scope).shields > MAX_DELIVERIES;
}

function counterOf(task: TaskImpl, scope: ScopeImpl): CancellationDeliveries {
  const before = task.cancellationDeliveries;
  const isCounter = before instanceof CancellationDeliveries;
  const isSameScope = scope === (isCounter ? before.scope : before);
  if (isCounter && isSameScope) return before;
  const now = task.scheduler.now();
  const counter = new CancellationDeliveries(scope, isSameScope ? 1 : 0, now);
  task.cancellationDeliveries = counter;
  return counter;
}

/**
 * Ends `task` by force: skips the `catch` blocks that ignored the cancellation, and abandons a
 * generator that yields again. From then on the task only waits for its groups, and then fails.
 */
export function endByForce(
  task: TaskImpl,
  frames: Frames<unknown> & Partial<ForcedEndHandler>,
): IteratorResult<Wait, unknown> {
  const operation = task.wait === undefined ? 'a bare yield' : `'${String(task.wait[0])}'`;
  let ending = 'ended by force';
  let cause: unknown;
  try {
    if (frames.return?.(undefined).done === false) ending = 'abandoned';
  } catch (error) {
    cause = error;
  }
  const deliveries = task.cancellationDeliveries;
  const count = deliveries instanceof CancellationDeliveries ? deliveries.count : 1;
  const text =
    `Task '${task.name}' continued after ${count} cancelled operations (the last: ${operation}) ` +
    `and was ${ending}. Do not catch Cancelled in a loop: rethrow it.`;
  const options = cause === undefined ? undefined : { cause };
  const error = new UncooperativeError('ERR_UNCOOPERATIVE', text, options);
  task.frames = forcedEnd(task, frames, error);
  return task.frames.next();
}

/** The rest of an ended task: leaves its open groups, from the innermost outwards. */
function* forcedEnd(
  task: TaskImpl,
  frames: Partial<ForcedEndHandler>,
  error: UncooperativeError,
): Generator<Wait, void> {
  for (let group = task.openGroup; group !== null; group = task.openGroup) {
    task.endScopesBelow(group.scope);
    group.cancel(error);
    group.bodyEnded();
    while (group.size > 0) yield* park(group.createParking());
    group.leave();
    const failure = group.failure();
    if (failure !== null) task.scheduler.unhandled(failure);
  }
  task.endScopesBelow(task.ownScope);
  if (frames.onForcedEnd === undefined) throw error;
  frames.onForcedEnd(error);
}
