/** How waits and tasks are told to people: `waitingOn`, reports of deadlocks, bad yields. */
import { show } from '../support/checks.ts';
import { BusyError, CoronetError, DeadlockError, UsageError } from './errors.ts';
import type { Wait } from './operation.ts';
import { isPromise } from './operation.ts';
import type { ScopeImpl } from './scope/scope.ts';
import type { TaskImpl } from './task/task.ts';

/** "recv 127.0.0.1:51512", "sleep 40 ms", "join of task 7 'writer'". */
export function describeWait(wait: Wait): string {
  if (wait === undefined) return '';
  switch (wait[0]) {
    case 'recv':
    case 'send':
      return `${wait[0]} ${wait[1].readiness.describe()}`;
    case 'sleep':
      return wait[1] === Infinity ? 'sleep forever' : `sleep ${wait[1]} ms`;
    case 'park':
      return wait[1].describe();
  }
}

/** The error for something yielded that is no wait. It is thrown into the task that yielded it. */
export function unknownReason(task: TaskImpl, yielded: unknown): UsageError {
  return new UsageError(
    'ERR_UNKNOWN_REASON',
    `Task '${task.name}' yielded ${show(yielded)}, which is no reason to wait. ${hint(yielded)}`,
  );
}

function hint(yielded: unknown): string {
  if (isPromise(yielded)) {
    return 'A promise is awaited with `yield* until(promise)`, not with `yield promise`.';
  }
  if (typeof yielded === 'object' && yielded !== null && Symbol.iterator in yielded) {
    if (!Array.isArray(yielded)) {
      return 'An operation is driven with `yield* operation`, not with `yield operation`.';
    }
    if (isReason(yielded[0])) return `The resource of '${yielded[0]}' is not one to wait for.`;
  }
  return "Expected `yield`, or one of ['recv', socket], ['send', socket], ['sleep', ms].";
}

function isReason(word: unknown): boolean {
  return word === 'recv' || word === 'send' || word === 'sleep' || word === 'park';
}

/** The error for a second task that waits where one at a time may. */
export function busy(task: TaskImpl, reason: string, resource: Described): BusyError {
  return new BusyError(
    'ERR_BUSY',
    `Task '${task.name}' cannot wait for '${reason}' of ${resource.describe()}: another task ` +
      'waits there already. One task at a time may wait for each direction.',
  );
}

interface Described {
  describe(): string;
}

/** The report of a deadlock: every unfinished task, what it waits for, who holds that. */
export function deadlock(tasks: readonly TaskImpl[], cycle: readonly TaskImpl[]): DeadlockError {
  const lines = tasks.map(taskLine);
  const head =
    cycle.length === 0
      ? 'No task can ever run again, and nothing outside can wake one.'
      : `These tasks wait for each other: ${cycle.map((task) => `'${task.name}'`).join(' → ')}.`;
  return new DeadlockError([head, ...lines.map((line) => `  ${line}`)].join('\n'), lines);
}

/** One line about an unfinished task: what it waits for and, in debug mode, where. */
export function taskLine(task: TaskImpl): string {
  const waits = task.waitingOn === '' ? task.state : `waits for ${task.waitingOn}`;
  const where = task.suspendedAt === undefined ? '' : ` at ${task.suspendedAt}`;
  const from = task.spawnedAt === undefined ? '' : `, spawned at ${task.spawnedAt}`;
  return `task ${task.id} '${task.name}' ${waits}${where}${from}`;
}

/** Lines that a report of tasks shows at most. */
const MOST_LINES = 20;

/** Why `stop({ graceMs })` cancels in the end: who was left, and what they waited for. */
export function graceOver(scope: ScopeImpl, graceMs: number): CoronetError {
  const left = scope.scheduler.tasks().filter((task) => scope.encloses(task.ownScope));
  const lines = left.slice(0, MOST_LINES).map((task) => `  ${taskLine(task)}`);
  if (left.length > MOST_LINES) lines.push(`  and ${left.length - MOST_LINES} more`);
  const head = `The grace period of ${graceMs} ms is over; cut off:`;
  return new CoronetError('ERR_GRACE_OVER', [head, ...lines].join('\n'));
}

/** Debug mode: a step that held the thread. */
export function longStep(task: TaskImpl, tookMs: number): CoronetError {
  return new CoronetError(
    'ERR_LONG_STEP',
    `Task '${task.name}' held the thread for ${Math.floor(tookMs)} ms without a yield` +
      `${task.suspendedAt === undefined ? '' : `, after ${task.suspendedAt}`}. Divide long ` +
      'computations with a bare `yield`.',
  );
}

/** Names of tasks that an error carries at most. */
const MOST_NAMES = 32;

/** What an error says of the tasks that it went through. */
interface TaskChain {
  /** The failed task first, then the tasks around it. */
  tasks?: readonly string[];
}

/**
 * Notes on a failed task's error which task that was, and in which tasks it lay: `error.tasks`, not
 * enumerable. In debug mode the lines of spawning and suspension are added to the stack.
 */
export function noteTasks(error: unknown, task: TaskImpl): void {
  if (!(error instanceof Error) || !Object.isExtensible(error) || 'tasks' in error) return;
  const chain: string[] = [];
  const lines: string[] = [];
  for (let at: TaskImpl | null = task; at !== null; at = at.parent) {
    if (chain.length === MOST_NAMES) {
      chain.push('…');
      break;
    }
    chain.push(at.name);
    if (at.spawnedAt !== undefined) lines.push(debugLine(at));
  }
  Object.defineProperty(error as TaskChain, 'tasks', { value: Object.freeze(chain) });
  if (lines.length > 0) Reflect.set(error, 'stack', [error.stack ?? '', ...lines].join('\n'));
}

/** Notes why a scope was unwinding on the error that left it instead, where there is room. */
export function addCause(error: unknown, cause: unknown): void {
  if (!(error instanceof Error) || error.cause !== undefined || error === cause) return;
  if (Object.isExtensible(error)) error.cause = cause;
}

function debugLine(task: TaskImpl): string {
  const suspended = task.suspendedAt === undefined ? '' : `, last suspended at ${task.suspendedAt}`;
  return `    in task '${task.name}', spawned at ${task.spawnedAt}${suspended}`;
}

/** Finding tasks that wait for each other. */

/**
 * Follows who waits for whom from `task`: the way back to it, or an empty list if there is none.
 * `most` bounds the walk: no way is longer than there are tasks.
 */
export function findCycle(task: TaskImpl, most: number): readonly TaskImpl[] {
  const way = [task];
  for (let at = holderOf(task); at !== null; at = holderOf(at)) {
    way.push(at);
    if (at === task) return way;
    if (way.length > most) return [];
  }
  return [];
}

/** The task that has to act before `task` can go on, where that is known. */
function holderOf(task: TaskImpl): TaskImpl | null {
  if (task.state !== 'waiting' || task.wait?.[0] !== 'park') return null;
  return task.wait[1].holder();
}
