/**
 * Refusals: what happens to a task that throws its cancellations away.
 *
 * A cancelled operation is answered with a throw. A task that catches it and goes on is answered so
 * again, up to a limit; then it is ended by `return()`, which skips the `catch` blocks. What yields
 * even then is abandoned. Either way its groups are still waited for: no child outlives them.
 * That is a failure of the task, unless what it drove answers for its end.
 */
import { UncooperativeError } from '../errors.ts';
import type { Frames, Wait } from '../operation.ts';
import type { TaskImpl } from '../task/task.ts';
import { park } from '../waits.ts';
import type { ScopeImpl } from './scope.ts';

/** A task that throws its cancellation away this often, or for this long, is ended by force. */
const MAX_DELIVERIES = 1000;
const MAX_DELIVERY_MS = 1000;

/**
 * Counts one more refusal of `task`, by `scope`. True: the task has had enough of them. Nearly
 * every cancelled task is refused once, so the first one is only noted; the counting begins with
 * the second.
 */
export function tooManyDeliveries(task: TaskImpl, scope: ScopeImpl): boolean {
  const { cancellationDeliveries } = task;
  if (cancellationDeliveries === null) {
    task.cancellationDeliveries = scope;
    return false;
  }
  const now = task.scheduler.now();
  const counted =
    cancellationDeliveries instanceof CancellationDeliveries
      ? cancellationDeliveries
      : new CancellationDeliveries(cancellationDeliveries, now);
  task.cancellationDeliveries = counted;
  return counted.tooMany(scope, now);
}

/** What takes its end by force upon itself: then that is no failure of the task that drove it. */
export interface ForcedEndHandler {
  onForcedEnd(error: UncooperativeError): void;
}

/** The refusals of one task in one scope. */
export class CancellationDeliveries {
  #scope: ScopeImpl;
  /** The one that was only noted is counted here. */
  #count = 1;
  /** When they began, or when the task was last where cancellations do not reach. */
  since: number;

  constructor(scope: ScopeImpl, now: number) {
    this.#scope = scope;
    this.since = now;
  }

  get count(): number {
    return this.#count;
  }

  /** Counts one more, by `scope`. True: the task has had enough of them. */
  tooMany(scope: ScopeImpl, now: number): boolean {
    if (scope !== this.#scope) this.#restart(scope, now);
    this.#count++;
    return this.#count > MAX_DELIVERIES || (this.#count > 1 && now - this.since >= MAX_DELIVERY_MS);
  }

  #restart(scope: ScopeImpl, now: number): void {
    this.#scope = scope;
    this.#count = 0;
    this.since = now;
  }
}

/**
 * Skips the `catch` blocks that have swallowed the cancellation; what yields again is dropped. From
 * now on the task only waits for its groups, and then fails.
 */
export function endByForce(
  task: TaskImpl,
  frames: Frames<unknown> & Partial<ForcedEndHandler>,
): IteratorResult<Wait, unknown> {
  const operation = task.wait === undefined ? 'a bare yield' : `'${String(task.wait[0])}'`;
  let how = 'ended by force';
  let cause: unknown;
  try {
    if (frames.return?.(undefined).done === false) how = 'abandoned';
  } catch (error) {
    cause = error;
  }
  const text =
    `Task '${task.name}' went on after ${deliveryCount(task)} refusals of its operations (the ` +
    `last: ${operation}) and was ${how}. Do not catch Cancelled in a loop: rethrow it.`;
  const options = cause === undefined ? undefined : { cause };
  const error = new UncooperativeError('ERR_UNCOOPERATIVE', text, options);
  task.frames = forcedEnd(task, frames, error);
  return task.frames.next();
}

function deliveryCount({ cancellationDeliveries }: TaskImpl): number {
  return cancellationDeliveries instanceof CancellationDeliveries
    ? cancellationDeliveries.count
    : 1;
}

/** What is left to do for the task: its open groups, from the innermost outwards. */
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

/** `yield*` passes a throw on; an iterator that has no `throw` is closed and the error goes on. */
export function throwInto(frames: Frames<unknown>, error: unknown): IteratorResult<Wait, unknown> {
  if (frames.throw !== undefined) return frames.throw(error);
  frames.return?.();
  throw error;
}
