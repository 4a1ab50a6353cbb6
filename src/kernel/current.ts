/** The running task, its scope and its clock. One task runs at a time in a thread. */
import { UsageError } from './errors.ts';
import type { Scope, ScopeImpl } from './scope/scope.ts';
import type { Task, TaskImpl } from './task/task.ts';

/** Set by the scheduler before and after each step. */
export const current: { task: TaskImpl | null } = { task: null };

/** The running task. Throws ERR_NO_TASK outside tasks. */
export function runningTask(): TaskImpl {
  const task = current.task;
  if (task === null) throw noTask();
  return task;
}

/** The running task. Throws ERR_NO_TASK outside tasks: in a callback or at top level. */
export function currentTask(): Task<unknown> {
  return runningTask();
}

/**
 * The innermost scope of the running task: that of `scope(…)`, of a group, or of the task itself.
 * Throws ERR_NO_TASK outside tasks.
 */
export function currentScope(): Scope {
  let scope: ScopeImpl = runningTask().scope;
  while (scope.hidden && scope.parent !== null) scope = scope.parent;
  return scope;
}

/**
 * Milliseconds since the scheduler was created: monotonic, fractional, virtual in a simulation.
 * Throws ERR_NO_TASK outside tasks.
 */
export function now(): number {
  return runningTask().scheduler.now();
}

function noTask(): UsageError {
  return new UsageError(
    'ERR_NO_TASK',
    'This function works only inside a task. Start one with `run(function* () { … })`, and use ' +
      '`yield*` to drive operations.',
  );
}
