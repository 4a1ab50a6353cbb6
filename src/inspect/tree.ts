/**
 * The task tree: what every task of a program does, what it waits for, and since when.
 *
 * Invariants:
 *  1. The size of the result is bounded by `maxNodes`, MAX_DEPTH and the length of texts, whatever
 *     the number, the names and the nesting of the tasks. The time is O(tasks), without recursion.
 *  2. Making a tree changes nothing and runs no code of the program, except `toString` of names
 *     that are objects and `describe` of waits that others define, which may throw.
 *  3. Every unfinished task is counted once: in `shown`, with the `count` of its node, or in
 *     `omitted`.
 */
import { currentProgram } from '../kernel/current.ts';
import type { Scheduler, SchedulerStats } from '../kernel/scheduler.ts';
import type { TaskImpl, TaskState } from '../kernel/task/task.ts';
import type { Keys } from '../support/checks.ts';
import { checkInteger, checkKeys, wrongType } from '../support/checks.ts';
import type { ResourceViews } from './resources.ts';
import { viewResources } from './resources.ts';
import { patternOf, rawText, safeText } from './text.ts';

/** Nodes of a tree, unless `maxNodes` is given, and the most that can be requested. */
const DEFAULT_NODES = 500;
const MAX_NODES = 10_000;
/** Levels that are shown: JSON.stringify and formatters may recurse. */
const MAX_DEPTH = 200;
/** Siblings that have children are one node from this number on; siblings without, from 2 on. */
const MIN_MERGED_PARENTS = 8;

/** Options of `taskTree`. */
export interface TaskTreeOptions {
  /** The most nodes of the tree, 1 to 10 000. Default 500. */
  readonly maxNodes?: number;
  /** The ids of tasks whose children are shown one by one. */
  readonly expand?: readonly number[];
  /** The program. Default: that of the running task; outside tasks, the program of the process. */
  readonly scheduler?: Scheduler;
}

const TREE_KEYS: Keys<TaskTreeOptions> = { maxNodes: true, expand: true, scheduler: true };

/** A task, or several siblings in the same wait. */
export interface TaskNode {
  /** The id of the task; of several, that of the one that has waited longest. */
  readonly id: number;
  /** The name of the task; of several, what their names have in common: "connection *". */
  readonly name: string;
  readonly state: TaskState;
  /** "recv 127.0.0.1:51512"; of several, what their waits have in common: "recv *". '' if ready. */
  readonly waitingOn: string;
  /** How long it has waited, in milliseconds; of several, the longest. 0 if ready. */
  readonly waitingMs: number;
  /** The source line that spawned it, in debug mode. */
  readonly spawnedAt?: string;
  /** The source lines at which it waits, innermost first, in debug mode. */
  readonly suspendedAt?: string;
  /** The number of tasks that this node stands for. */
  readonly count: number;
  /** In the order of spawning. */
  readonly children: readonly TaskNode[];
  /** Children that are not shown. */
  readonly hidden: number;
}

/** The tasks of a program at one moment, as plain data that JSON can express. */
export interface TaskTree {
  /** The time on the clock of `now()`, in milliseconds. */
  readonly atMs: number;
  readonly stats: SchedulerStats;
  /** The main task; null if no program runs. */
  readonly root: TaskNode | null;
  readonly resources: ResourceViews;
  /** Tasks in the tree, and unfinished tasks that are not. */
  readonly shown: number;
  readonly omitted: number;
}

/**
 * Returns what every task of a program waits for and since when: a bounded tree in which siblings
 * with similar names in the same wait are one node. Can be called anywhere: in a task, in a hook,
 * in a signal handler. Outside tasks it shows the program that `run` or `main` has started, the
 * newest if there are several.
 *
 * Waits are dated by the last time at which the event loop read its clock, so that nothing is paid
 * for it per wait: `waitingMs` may be too long by the time for which tasks held the loop then.
 *
 * Errors: TypeError and RangeError for wrong options.
 *
 * @example
 * process.on('SIGWINCH', () => console.error(formatTaskTree(taskTree({ maxNodes: 50 }))));
 */
export function taskTree(options: TaskTreeOptions = {}): TaskTree {
  checkKeys('options', options, TREE_KEYS);
  const { maxNodes = DEFAULT_NODES, expand = [] } = options;
  checkInteger('maxNodes', maxNodes, 1, MAX_NODES);
  if (!Array.isArray(expand)) throw wrongType('expand', 'an array of task ids', expand);
  const scheduler = options.scheduler ?? currentProgram();
  if (scheduler === undefined) return NO_PROGRAM;
  const atMs = scheduler.now();
  const tasks = scheduler.tasks();
  const main = tasks[0];
  const builder = new TreeBuilder(scheduler.readingMs, maxNodes, new Set(expand));
  return {
    atMs,
    stats: scheduler.stats(),
    root: main === undefined ? null : builder.build(main),
    resources: viewResources(scheduler, tasks),
    shown: builder.shown,
    omitted: tasks.length - builder.shown,
  };
}

const NO_PROGRAM: TaskTree = {
  atMs: 0,
  stats: {
    tasks: 0,
    ready: 0,
    timers: 0,
    externalWaits: 0,
    spawned: 0,
    steps: 0,
    batches: 0,
    longestMs: 0,
  },
  root: null,
  resources: {
    listeners: [],
    sockets: {
      connections: 0,
      listeners: 0,
      datagrams: 0,
      receiving: 0,
      sending: 0,
      longest: [],
    },
    locks: [],
    channels: [],
    omitted: 0,
  },
  shown: 0,
  omitted: 0,
};

/** A node whose children are still to be added. */
interface OpenNode extends TaskNode {
  readonly children: OpenNode[];
  hidden: number;
}

