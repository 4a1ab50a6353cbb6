/**
 * One process of a simulated host, from the start of its program to its end or its crash. A process
 * is the host of a scheduler (clock and run queue) and the world of its tasks.
 *
 * Invariant: no task of an ended process is ever woken. Tasks of a crashed host may still wait in
 * objects that hosts share, such as a channel of the test.
 */
import { enterDebug } from '../kernel/debug.ts';
import type { AsyncContexts, SchedulerHost } from '../kernel/host.ts';
import { Scheduler } from '../kernel/scheduler.ts';
import type { TaskImpl } from '../kernel/task/task.ts';
import type { Queue } from '../support/ring-buffer.ts';
import type { Network } from '../world/network.ts';
import type { Platform } from '../world/platform.ts';
import type { RuntimeWorld } from '../world/world.ts';
import type { DecisionStream } from './choices/decisions.ts';
import { takeAt } from './choices/order.ts';
import type { SimHost } from './host.ts';
import type { Simulator } from './simulator.ts';

export class SimProcess implements SchedulerHost, Queue<TaskImpl>, RuntimeWorld {
  readonly host: SimHost;
  readonly network: Network;
  readonly contexts: AsyncContexts | null;
  readonly scheduler: Scheduler;
  /** `main` is not simulated, so a program has no lifecycle. */
  readonly program = undefined;
  /** The number of its ready tasks. */
  length = 0;
  ended = false;
  readonly #simulator: Simulator;
  readonly #clockRate: number;
  /** The time of its start on the world's clock. */
  readonly #startedAt: number;
  /** The smallest value of `now()`: when a timer fires, the clock shows exactly its time. */
  #minNow = 0;
  readonly #leaveDebug: (() => void) | null;
  /** The source of `random()`. */
  readonly #decisionStream: DecisionStream;

  constructor(host: SimHost, simulator: Simulator, network: Network) {
    this.host = host;
    this.network = network;
    this.contexts = simulator.contexts;
    this.#simulator = simulator;
    this.#clockRate = host.clockRate;
    this.#startedAt = simulator.now;
    this.#decisionStream = simulator.decisions.stream('program', host.name);
    const { hooks, debug } = simulator.settings;
    this.#leaveDebug = debug ? enterDebug() : null;
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

  /** The time of its next timer, on the world's clock. */
  get nextTimerAt(): number {
    return this.#startedAt + this.scheduler.nextTimerAt / this.#clockRate;
  }

  /** Fires the timers that are due. */
  fireTimers(): void {
    if (this.nextTimerAt > this.#simulator.now) return;
    const { nextTimerAt } = this.scheduler;
    if (this.now() < nextTimerAt) this.#minNow = nextTimerAt;
    this.scheduler.fireTimers();
  }

  // ---- the run queue: the simulator holds it, with the tasks of all hosts ----

  /** The simulator has removed one of its tasks from the ready tasks. */
  taskPicked(): void {
    this.length--;
  }
  push(task: TaskImpl): void {
    if (this.ended) return;
    this.length++;
    this.#simulator.becameReady(task);
  }

  /** The decisions of the run select the next task, so there is no front. */
  unshift(task: TaskImpl): void {
    this.push(task);
  }

  shift(): TaskImpl {
    this.length--;
    const { ready } = this.#simulator;
    const index = ready.findIndex(({ scheduler }) => scheduler === this.scheduler);
    return takeAt(ready, index);
  }

  // ---- SchedulerHost and RuntimeWorld ----

  /** The simulator needs no wake-up: it observes ready tasks and reads the times of timers. */
  wake(): void {}

  random(): number {
    return this.#simulator.decisions.between(this.#decisionStream, 0, 1);
  }

  warn(problem: unknown, rethrown = false): void {
    if (!this.ended) this.#simulator.runState.reportProblem(this.host, problem, rethrown);
  }

  /** The text has no address, so a mistake of the handler has one text for all connections. */
  handlerFailed(reason: string): void {
    const text = `host '${this.host.name}': the handler of a connection failed: ${reason}`;
    this.#simulator.runState.addWarning(text);
  }

  /** The host of the scenario has to survive: its program fails with the error of `exit`. */
  exit(): void {
    if (this.host.index > 0) this.#simulator.runState.hosts.exit(this.host);
  }

  /** Ends the process. Its tasks do not run again. */
  end(): void {
    if (this.ended) return;
    while (this.length > 0) this.shift();
    this.scheduler.undriven.end();
    this.ended = true;
    this.#leaveDebug?.();
  }
}
