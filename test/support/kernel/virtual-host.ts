/**
 * A host for tests of the kernel. Its clock does not advance while tasks run. When no task is ready
 * it advances to the next timer, so tests do not sleep. Without a timer it declares a deadlock.
 */
import type { Hooks } from '../../../src/kernel/hooks.ts';
import type { SchedulerHost } from '../../../src/kernel/host.ts';
import type { Operation, OperationSource } from '../../../src/kernel/operation.ts';
import { Scheduler } from '../../../src/kernel/scheduler.ts';
import { isCancelled } from '../../../src/kernel/scope/cancelled.ts';
import type { Scope } from '../../../src/kernel/scope/scope.ts';
import { scope } from '../../../src/kernel/scope/with-scope.ts';
import type { Group } from '../../../src/kernel/task/group.ts';
import { group } from '../../../src/kernel/task/group.ts';
import type { TaskImpl } from '../../../src/kernel/task/task.ts';

export interface PlayOptions {
  readonly hooks?: Hooks;
  readonly name?: string;
  /** The world of the scheduler; see SchedulerOptions. */
  readonly world?: unknown;
  /** The number of turns after which `play` throws, because the program does not end. */
  readonly maxTurns?: number;
}

export class VirtualHost implements SchedulerHost {
  /** Milliseconds since the creation of the scheduler. Tests may advance it during a step. */
  time = 0;
  /** The number of calls of `wake`. */
  wakes = 0;
  readonly warnings: unknown[] = [];
  readonly scheduler: Scheduler;
  readonly #maxTurns: number;

  constructor(options: PlayOptions = {}) {
    const { hooks, world, maxTurns = 3_000_000 } = options;
    this.scheduler = new Scheduler({ host: this, hooks, world });
    this.#maxTurns = maxTurns;
  }

  now(): number {
    return this.time;
  }

  wake(): void {
    this.wakes++;
  }

  random(): number {
    return 0.5;
  }

  warn(problem: unknown): void {
    this.warnings.push(problem);
  }

  /** Runs `op` to its end. Returns its result; throws its error or its Cancelled. */
  play<T>(op: OperationSource<T>, name?: string): T {
    const main = this.scheduler.start(op, name);
    for (let turns = 0; this.scheduler.live > 0; turns++) {
      if (turns > this.#maxTurns) throw new Error(`no end after ${turns} turns`);
      if (this.scheduler.turn() > 0) this.#advanceClock();
    }
    return outcomeOf(this.scheduler, main);
  }

  playGroup<T>(body: (group: Group) => Operation<T>, name?: string): T {
    return this.play(() => group(body), name);
  }

  playScope<T>(body: (scope: Scope) => Operation<T>, name?: string): T | undefined {
    return this.play(() => scope(body), name);
  }

  #advanceClock(): void {
    const { scheduler } = this;
    if (scheduler.live === 0) return;
    const at = scheduler.nextTimerAt;
    if (at !== Infinity) this.time = Math.max(this.time, at);
    else if (scheduler.deadlock === null) scheduler.declareDeadlock();
    else throw new Error(`stuck: ${scheduler.deadlock.message}`);
  }
}

function outcomeOf<T>(scheduler: Scheduler, main: TaskImpl<T>): T {
  if (scheduler.deadlock !== null) throw scheduler.deadlock;
  if (main.state === 'done') return main.outcome as T;
  throw main.outcome;
}

/** Runs `op` on a new host; see `VirtualHost.play`. */
export function play<T>(op: OperationSource<T>, options: PlayOptions = {}): T {
  return new VirtualHost(options).play(op, options.name);
}

/** Runs a group with this body on a new host. */
export function playGroup<T>(body: (group: Group) => Operation<T>, options: PlayOptions = {}): T {
  return play(() => group(body), options);
}

/** Runs a scope with this body on a new host. */
export function playScope<T>(
  body: (scope: Scope) => Operation<T>,
  options: PlayOptions = {},
): T | undefined {
  return play(() => scope(body), options);
}

/** Runs `op`, which must fail, and returns the value that it throws. */
export function failureOf(op: OperationSource<unknown>, options: PlayOptions = {}): unknown {
  try {
    play(op, options);
  } catch (error) {
    return error;
  }
  throw new Error('expected the operation to fail');
}

/** The `code` of what `op` fails with; 'Cancelled' for a cancellation. */
export function codeOf(op: OperationSource<unknown>, options: PlayOptions = {}): string {
  const error = failureOf(op, options);
  if (isCancelled(error)) return 'Cancelled';
  return String((error as { readonly code?: unknown }).code);
}