/** The tasks of one node. */
interface Branch {
  readonly tasks: readonly TaskImpl[];
  readonly node: OpenNode;
  readonly depth: number;
}

/** Builds level by level, so that the levels near the root are complete before deeper ones. */
class TreeBuilder {
  shown = 0;
  /** Nodes that may still be added. */
  #left: number;
  readonly #readingMs: number;
  readonly #expanded: ReadonlySet<number>;

  constructor(readingMs: number, maxNodes: number, expanded: ReadonlySet<number>) {
    this.#readingMs = readingMs;
    this.#left = maxNodes;
    this.#expanded = expanded;
  }

  build(main: TaskImpl): TaskNode {
    const root = this.#node([main]);
    const queue: Branch[] = [{ tasks: [main], node: root, depth: 1 }];
    for (const [at, branch] of queue.entries()) {
      const children = childrenOf(branch.tasks);
      if (children.length > 0) this.#addChildren(branch, children, queue, at + 1 === queue.length);
    }
    return root;
  }

  /** `isLast`: no other node waits for its children, so these may take all nodes that are left. */
  #addChildren(branch: Branch, children: readonly TaskImpl[], queue: Branch[], isLast: boolean) {
    const { node, depth } = branch;
    const isExpanded = branch.tasks.some(({ id }) => this.#expanded.has(id));
    const groups = isExpanded ? children.map((task) => [task]) : groupSiblings(children);
    const isFlat = isLast && children.every(({ openGroup }) => openGroup === null);
    const fair = isFlat ? this.#left : Math.ceil(this.#left / 2);
    for (const tasks of largest(groups, depth < MAX_DEPTH ? fair : 0)) {
      const child = this.#node(tasks);
      node.children.push(child);
      queue.push({ tasks, node: child, depth: depth + 1 });
    }
    const shown = node.children.reduce((sum, { count }) => sum + count, 0);
    node.hidden = children.length - shown;
  }

  #node(tasks: readonly TaskImpl[]): OpenNode {
    this.#left--;
    this.shown += tasks.length;
    const readingMs = this.#readingMs;
    const oldest = longestWaiting(tasks, readingMs);
    const common = tasks.length === 1 ? (text: string) => text : patternOf;
    const { spawnedAt, suspendedAt } = oldest;
    return {
      id: oldest.id,
      name: common(safeText(() => oldest.title)),
      state: oldest.state,
      waitingOn: common(safeText(() => oldest.waitingOn)),
      waitingMs: oldest.waitedMs(readingMs),
      ...(spawnedAt === undefined ? {} : { spawnedAt }),
      ...(suspendedAt === undefined ? {} : { suspendedAt }),
      count: tasks.length,
      children: [],
      hidden: 0,
    };
  }
}

function childrenOf(tasks: readonly TaskImpl[]): readonly TaskImpl[] {
  const [only] = tasks;
  if (tasks.length === 1 && only !== undefined) return only.children();
  return tasks.flatMap((task) => (task.openGroup === null ? [] : task.children()));
}

function longestWaiting(tasks: readonly TaskImpl[], readingMs: number): TaskImpl {
  let oldest = tasks[0] as TaskImpl;
  let longestMs = oldest.waitedMs(readingMs);
  for (const task of tasks) {
    const waitedMs = task.waitedMs(readingMs);
    if (waitedMs <= longestMs) continue;
    oldest = task;
    longestMs = waitedMs;
  }
  return oldest;
}

/** Siblings by what their names and waits have in common, in the order of the first of each. */
function groupSiblings(tasks: readonly TaskImpl[]): readonly (readonly TaskImpl[])[] {
  if (tasks.length === 1) return [tasks];
  const groups = new SiblingGroups();
  for (const task of tasks) groups.add(task);
  return groups.inOrder.flatMap((group) => {
    const isParent = group[0]?.openGroup !== null;
    const isMerged = !isParent || group.length >= MIN_MERGED_PARENTS;
    return isMerged ? [group] : group.map((task) => [task]);
  });
}

/** Groups by wait, and in each by the pattern of the name, without a string for both. */
class SiblingGroups {
  readonly inOrder: TaskImpl[][] = [];
  readonly #leaves = new Map<string, Map<string, TaskImpl[]>>();
  readonly #parents = new Map<string, Map<string, TaskImpl[]>>();
  /** The last description of a wait, which is often that of the next task too. */
  #described = '';
  #kind = '';

  add(task: TaskImpl): void {
    const byWait = task.openGroup === null ? this.#leaves : this.#parents;
    const kind = this.#waitKind(task);
    const byName = byWait.get(kind) ?? new Map<string, TaskImpl[]>();
    if (byName.size === 0) byWait.set(kind, byName);
    const name = patternOf(rawText(() => task.title));
    const group = byName.get(name);
    if (group !== undefined) return void group.push(task);
    const first = [task];
    byName.set(name, first);
    this.inOrder.push(first);
  }

  /** All receives, all sends and all sleeps are alike. */
  #waitKind(task: TaskImpl): string {
    const { state, wait } = task;
    if (state !== 'waiting' || wait === undefined) return state;
    if (wait[0] !== 'park') return wait[0];
    const described = rawText(() => wait[1].describe());
    if (described !== this.#described) {
      this.#described = described;
      this.#kind = patternOf(described);
    }
    return this.#kind;
  }
}

/** The `limit` largest groups, in the order of `groups`. */
function largest(
  groups: readonly (readonly TaskImpl[])[],
  limit: number,
): readonly (readonly TaskImpl[])[] {
  if (groups.length <= limit) return groups;
  const bySize = [...groups].sort((a, b) => b.length - a.length);
  const kept = new Set(bySize.slice(0, limit));
  return groups.filter((group) => kept.has(group));
}
