/**
 * Debug mode: checks that are useful during development and too slow for production.
 *
 *  - The line that made an operation is recorded, for the reports of task/undriven.ts.
 *  - Tasks record the source line that spawned them, and the lines at which they were suspended.
 *  - A step that holds the thread for a long time is reported.
 *  - Bytes on loan are overwritten at the end of the step that borrowed them.
 *
 * It is on during a run with `debug: true`, or always with CORONET_DEBUG=1, which the host reads.
 * When it is off, each check costs one comparison.
 */
import type { TaskImpl } from './task/task.ts';

/** A step that takes longer than this is reported. */
export const LONG_STEP_MS = 50;

/** The tracker of all runs in debug mode in this thread; null: debug mode is off. */
export const debug: { tracker: Tracker | null } = { tracker: null };

let runs = 0;

/** Turns debug mode on for a run. Returns a function that turns it off again for this run. */
export function enterDebug(): () => void {
  runs++;
  debug.tracker ??= new Tracker();
  let hasLeft = false;
  return () => {
    if (hasLeft) return;
    hasLeft = true;
    runs--;
    if (runs === 0) debug.tracker = null;
  };
}

/** Overwrites bytes whose loan has ended. */
const POISON = 0xdb;

/** Records the source lines of tasks, and the bytes on loan. */
class Tracker {
  #lent: Uint8Array | null = null;
  readonly #spawned = new WeakMap<TaskImpl, string>();
  readonly #suspended = new WeakMap<TaskImpl, string>();

  /** `bytes` are on loan until the next loan, or until the running task waits. */
  lend(bytes: Uint8Array): void {
    this.endLoan();
    this.#lent = bytes;
  }

  endLoan(): void {
    this.#lent?.fill(POISON);
    this.#lent = null;
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
    const own = /^(?:file:\/\/)?(.*\/)(?:kernel\/debug\.ts|bundles\/core\.js)$/;
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
