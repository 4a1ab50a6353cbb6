/**
 * Debug mode: what is worth knowing while a program is written, and too dear to know all the time.
 *
 *  - every operation that was made, never driven, and collected is reported, with the line that
 *    made it
 *  - tasks know the line that spawned them, and the line at which they were last suspended
 *  - a step that holds the thread for long is named
 *
 * It is on while a run with `debug: true` is under way (or all the time with CORONET_DEBUG=1, which
 * the host reads). Otherwise each place that asks pays for one comparison.
 */
import { UsageError } from './errors.ts';
import type { TaskImpl } from './task/task.ts';

/** A step that takes longer than this is named. */
export const LONG_STEP_MS = 50;

/** The tracker of the runs in debug mode; null: debug mode is off. One for the whole thread. */
export const debug: { tracker: Tracker | null } = { tracker: null };

let users = 0;

/** Turns debug mode on for one more run; what it finds goes to `report`. Returns the way back. */
export function enterDebug(report: (problem: unknown) => void): () => void {
  users++;
  debug.tracker ??= new Tracker(report);
  let left = false;
  return () => {
    if (left) return;
    left = true;
    users--;
    if (users === 0) debug.tracker = null;
  };
}

/** Watches operations and remembers lines. */
export class Tracker {
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

  /** It was driven, or given up. */
  driven(operation: object): void {
    this.#collected.unregister(operation);
  }

  spawned(task: TaskImpl): void {
    this.#spawned.set(task, callerLines(1));
  }

  suspends(task: TaskImpl): void {
    this.#suspended.set(task, callerLines(4));
  }

  /** `undefined`: not known, or by the runtime itself. */
  spawnedAt(task: TaskImpl): string | undefined {
    return this.#spawned.get(task) || undefined;
  }

  suspendedAt(task: TaskImpl): string | undefined {
    return this.#suspended.get(task) || undefined;
  }
}

/** The innermost `most` lines of the stack that are not the runtime's own. */
function callerLines(most: number): string {
  const before = Error.stackTraceLimit;
  Error.stackTraceLimit = 30;
  const stack = new Error('line').stack ?? '';
  Error.stackTraceLimit = before;
  return userLines(stack, most);
}

/** The innermost `most` lines of `stack` that are not the runtime's own; '' where there is none. */
export function userLines(stack: string, most: number): string {
  const lines = stack.split('\n').filter((line) => /^ +at /.test(line) && isUserLine(line));
  return lines
    .slice(0, most)
    .map((line) => line.trim().replace(/^at /, ''))
    .join(' ← ');
}

/** The directory of this runtime, src/ or dist/, as it stands in stack lines. */
const RUNTIME_DIRECTORY = import.meta.url.replace(/[^/]+\/[^/]+$/, '').replace(/^file:\/\//, '');

function isUserLine(line: string): boolean {
  if (/[ (]node:/.test(line) || line.includes('(<anonymous>)')) return false;
  return !line.includes(RUNTIME_DIRECTORY) || line.includes('.test.');
}

function notDriven(line: string): UsageError {
  return new UsageError(
    'ERR_NOT_DRIVEN',
    `An operation was made and never driven: a \`yield*\` is missing at ${line}`,
  );
}
