/**
 * TaskLocal: a value that belongs to a task and is inherited by the tasks it spawns.
 *
 * A task shares the map of its spawner until one of them sets something: then the setter gets a
 * copy. Setting is rare and reading is one look-up; a task that uses none pays one field.
 */
import { runningTask } from '../current.ts';
import type { Operation, OperationSource, Wait } from '../operation.ts';
import { checkSource, Lazy, operationOf } from '../operation.ts';

/** A value that belongs to a task and is inherited by the tasks that it spawns. */
export class TaskLocal<T> {
  readonly #initial: T;

  /** `initial` is what tasks see that nobody has set anything for. */
  constructor(initial: T) {
    this.#initial = initial;
  }

  /** The value in the running task. */
  get(): T {
    const { locals } = runningTask();
    return locals?.has(this) ? (locals.get(this) as T) : this.#initial;
  }

  /** Sets the value for the running task, and for the tasks that it spawns from now on. */
  set(value: T): void {
    const task = runningTask();
    task.locals = new Map(task.locals ?? []).set(this, value);
  }

  /**
   * Runs `op` with `value`, and sets the value back afterwards.
   * Cancel: goes through; the value is set back.
   */
  with<R>(value: T, op: OperationSource<R>): Operation<R> {
    checkSource(op);
    return new Lazy(() => this.#with(value, op));
  }

  *#with<R>(value: T, op: OperationSource<R>): Generator<Wait, R> {
    const before = this.get();
    this.set(value);
    try {
      return yield* operationOf(op);
    } finally {
      this.set(before);
    }
  }
}
