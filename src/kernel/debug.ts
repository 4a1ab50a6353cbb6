/**
 * Debug mode: checks that are useful during development and too slow for production.
 *
 *  - An operation that was made, never driven, and then garbage-collected is reported with the
 *    source line that made it.
 *  - Tasks record the source line that spawned them, and the lines at which they were suspended.
 *  - A step that holds the thread for a long time is reported.
 *
 * It is on during a run with `debug: true`, or always with CORONET_DEBUG=1, which the host reads.
 * When it is off, each check costs one comparison.
 */
import { UsageError } from './errors.ts';
import type { TaskImpl } from './task/task.ts';

/** A step that takes longer than this is reported. */
export const LONG_STEP_MS = 50;

/** The tracker of all runs in debug mode in this thread; null: debug mode is off. */
export const debug: { tracker: Tracker | null } = { tracker: null };

let runs = 0;

/**
 * Turns debug mode on for a run. Problems are passed to `report`. Returns a function that turns it
 * off again for this run.
 */
export function enterDebug(report: (problem: unknown) => void): () => void {
  runs++;
  debug.tracker ??= new Tracker(report);
  let hasLeft = false;
  return () => {
    if (hasLeft) return;
    hasLeft = true;
    runs--;
    if (runs === 0) debug.tracker = null;
  };
}

/** Records the source lines of operations and tasks. */
class Tracker {
  readonly #collected: FinalizationRegistry<string>;
  readonly #spawned = new WeakMap<TaskImpl, string>();
  readonly #suspended = new WeakMap<TaskImpl, string>();

  constructor(report: (problem: unknown) => void) {
    this.#collected = new FinalizationRegistry((line) => report(notDriven(line)));
  }

  /** An operation was made. */
  made(operation: object): void {
    this.#collected.register(operation, callerLines(1), operation);
  }

  /** The operation was driven or discarded. */
  driven(operation: object): void {
    this.#collected.unregister(operation);
  }

  spawned(task: TaskImpl): void {
    this.#spawned.set(task, callerLines(1));
  }

  suspends(task: TaskImpl): void {
    this.#suspended.set(task, callerLines(4));
  }

  /** `undefined` for a task that was spawned by the runtime or before debug mode was on. */
  spawnedAt(task: TaskImpl): string | undefined {
    return this.#spawned.get(task) || undefined;
  }

  suspendedAt(task: TaskImpl): string | undefined {
    return this.#suspended.get(task) || undefined;
  }
}

/** The innermost `count` lines of the current stack that are outside the runtime. */
function callerLines(count: number): string {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 30;
  const stack = new Error('line').stack ?? '';
  Error.stackTraceLimit = limit;
  return userLines(stack, runtimeDirectory === undefined ? count + BUNDLED_LINES : count);
}

/** The innermost `count` lines of `stack` that are outside the runtime, or ''. */
export function userLines(stack: string, count: number): string {
  const lines = stack.split('\n').filter((line) => /^ +at /.test(line) && isUserLine(line));
  return lines
    .slice(0, count)
    .map((line) => line.trim().replace(/^at /, ''))
    .join(' ← ');
}

/** In a bundle, lines of the runtime are not recognized: more lines are recorded. */
const BUNDLED_LINES = 6;

/**
 * The directory of this runtime, src/ or dist/, as stack lines show it. Undefined in a bundle that
 * a bundler has made of a program: its file contains both. esbuild does not warn about
 * `import.meta` in a try block; `import.meta.url` is undefined in a bundle in CommonJS format.
 */
function findRuntimeDirectory(): string | undefined {
  try {
    const own = /^(?:file:\/\/)?(.*\/)(?:kernel\/debug\.ts|layers\/kernel\.js)$/;
    return own.exec(import.meta.url)?.[1];
  } catch {
    return undefined;
  }
}

export const runtimeDirectory: string | undefined = findRuntimeDirectory();

function isUserLine(line: string): boolean {
  if (/[ (]node:/.test(line) || line.includes('(<anonymous>)')) return false;
  if (runtimeDirectory === undefined) return true;
  return !line.includes(runtimeDirectory) || line.includes('.test.');
}

function notDriven(line: string): UsageError {
  const text = `An operation was made and never driven: a \`yield*\` is missing at ${line}`;
  return new UsageError('ERR_NOT_DRIVEN', text);
}
