/** Texts about waits and tasks: `waitingOn`, the lines of reports, the errors of wrong yields. */
import { isInstance, msText, show } from '../support/checks.ts';
import { printable } from '../support/printable.ts';
import { otherCopies } from './current.ts';
import { BusyError, CoronetError, UsageError } from './errors.ts';
import type { Wait } from './operation.ts';
import { isOperation, isPromise } from './operation.ts';
import type { ScopeImpl } from './scope/scope.ts';
import type { TaskImpl } from './task/task.ts';

/** The text of `task.waitingOn`: "recv 127.0.0.1:51512", "sleep 40 ms", "lock 'db'". */
export function describeWait(wait: Wait): string {
  if (wait === undefined) return '';
  switch (wait[0]) {
    case 'recv':
    case 'send':
      return `${wait[0]} ${wait[1].readiness.describe()}`;
    case 'sleep':
      return wait[1] === Infinity ? 'sleep forever' : `sleep ${msText(wait[1])}`;
    case 'park':
      return wait[1].describe();
  }
}

/** The error for a yielded value that is not a wait. It is thrown into the task. */
export function unknownReason(task: TaskImpl, yielded: unknown): UsageError {
  const text = `Task '${task.name}' yielded ${show(yielded)}, which is not a reason to wait.`;
  return new UsageError('ERR_UNKNOWN_REASON', `${text} ${hint(yielded)}`);
}

function hint(yielded: unknown): string {
  if (isPromise(yielded)) {
    return 'Wait for a promise with `yield* until(promise)` instead of `yield promise`.';
  }
  if (isOperation(yielded)) {
    return 'Drive an operation with `yield* operation` instead of `yield operation`.';
  }
  const word: unknown = Array.isArray(yielded) ? yielded[0] : yielded;
  if (REASONS.includes(word)) {
    if (word !== yielded) {
      return `A task cannot wait with '${word}' for this object.${copiesHint()}`;
    }
    return `Write \`yield ['${word}', …]\` instead of \`yield* ['${word}', …]\`.`;
  }
  return (
    "Expected `yield`, or one of ['recv', socket], ['send', socket], ['sleep', ms]. `yield*` " +
    'takes an operation, not an array, a string or a set.'
  );
}

function copiesHint(): string {
  const others = otherCopies();
  if (others.length === 0) return '';
  return ` It may be of another copy of the package, which is loaded from ${others.join(', ')}.`;
}

const REASONS: readonly unknown[] = ['recv', 'send', 'sleep', 'park'];

/** The error for a second task that waits where only one may. */
export function busy(task: TaskImpl, reason: string, resource: { describe(): string }): BusyError {
  return new BusyError(
    'ERR_BUSY',
    `Task '${task.name}' cannot wait for '${reason}' of ${resource.describe()}: another task ` +
      'already waits for it. One task at a time may wait for each direction.',
  );
}

/** One line about an unfinished task: its wait and, in debug mode, the source lines. */
export function taskLine(task: TaskImpl): string {
  const waits = task.waitingOn === '' ? task.state : `waits for ${task.waitingOn}`;
  const where = task.suspendedAt === undefined ? '' : ` at ${task.suspendedAt}`;
  const from = task.spawnedAt === undefined ? '' : `, spawned at ${task.spawnedAt}`;
  return printable(`task ${task.id} '${task.name}' ${waits}${where}${from}`);
}

/** Tasks that the report of an expired grace period lists. */
const MAX_REPORTED_TASKS = 20;

/**
 * The reason with which `stop({ graceMs })` cancels: the remaining tasks and their waits, without
 * daemons and the tasks inside them, which did not delay the end.
 */
export function graceOver(scope: ScopeImpl, graceMs: number): CoronetError {
  const tasks = scope.scheduler
    .tasks()
    .filter((task) => scope.encloses(task.ownScope) && !isInDaemon(task, scope.task));
  const lines = tasks.slice(0, MAX_REPORTED_TASKS).map((task) => `  ${taskLine(task)}`);
  const hidden = tasks.length - lines.length;
  if (hidden > 0) lines.push(`  and ${hidden} more`);
  const head = `The grace period of ${msText(graceMs)} is over. Cancelled tasks:`;
  return new CoronetError('ERR_GRACE_OVER', [head, ...lines].join('\n'));
}

/** True if `task`, or a task between it and `owner`, is a daemon. */
function isInDaemon(task: TaskImpl, owner: TaskImpl): boolean {
  for (let at: TaskImpl | null = task; at !== null && at !== owner; at = at.parent) {
    if (at.daemon) return true;
  }
  return false;
}

/** The warning about a long step, in debug mode. */
export function longStep(task: TaskImpl, tookMs: number): CoronetError {
  const where = task.suspendedAt === undefined ? '' : `, after ${task.suspendedAt}`;
  return new CoronetError(
    'ERR_LONG_STEP',
    `Task '${task.name}' held the thread for ${msText(tookMs)} without a yield${where}. ` +
      'Divide long computations with a bare `yield`.',
  );
}

/** Task names in `error.tasks`. */
const MAX_TASK_NAMES = 32;

/**
 * Adds `error.tasks`, which is not enumerable: the name of the failed task and of the tasks around
 * it, innermost first. In debug mode also adds the source lines of these tasks to the stack.
 */
export function noteTasks(error: unknown, task: TaskImpl): void {
  if (!isInstance(error, Error)) return;
  const chain: string[] = [];
  const lines: string[] = [];
  for (let at: TaskImpl | null = task; at !== null; at = at.parent) {
    if (chain.length === MAX_TASK_NAMES) {
      chain.push('…');
      break;
    }
    chain.push(at.name);
    if (at.spawnedAt !== undefined) lines.push(debugLine(at));
  }
  try {
    if ('tasks' in error || !Object.isExtensible(error)) return;
    Object.defineProperty(error, 'tasks', { value: Object.freeze(chain) });
    if (isInstance(error, TypeError)) explainYieldStar(error);
    if (lines.length > 0) Reflect.set(error, 'stack', [error.stack ?? '', ...lines].join('\n'));
  } catch {
    // A proxy or a getter of the error throws.
  }
}

/** Adds a hint to the engine's error for `yield* promise`. */
function explainYieldStar(error: TypeError): void {
  const { message, stack } = error;
  if (!/^yield\* .* is not (async )?iterable$/.test(message)) return;
  const text = `${message}. \`yield*\` drives operations; for a promise: \`yield* until(promise)\``;
  Reflect.set(error, 'message', text);
  Reflect.set(error, 'stack', String(stack).replace(message, text));
}

/** Sets `cause` on an error that was thrown while a scope unwound because of `cause`. */
export function addCause(error: unknown, cause: unknown): void {
  if (!isInstance(error, Error) || error === cause) return;
  try {
    if (error.cause === undefined && Object.isExtensible(error)) error.cause = cause;
  } catch {
    // A proxy, a getter or a setter of the error throws.
  }
}

function debugLine(task: TaskImpl): string {
  const suspended = task.suspendedAt === undefined ? '' : `, last suspended at ${task.suspendedAt}`;
  return `    in task '${task.name}', spawned at ${task.spawnedAt}${suspended}`;
}
