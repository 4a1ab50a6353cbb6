/**
 * Deadlocks: cycles of tasks that wait for each other, and runs in which no task can run again.
 *
 * Parkings state the tasks that must act first (`Parking.holders`): the owner of a lock, the task
 * to join, the members of a group. A wait that would close a cycle of such waits is rejected, so
 * there is never a cycle to detect later. Without a lock, a permit or a join that others wait for,
 * `isAwaited` ends the search before it begins.
 */
import { taskLine } from './diagnostics.ts';
import { DeadlockError } from './errors.ts';
import type { Parking } from './parking.ts';
import type { ScopeImpl } from './scope/scope.ts';
import type { TaskImpl } from './task/task.ts';

/** A task in the search, and the wait that some of the tasks around it must end. */
interface Waiting {
  readonly task: TaskImpl;
  /** Null if something other than the tasks of the search can end the wait. */
  readonly parking: Parking | null;
  readonly holders: readonly TaskImpl[];
}

/** The error for `task`, which begins to wait for `parking`; null if that closes no cycle. */
export function deadlockOfWait(task: TaskImpl, parking: Parking): DeadlockError | null {
  if (!isAwaited(task) || parking.canEnd(isNotWaiting)) return null;
  const cycle = findCycle(task);
  return cycle.length === 0 ? null : cycleError(cycle);
}

/**
 * True if another task may wait for `task`: it joins it, waits for a lock or a permit of it, or is
 * the owner of its group and such a task itself. Owners of groups alone cannot form a cycle.
 */
function isAwaited(task: TaskImpl): boolean {
  if (!task.scheduler.holdersAreTracked) return true;
  for (let at = task; ; at = at.group.owner) {
    if (at.joiners !== null && at.joiners.size > 0) return true;
    if (at.group === null || at.daemon || !at.group.awaited) return false;
  }
}

function isNotWaiting(task: TaskImpl): boolean {
  return task.state !== 'waiting';
}

/** The shortest cycle through `task` in which no wait can end, from `task` to the last task. */
function findCycle(task: TaskImpl): readonly TaskImpl[] {
  const found = collect(task);
  if (!found.some(({ holders }) => holders.includes(task))) return [];
  const free = freeTasks(found);
  if (free.has(task)) return [];
  return shortestCycle(
    task,
    found.filter((waiting) => !free.has(waiting.task)),
  );
}

/** The tasks that `task` waits for, directly and indirectly, and `task` itself as the first. */
function collect(task: TaskImpl): readonly Waiting[] {
  const seen = new Set([task]);
  const found: Waiting[] = [];
  for (const at of seen) {
    const waiting = waitOf(at);
    found.push(waiting);
    for (const holder of waiting.holders) seen.add(holder);
  }
  return found;
}

function waitOf(task: TaskImpl): Waiting {
  const parking = task.state === 'waiting' && task.wait?.[0] === 'park' ? task.wait[1] : null;
  const holders = parking === null || endsInTime(task.scope) ? [] : parking.holders();
  return { task, parking: holders.length === 0 ? null : parking, holders };
}

/** True if a cancellation or a time limit that is already running will end waits in `scope`. */
function endsInTime(scope: ScopeImpl): boolean {
  if (scope.cancelledBy !== null) return true;
  for (let at: ScopeImpl | null = scope; at !== null; at = at.parent) {
    if (at.limited) return true;
    if (at.shielding) return false;
  }
  return false;
}

/** The tasks whose wait can end: nothing holds them, or enough of their holders are free. */
function freeTasks(found: readonly Waiting[]): Set<TaskImpl> {
  const free = new Set<TaskImpl>();
  let before = -1;
  while (free.size > before) {
    before = free.size;
    // The last tasks found first: they are the ends of the chains.
    for (let i = found.length - 1; i >= 0; i--) {
      const { task, parking } = found[i] as Waiting;
      if (free.has(task)) continue;
      if (parking === null || parking.canEnd((holder) => free.has(holder))) free.add(task);
    }
  }
  return free;
}

/** A breadth-first search. Empty if `task` only leads to a cycle of others. */
function shortestCycle(task: TaskImpl, stuck: readonly Waiting[]): readonly TaskImpl[] {
  const holdersOf = new Map(stuck.map((waiting) => [waiting.task, waiting.holders]));
  const previous = new Map<TaskImpl, TaskImpl>();
  const queue = [task];
  for (const at of queue) {
    for (const holder of holdersOf.get(at) ?? []) {
      if (previous.has(holder)) continue;
      previous.set(holder, at);
      queue.push(holder);
    }
    if (previous.has(task)) break;
  }
  const cycle: TaskImpl[] = [];
  for (let at = previous.get(task); at !== undefined && at !== task; at = previous.get(at)) {
    cycle.push(at);
  }
  return previous.has(task) ? [task, ...cycle.reverse()] : [];
}

/** Tasks of a cycle that its report names. */
const MAX_CYCLE_TASKS = 20;

function cycleError(cycle: readonly TaskImpl[]): DeadlockError {
  const shown = cycle.slice(0, MAX_CYCLE_TASKS);
  const names = shown.map(({ name }) => `'${name}'`);
  if (cycle.length > shown.length) names.push(`${cycle.length - shown.length} more tasks`);
  const head = `These tasks wait for each other: ${[...names, names[0]].join(' → ')}.`;
  return report(head, shown);
}

/** The report of a run in which no task can run again. */
export function runDeadlock(tasks: readonly TaskImpl[]): DeadlockError {
  return report('No task can ever run again, and no event from outside can wake one.', tasks);
}

function report(head: string, tasks: readonly TaskImpl[]): DeadlockError {
  const lines = tasks.map(taskLine);
  return new DeadlockError([head, ...lines.map((line) => `  ${line}`)].join('\n'), lines);
}
