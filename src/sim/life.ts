/**
 * One life of a simulated host: from the start of its program to its end or its crash. A life is
 * the host of a scheduler (its clock and its run queue) and the world of the tasks in it.
 *
 * Invariant: once a life is over, nothing wakes a task of it any more. Tasks of a crashed host may
 * still be parked in things that it shares with others (channels of the test), and be woken there.
 */
import { enterDebug } from '../kernel/debug.ts';
import type { Hooks } from '../kernel/hooks.ts';
import type { Host } from '../kernel/host.ts';
import type { Queue } from '../kernel/ring.ts';
import { Scheduler } from '../kernel/scheduler.ts';
import type { TaskRecord } from '../kernel/task.ts';
import type { Platform } from '../world/platform.ts';
import type { World } from '../world/world.ts';
import type { Lane } from './decisions.ts';
import type { Machine } from './machine.ts';
import type { HostNetwork } from './medium.ts';
import type { Simulator } from './simulator.ts';

export interface LifeOptions {
  readonly hooks: Hooks | undefined;
  readonly debug: boolean;
}

export class Life implements Host, Queue<TaskRecord>, World {
  readonly machine: Machine;
  readonly network: HostNetwork;
  readonly scheduler: Scheduler;
  /** `main` is not simulated: a program has no frame here. */
  readonly program = undefined;
  /** How many of its tasks are ready. */
  length = 0;
  over = false;
  readonly #simulator: Simulator;
  readonly #clockRate: number;
  /** When it began, on the world's clock. */
  readonly #born: number;
  /** The host's clock shows at least this: a timer that fires finds its time come, to the bit. */
  #least = 0;
  readonly #leaveDebug: (() => void) | null;
  /** What the host's own `random` draws from. */
  readonly #lane: Lane;

  constructor(machine: Machine, simulator: Simulator, network: HostNetwork, options: LifeOptions) {
    this.machine = machine;
    this.network = network;
    this.#simulator = simulator;
    this.#clockRate = machine.clockRate;
    this.#born = simulator.now;
    this.#lane = simulator.decisions.lane('program', machine.name);
    const { hooks, debug } = options;
    this.#leaveDebug = debug ? enterDebug((problem) => this.warn(problem)) : null;
    this.scheduler = new Scheduler({ host: this, world: this, hooks, debug, runQueue: this });
  }

  get platform(): Platform {
    return this.machine;
  }

  // ---- the clock ----

  now(): number {
    const now = (this.#simulator.now - this.#born) * this.#clockRate;
    return Math.max(now, this.#least);
  }

  /** When its next timer fires, on the world's clock. */
  get nextTimerAt(): number {
    return this.#born + this.scheduler.nextTimerAt / this.#clockRate;
  }

  /** Fires what is due by now. */
  fireTimers(): void {
    if (this.nextTimerAt > this.#simulator.now) return;
    const { nextTimerAt } = this.scheduler;
    if (this.now() < nextTimerAt) this.#least = nextTimerAt;
    this.scheduler.fireTimers();
  }

  // ---- the run queue: it lies in the simulator, with the tasks of all hosts ----

  push(task: TaskRecord): void {
    if (this.over) return;
    this.length++;
    this.#simulator.becameReady(task);
  }

  shift(): TaskRecord {
    this.length--;
    return this.#simulator.ready.takeFirstOf(this.scheduler);
  }

  // ---- the rest of a host ----

  /** Tasks become ready only where the simulator sees it; it asks for the timers by itself. */
  wake(): void {}

  random(): number {
    return this.#simulator.decisions.between(this.#lane, 0, 1);
  }

  warn(problem: unknown): void {
    if (!this.over) this.#simulator.course.problem(this.machine, problem);
  }

  /** Nothing of it happens any more. */
  end(): void {
    if (this.over) return;
    while (this.length > 0) this.shift();
    this.over = true;
    this.#leaveDebug?.();
  }
}
