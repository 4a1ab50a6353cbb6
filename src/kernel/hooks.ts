/**
 * Hooks observe a run. A run without hooks is as fast as if they did not exist. A hook runs inside
 * the scheduler and must not wait. An error that it throws is reported as a warning.
 */
import type { Wait } from './operation.ts';
import type { Task } from './task/task.ts';

/** Functions that observe a run. All are optional. */
export interface Hooks {
  /** A task was created; it has not run yet. */
  taskSpawned?(task: Task<unknown>): void;
  /** A task is about to be resumed. */
  stepBegins?(task: Task<unknown>): void;
  /** The task has yielded or returned or thrown. */
  stepEnds?(task: Task<unknown>): void;
  /** The task has yielded `wait`; `undefined` is a bare yield. */
  taskWaits?(task: Task<unknown>, wait: Wait): void;
  /** The wait of the task has ended: it is ready. */
  taskWakes?(task: Task<unknown>): void;
  /** A cancellation is about to be thrown into the task. */
  taskCancelled?(task: Task<unknown>): void;
  /** The task has ended: `task.state` is 'done', 'failed' or 'cancelled'. */
  taskFinished?(task: Task<unknown>): void;
  /** A batch of `ready` tasks begins. */
  batchBegins?(ready: number): void;
  /** The host has polled the network. */
  polled?(): void;
  /** Receives an error that no task can receive. The default is a process warning. */
  onUnhandled?(error: unknown): void;
}
