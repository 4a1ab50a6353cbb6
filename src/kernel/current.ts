/** Which task is running now. One field for the whole thread: tasks never run inside each other. */
import { UsageError } from './errors.ts';
import type { Scope, ScopeImpl } from './scope/scope.ts';
import type { Task, TaskImpl } from './task/task.ts';

/** Written by the scheduler around every step. */
export const current: { task: TaskImpl | null } = { task: null };

/** The running task, for the inside of the runtime. */
export function runningTask(): TaskImpl {
  const task = current.task;
  if (task === null) throw noTask();
  return task;
}

/** The task that is running. Throws ERR_NO_TASK outside of tasks (in a callback, at top level). */
export function currentTask(): Task<unknown> {
  return runningTask();
}

/** The innermost scope of the running task: of `scope(…)`, of a group, or the task's own. */
export function currentScope(): Scope {
  let scope: ScopeImpl = runningTask().scope;
  while (scope.hidden && scope.parent !== null) scope = scope.parent;
  return scope;
}

function noTask(): UsageError {
  return new UsageError(
    'ERR_NO_TASK',
    'This can only be used inside a task. Start one with `run(function* () { … })`, and use ' +
      '`yield*` to drive operations.',
  );
}

/** The time of the scheduler that runs the calling task. */

/** Milliseconds since the scheduler began: monotonic, fractional. Virtual in a simulation. */
export function now(): number {
  return runningTask().scheduler.now();
}
