/**
 * TaskLocal: a value that belongs to a task and is inherited by the tasks that it spawns.
 *
 * A task shares the map of the task that spawned it. `set` replaces the map of the calling task by
 * a copy. Reading is one lookup, and a task without TaskLocals has one unused field.
 */
import { runningTask } from '../current.ts';
import type { Operation, OperationSource, Wait } from '../operation.ts';
import { checkSource, Lazy, operationOf } from '../operation.ts';
import { mustPauseFirst, pauseBefore } from '../waits.ts';

/**
 * A value that belongs to a task and is inherited by the tasks that it spawns.
 *
 * @example
 * const requestId = new TaskLocal('');
 * yield* requestId.with('7f3a', () => handle(request));
 */
export class TaskLocal<T> {
  readonly #initial: T;

  /** `initial` is the value in tasks that have neither set nor inherited one. */
  constructor(initial: T) {
    this.#initial = initial;
  }

  /** The value in the running task. Throws ERR_NO_TASK outside tasks. */
  get(): T {
    const { locals } = runningTask();
    return locals?.has(this) ? (locals.get(this) as T) : this.#initial;
  }

  /** Sets the value in the running task, and for the tasks that it spawns afterwards. */
  set(value: T): void {
    const task = runningTask();
    task.locals = new Map(task.locals ?? []).set(this, value);
  }

  /**
   * Runs `op` with `value` and then restores the previous value.
   * Cancel: the value is restored and Cancelled is thrown.
   */
  with<R>(value: T, op: OperationSource<R>): Operation<R> {
    checkSource(op);
    return new Lazy(() => this.#with(value, op));
  }

  *#with<R>(value: T, op: OperationSource<R>): Generator<Wait, R> {
    const task = runningTask();
    if (mustPauseFirst(task)) yield* pauseBefore(op);
    const previous = this.get();
    this.set(value);
    try {
      return yield* operationOf(op);
    } finally {
      this.set(previous);
      task.countOperation();
    }
  }
}
