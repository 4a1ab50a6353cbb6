/** How a run ends: what becomes of the main task's outcome, for every host that runs one. */
import { isCancelled } from './cancelled.ts';
import { TaskCancelledError } from './errors.ts';
import { addCause } from './report.ts';
import type { TaskRecord } from './task.ts';

/** The value of a run, or its error. */
export type Conclusion<T> = { readonly value: T } | { readonly error: unknown };

/**
 * A value wins over everything but a deadlock; an error of the main operation's own over the
 * cancellation by `signal`. A run never ends with a bare Cancelled.
 */
export function conclude<T>(main: TaskRecord<T>, signal?: AbortSignal): Conclusion<T> {
  const { deadlock } = main.scheduler;
  const error = main.outcome;
  if (deadlock !== null) {
    if (main.state === 'failed') deadlock.errors.push(error);
    return { error: deadlock };
  }
  if (main.state === 'done') return { value: error as T };
  if (main.state === 'failed' && !isCancelled(error)) {
    if (signal?.aborted === true && main.ownScope.requested) addCause(error, signal.reason);
    return { error };
  }
  const aborted = signal?.aborted === true && isCancelled(error) && error.reason === signal.reason;
  return { error: aborted ? signal.reason : wasCancelled(main as TaskRecord, error) };
}

function wasCancelled(main: TaskRecord, thrown: unknown): TaskCancelledError {
  const cause = isCancelled(thrown) ? thrown.reason : thrown;
  const text = `The main task '${main.name}' was cancelled`;
  return new TaskCancelledError('ERR_TASK_CANCELLED', text, { cause });
}
