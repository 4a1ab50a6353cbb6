/** `task.join()`: waiting for the end of another task. */
import { currentRecord } from './current.ts';
import { TaskCancelledError, UsageError } from './errors.ts';
import type { Wait } from './operation.ts';
import { PAUSE, Step } from './operation.ts';
import { Parking, ParkingQueue } from './parking.ts';
import type { TaskRecord } from './task.ts';
import { mustPause, parkWait } from './waits.ts';

export class JoinOperation<T> extends Step<T> {
  private readonly target: TaskRecord<T>;
  private checked = false;

  constructor(task: TaskRecord<T>) {
    super();
    this.target = task;
  }

  next(): IteratorResult<Wait, T> {
    const task = this.target;
    if (!this.checked) {
      this.checked = true;
      refuseCycle(task);
      if (mustPause()) return PAUSE;
    }
    if (task.finished) return { done: true, value: resultOf(task) };
    const place = new JoinPlace(task);
    task.joiners ??= new ParkingQueue();
    task.joiners.push(place);
    return parkWait(place);
  }
}

class JoinPlace extends Parking {
  private readonly target: TaskRecord;

  constructor(task: TaskRecord) {
    super();
    this.target = task;
  }

  override describe(): string {
    return `join of task ${this.target.id} '${this.target.name}'`;
  }

  override holder(): TaskRecord {
    return this.target;
  }
}

/** A task that waits for itself, or for a task that waits for it, would wait for ever. */
function refuseCycle(task: TaskRecord): void {
  const joiner = currentRecord();
  for (let at: TaskRecord | null = joiner; at !== null; at = at.parent) {
    if (at !== task) continue;
    const whom = task === joiner ? 'itself' : `its ancestor '${task.name}'`;
    throw new UsageError(
      'ERR_JOIN_CYCLE',
      `Task '${joiner.name}' cannot join ${whom}: neither could ever end.`,
    );
  }
}

function resultOf<T>(task: TaskRecord<T>): T {
  if (task.state === 'done') return task.outcome as T;
  if (task.state === 'failed') throw task.outcome;
  throw new TaskCancelledError('ERR_TASK_CANCELLED', `Task '${task.name}' was cancelled`, {
    cause: task.outcome,
  });
}
