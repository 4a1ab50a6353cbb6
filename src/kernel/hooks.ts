/**
 * Hooks: what can be seen of a run from outside. All are optional; nothing is paid for while none
 * is installed. A hook runs inside the scheduler: it must not wait, and what it throws is reported
 * by the host and otherwise ignored.
 */
import type { Wait } from './operation.ts';
import type { Task } from './task/task.ts';

/** What can be seen of a run from outside; all are optional. */
export interface Hooks {
  /** A task was made; it has not run yet. */
  taskSpawned?(task: Task<unknown>): void;
  /** A task is about to be resumed. */
  stepBegins?(task: Task<unknown>): void;
  /** The task has yielded or ended. */
  stepEnds?(task: Task<unknown>): void;
  /** The task waits for `wait` (undefined: a bare yield). */
  taskWaits?(task: Task<unknown>, wait: Wait): void;
  /** What the task waited for has come: it is ready. */
  taskWakes?(task: Task<unknown>): void;
  /** A cancellation is thrown into the task. */
  taskCancelled?(task: Task<unknown>): void;
  /** The task has ended; `task.state` says how. */
  taskFinished?(task: Task<unknown>): void;
  /** A batch begins; `ready` tasks are in it. */
  batchBegins?(ready: number): void;
  /** The host has asked the network for readiness. */
  polled?(): void;
  /** An error that no task is left to receive. Default: a warning of the process. */
  onUnhandled?(error: unknown): void;
}
