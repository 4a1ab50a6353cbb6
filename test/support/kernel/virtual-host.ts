/**
 * A host without a world, for tests of the kernel: its clock stands still while tasks run and jumps
 * to the next timer when none can, so nothing ever sleeps. When not even a timer is left, that is a
 * deadlock.
 */

import type { Hooks } from '../../../src/kernel/hooks.ts';
import type { SchedulerHost } from '../../../src/kernel/host.ts';
import type { OperationSource } from '../../../src/kernel/operation.ts';
import { Scheduler } from '../../../src/kernel/scheduler.ts';
import { isCancelled } from '../../../src/kernel/scope/cancelled.ts';
import type { TaskImpl } from '../../../src/kernel/task/task.ts';

export interface PlayOptions {
  readonly hooks?: Hooks;
  readonly name?: string;
  /** What the pure rooms above the kernel find; a test's own. */
  readonly world?: unknown;
  /** Turns after which the play is given up: the program runs for ever. */
  readonly maxTurns?: number;
}

export class VirtualHost implements SchedulerHost {
  /** Milliseconds; the scheduler began at 0. A test may move it forward in the middle of a step. */
  time = 0;
  /** How often the scheduler has asked for a turn. */
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

  /** Runs `op` to its end. Gives its result; throws its error, or the Cancelled that ended it. */
  play<T>(op: OperationSource<T>, name?: string): T {
    const main = this.scheduler.start(op, name);
    for (let turns = 0; this.scheduler.live > 0; turns++) {
      if (turns > this.#maxTurns) throw new Error(`no end after ${turns} turns`);
      if (this.scheduler.turn() > 0) this.#jump();
    }
    return outcomeOf(this.scheduler, main);
  }

  #jump(): void {
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

/** Runs `op` on a host of its own; see `VirtualHost.play`. */
export function play<T>(op: OperationSource<T>, options: PlayOptions = {}): T {
  return new VirtualHost(options).play(op, options.name);
}

/** Runs `op`, which has to fail, and gives what it threw. */
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
