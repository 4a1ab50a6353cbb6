/**
 * One life of a simulated host: from the start of its program to its end or its crash. A life is
 * the host of a scheduler (its clock and its run queue) and the world of the tasks in it.
 *
 * Invariant: once a life is over, nothing wakes a task of it any more. Tasks of a crashed host may
 * still be parked in things that it shares with others (channels of the test), and be woken there.
 */
import { enterDebug } from '../kernel/debug.ts';
import type { Hooks } from '../kernel/hooks.ts';
import type { SchedulerHost } from '../kernel/host.ts';
import { Scheduler } from '../kernel/scheduler.ts';
import type { TaskImpl } from '../kernel/task/task.ts';
import type { Queue } from '../support/ring-buffer.ts';
import type { Platform } from '../world/platform.ts';
import type { RuntimeWorld } from '../world/world.ts';
import type { DecisionStream } from './choices/decisions.ts';
import type { HostNetwork } from './core.ts';
import type { SimHost } from './host.ts';
import type { Simulator } from './simulator.ts';

export interface ProcessOptions {
  readonly hooks: Hooks | undefined;
  readonly debug: boolean;
}

export class SimProcess implements SchedulerHost, Queue<TaskImpl>, RuntimeWorld {
  readonly host: SimHost;
  readonly network: HostNetwork;
  readonly scheduler: Scheduler;
  /** `main` is not simulated: a program has no frame here. */
  readonly program = undefined;
  /** How many of its tasks are ready. */
  length = 0;
  ended = false;
  readonly #simulator: Simulator;
  readonly #clockRate: number;
  /** When it began, on the world's clock. */
  readonly #startedAt: number;
  /** The host's clock shows at least this: a timer that fires finds its time come, to the bit. */
  #minNow = 0;
  readonly #leaveDebug: (() => void) | null;
  /** What the host's own `random` draws from. */
  readonly #decisionStream: DecisionStream;

  constructor(host: SimHost, simulator: Simulator, network: HostNetwork, options: ProcessOptions) {
    this.host = host;
    this.network = network;
    this.#simulator = simulator;
    this.#clockRate = host.clockRate;
    this.#startedAt = simulator.now;
    this.#decisionStream = simulator.decisions.stream('program', host.name);
    const { hooks, debug } = options;
    this.#leaveDebug = debug ? enterDebug((problem) => this.warn(problem)) : null;
    this.scheduler = new Scheduler({ host: this, world: this, hooks, debug, runQueue: this });
  }

  get platform(): Platform {
    return this.host;
  }

  // ---- the clock ----

  now(): number {
    const now = (this.#simulator.now - this.#startedAt) * this.#clockRate;
    return Math.max(now, this.#minNow);
  }

  /** When its next timer fires, on the world's clock. */
  get nextTimerAt(): number {
    return this.#startedAt + this.scheduler.nextTimerAt / this.#clockRate;
  }

  /** Fires what is due by now. */
  fireTimers(): void {
    if (this.nextTimerAt > this.#simulator.now) return;
    const { nextTimerAt } = this.scheduler;
    if (this.now() < nextTimerAt) this.#minNow = nextTimerAt;
    this.scheduler.fireTimers();
  }

  // ---- the run queue: it lies in the simulator, with the tasks of all hosts ----

  push(task: TaskImpl): void {
    if (this.ended) return;
    this.length++;
    this.#simulator.becameReady(task);
  }

  shift(): TaskImpl {
    this.length--;
    return this.#simulator.ready.takeFirstOf(this.scheduler);
  }

  // ---- the rest of a host ----

  /** Tasks become ready only where the simulator sees it; it asks for the timers by itself. */
  wake(): void {}

  random(): number {
    return this.#simulator.decisions.between(this.#decisionStream, 0, 1);
  }

  warn(problem: unknown): void {
    if (!this.ended) this.#simulator.runState.reportProblem(this.host, problem);
  }

  /** Nothing of it happens any more. */
  end(): void {
    if (this.ended) return;
    while (this.length > 0) this.shift();
    this.ended = true;
    this.#leaveDebug?.();
  }
}
