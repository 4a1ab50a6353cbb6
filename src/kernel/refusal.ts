/**
 * Refusals: what happens to a task that throws its cancellations away.
 *
 * A cancelled operation is answered with a throw. A task that catches it and goes on is answered so
 * again, up to a limit; then it is ended by `return()`, which skips the `catch` blocks. What yields even
 * then is abandoned.
 */
import { UncooperativeError } from './errors.ts';
import type { Frames, Wait } from './operation.ts';
import type { TaskRecord } from './task.ts';

/** A task that throws its cancellation away this often, or for this long, is ended by force. */
const REFUSALS = 1000;
const REFUSING_MS = 1000;
/** A few refusals may be far apart: cleanup computes, too. */
const FEW_REFUSALS = 16;

/** The refusals of one task. */
export class Refusals {
  count = 0;
  /** When they began, or when the task was last where cancellations do not reach. */
  since: number;

  constructor(now: number) {
    this.since = now;
  }

  /** Counts one more. True: the task has had enough of them. */
  tooMany(now: number): boolean {
    this.count++;
    if (this.count > REFUSALS) return true;
    return this.count > FEW_REFUSALS && now - this.since >= REFUSING_MS;
  }
}

/** Skips the `catch` blocks that have swallowed the cancellation; what yields again is dropped. */
export function endByForce(task: TaskRecord, frames: Frames<unknown>): never {
  const operation = task.wait === undefined ? 'a bare yield' : `'${task.wait[0]}'`;
  const left = frames.return === undefined ? undefined : frames.return(undefined);
  const how = left === undefined || left.done === true ? 'ended by force' : 'abandoned';
  throw new UncooperativeError(
    'ERR_UNCOOPERATIVE',
    `Task '${task.name}' went on after ${task.refusals?.count} refusals of its operations (the last: ` +
      `${operation}) and was ${how}. Do not catch Cancelled in a loop: rethrow it.`,
  );
}

/** `yield*` passes a throw on; an iterator that has no `throw` is closed and the error goes on. */
export function throwInto(frames: Frames<unknown>, error: unknown): IteratorResult<Wait, unknown> {
  if (frames.throw !== undefined) return frames.throw(error);
  frames.return?.();
  throw error;
}
