/** The running task, its scope and its clock, and the running programs. One task runs at a time. */
import { runtimeDirectory } from './debug.ts';
import { UsageError } from './errors.ts';
import type { Scheduler } from './scheduler.ts';
import type { Scope, ScopeImpl } from './scope/scope.ts';
import type { Task, TaskImpl } from './task/task.ts';

/** Set by the scheduler before and after each step. */
export const current: { task: TaskImpl | null } = { task: null };

/** A copy of the package in this thread. Its fields are the same in all versions. */
interface Copy {
  readonly directory: string;
  readonly current: { readonly task: object | null };
}

/**
 * All copies that are loaded: two versions in `node_modules`, or one that was bundled. They share
 * nothing else, so a function of one copy works only inside the tasks of that copy.
 */
const copies: Copy[] = loadedCopies();
const thisCopy: Copy = { directory: runtimeDirectory ?? 'a bundle', current };
copies.push(thisCopy);

function loadedCopies(): Copy[] {
  const key = Symbol.for('coronet.copies');
  const global = globalThis as { [key]?: Copy[] };
  if (global[key] === undefined) Object.defineProperty(global, key, { value: [] });
  return global[key] as Copy[];
}

/** The directories of the other copies, for the errors of objects that are not of this one. */
export function otherCopies(): readonly string[] {
  return copies.filter((copy) => copy !== thisCopy).map(({ directory }) => directory);
}

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
  const running = copies.find((copy) => copy.current.task !== null);
  if (running !== undefined) return twoCopies(running);
  return new UsageError(
    'ERR_NO_TASK',
    'This function works only inside a task. Start one with `run(function* () { … })`, and use ' +
      '`yield*` to drive operations.',
  );
}

function twoCopies(running: Copy): UsageError {
  return new UsageError(
    'ERR_TWO_COPIES',
    'This function and the running task belong to two copies of the package. ' +
      `The function: ${thisCopy.directory}. The task: ${running.directory}. ` +
      'Install one version, which `npm ls coronet` shows, and do not bundle a second copy.',
  );
}

/** The programs of this process that run in real time, in the order of their starts. */
const programs = new Set<Scheduler>();

/** Called by the host when a program starts. The returned function is called when it has ended. */
export function programStarts(scheduler: Scheduler): () => void {
  programs.add(scheduler);
  return () => void programs.delete(scheduler);
}

/** The program of the running task; outside of tasks, the newest one of the process. */
export function currentProgram(): Scheduler | undefined {
  return current.task?.scheduler ?? [...programs].at(-1);
}
