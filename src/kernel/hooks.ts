/**
 * Hooks observe a run. A run without hooks is as fast as if they did not exist. A hook runs inside
 * the scheduler and must not wait. An error that it throws is reported as a warning.
 */
import type { Keys } from '../support/checks.ts';
import { checkKeys } from '../support/checks.ts';
import type { Wait } from './operation.ts';
import type { Task, TaskImpl } from './task/task.ts';

/** Observes the steps of a running program; see Scheduler.observeSteps. Must not throw. */
export interface StepObserver {
  stepBegins(task: TaskImpl): void;
  /** The step took `tookMs` milliseconds. */
  stepEnded(task: TaskImpl, tookMs: number): void;
}

/** Functions that observe a run. All are optional. */
export interface Hooks {
  /** A task was created; it has not run yet. */
  taskSpawned?(task: Task<unknown>): void;
  /** A task is about to be resumed. */
  stepBegins?(task: Task<unknown>): void;
  /** The task has yielded or returned or thrown. */
  stepEnds?(task: Task<unknown>): void;
  /** The task has yielded `wait`; `undefined` is a bare yield. */
  taskWaits?(task: Task<unknown>, wait: Wait): void;
  /** The wait of the task has ended: it is ready. */
  taskWakes?(task: Task<unknown>): void;
  /** A cancellation is about to be thrown into the task. */
  taskCancelled?(task: Task<unknown>): void;
  /** The task has ended: `task.state` is 'done', 'failed' or 'cancelled'. */
  taskFinished?(task: Task<unknown>): void;
  /** A batch of `ready` tasks begins. */
  batchBegins?(ready: number): void;
  /** The host has polled the network. */
  polled?(): void;
  /** Receives an error that no task can receive. The default is a process warning. */
  onUnhandled?(error: unknown): void;
}

const HOOK_NAMES: Keys<Hooks> = {
  taskSpawned: true,
  stepBegins: true,
  stepEnds: true,
  taskWaits: true,
  taskWakes: true,
  taskCancelled: true,
  taskFinished: true,
  batchBegins: true,
  polled: true,
  onUnhandled: true,
};

/** Throws for a misspelled hook. An object of a class may have members of its own. */
export function checkHooks(hooks: Hooks | undefined): void {
  if (hooks === undefined) return;
  const isObject = typeof hooks === 'object' && hooks !== null;
  if (isObject && Object.getPrototypeOf(hooks) !== Object.prototype) return;
  checkKeys('options.hooks', hooks, HOOK_NAMES);
}

type Hook = (...args: unknown[]) => unknown;

/** Hooks that call those of `first` and then those of `second`. */
export function combineHooks(first: Hooks, second: Hooks = {}): Hooks {
  const combined: Record<string, Hook> = {};
  for (const name of Object.keys(HOOK_NAMES) as (keyof Hooks)[]) {
    const [before, after] = [first[name] as Hook | undefined, second[name] as Hook | undefined];
    if (before === undefined && after === undefined) continue;
    combined[name] = (...args) => {
      before?.apply(first, args);
      return after?.apply(second, args);
    };
  }
  return combined;
}
