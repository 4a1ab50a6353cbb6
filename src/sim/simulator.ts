/**
 * The simulator's loop: one clock, one event queue and one set of ready tasks for all hosts of a
 * world.
 *
 * Rules:
 *  1. While a task is ready, one is picked (choices/order.ts) and makes one step. The clock does
 *     not advance.
 *  2. When no task is ready, the clock advances to the next event of the world or timer of a host.
 *     All that is due happens before the next step, events before timers: a socket that becomes
 *     ready at the time at which a limit expires takes precedence. This includes events that these
 *     events schedule for the same time.
 *  3. Timers that are due already (a limit of 0 ms) fire between batches, as on real hosts. A batch
 *     only counts steps; it does not restrict which task may be picked.
 *  4. Tasks that wake each other repeatedly at one instant, or exchange messages that take no time,
 *     could prevent time from advancing. After some batches, each further batch takes a little
 *     time.
 *  5. While a task waits for the real process (a promise), the clock does not advance, and
 *     `advance` returns so that the event loop can turn.
 */

import type { AsyncContexts } from '../kernel/host.ts';
import type { TaskImpl } from '../kernel/task/task.ts';
import { Timer, Timers } from '../kernel/timers.ts';
import { Decisions } from './choices/decisions.ts';
import type { Order } from './choices/order.ts';
import { makeOrder, takeAt } from './choices/order.ts';
import type { Faults, MessageObserver, SimCore } from './core.ts';
import type { SimHost } from './host.ts';
import { Invariants } from './invariants.ts';
import type { SimProcess } from './process.ts';
import { Trace } from './report/trace.ts';
import type { RunSettings } from './run-once.ts';
import { RunState } from './run-state.ts';

/** Batches at one instant before further batches take time. */
const MAX_INSTANT_BATCHES = 1000;
/** The duration of such a batch in milliseconds: a power of two, so that sums are exact. */
const BATCH_MS = 2 ** -10;
/** Steps and events between two turns of the event loop. */
const EVENTS_PER_YIELD = 20_000;

/** Why `advance` returned. */
export type AdvanceResult = 'ended' | 'yield' | 'real-process';

export class Simulator implements SimCore {
  now = 0;
  readonly settings: RunSettings;
  readonly decisions: Decisions;
  readonly faults: Faults;
  readonly messages: MessageObserver | null;
  /** The ready tasks of all hosts, in the order in which they became ready. */
  readonly ready: TaskImpl[] = [];
  readonly runState: RunState;
  readonly invariants: Invariants;
  readonly history: Trace;
  readonly hosts: SimHost[] = [];
  /** The running processes. Replaced by a new array when a process ends. */
  processes: readonly SimProcess[] = [];
  /** Steps of tasks. */
  steps = 0;
  /** Events of the world. */
  events = 0;
  /** The number of injected faults, by name. */
  readonly faultCounts: Record<string, number> = {};
  /** The async contexts of all tasks; null: tasks have none. */
  contexts: AsyncContexts | null = null;
  /** Called when a task becomes ready outside of `advance`: the real process has woken it. */
  onExternalWakeUp: (() => void) | null = null;
  #advancing = false;
  readonly #order: Order;
  readonly #timers = new Timers();
  #batchLeft = 0;
  #batchesAtNow = 0;
  #untilYield = EVENTS_PER_YIELD;

  constructor(settings: RunSettings) {
    const { seed, allowed, deviations, order, pctDepth, recorder = null } = settings;
    this.settings = settings;
    this.faults = settings.faults;
    this.messages = recorder;
    this.decisions = new Decisions(seed, allowed, deviations, recorder);
    this.#order = makeOrder(order, this.decisions, pctDepth);
    this.history = new Trace(settings.record);
    this.invariants = new Invariants(this);
    this.runState = new RunState(this);
  }

  // ---- the loop ----

  /** Runs until the run has ended, the event loop has to turn, or a task waits for the process. */
  advance(): AdvanceResult {
    this.#advancing = true;
    try {
      return this.#loop();
    } catch (error) {
      this.runState.fail(error);
      return 'ended';
    } finally {
      this.#advancing = false;
    }
  }

  #loop(): AdvanceResult {
    const { runState, ready } = this;
    for (;;) {
      while (ready.length > 0) {
        if (this.#batchLeft === 0) this.#beginBatch();
        this.#batchLeft--;
        if (this.#timers.nextAt <= this.now) this.#fireDue();
        if (!runState.ended) this.#step();
        if (runState.ended) return 'ended';
        if (--this.#untilYield <= 0) return this.#pauseForEventLoop();
      }
      const at = this.#nextEventAt();
      if (runState.waitsForRealProcess()) return 'real-process';
      if (runState.endsBefore(at)) return 'ended';
      this.#advanceTo(at);
      if (runState.ended) return 'ended';
      if (this.#untilYield <= 0) return this.#pauseForEventLoop();
    }
  }

  #pauseForEventLoop(): AdvanceResult {
    this.#untilYield = EVENTS_PER_YIELD;
    return 'yield';
  }

  #step(): void {
    const { ready, history, invariants } = this;
    const task = takeAt(ready, this.#order.pick(ready));
    const { scheduler } = task;
    const proc = scheduler.host as SimProcess;
    proc.taskPicked();
    if (this.steps + this.events >= this.settings.maxSteps) return this.runState.tooManySteps();
    this.steps++;
    const record = history.step(this.now, proc.host, task);
    scheduler.readingMs = proc.now() | 0;
    scheduler.step(task);
    history.stepEnded(record, task);
    if (!invariants.idle) {
      invariants.check();
      this.runState.invariantsChecked();
    }
    if (scheduler.live === 0 && !proc.ended) this.runState.processEnded(proc);
  }

  /** Rules 3 and 4. */
  #beginBatch(): void {
    if (++this.#batchesAtNow > MAX_INSTANT_BATCHES) this.#setTime(this.now + BATCH_MS);
    else for (const proc of this.processes) proc.fireTimers();
    this.#batchLeft = this.ready.length;
  }

  /** Rule 2. */
  #advanceTo(at: number): void {
    // An event at the current instant, such as a loopback message, does not advance time.
    if (at > this.now) this.#batchesAtNow = 0;
    this.#batchLeft = 0;
    this.#setTime(Math.max(this.now, at));
  }

  #setTime(at: number): void {
    this.now = at;
    this.#fireDue();
    for (const proc of this.processes) proc.fireTimers();
  }

  /** Fires the events of the world that are due. */
  #fireDue(): void {
    const timers = this.#timers;
    const { now } = this;
    for (let due = timers.takeDue(now); due !== undefined; due = timers.takeDue(now)) {
      if (this.steps + this.events >= this.settings.maxSteps) return this.runState.tooManySteps();
      this.events++;
      this.#untilYield--;
      due.target.expire(due);
    }
  }

  #nextEventAt(): number {
    let at = this.#timers.nextAt;
    for (const proc of this.processes) {
      const next = proc.nextTimerAt;
      if (next < at) at = next;
    }
    return at;
  }

  /** True: an event of the world or a timer is pending. */
  get hasFutureEvents(): boolean {
    return this.#nextEventAt() !== Infinity;
  }

  // ---- notifications of processes ----

  becameReady(task: TaskImpl): void {
    this.ready.push(task);
    if (!this.#advancing) this.onExternalWakeUp?.();
  }

  // ---- SimCore ----

  callAt(time: number, action: () => void): Timer {
    const timer = new Timer({ expire: action });
    this.#timers.arm(timer, time);
    return timer;
  }

  arm(timer: Timer, time: number): void {
    this.#timers.arm(timer, time);
  }

  disarm(timer: Timer): void {
    this.#timers.disarm(timer);
  }

  trace(...[kind, host, peer, value, text]: Parameters<SimCore['trace']>): void {
    const { history } = this;
    history.addDetail(history.event(this.now, kind, host, peer), value, text);
    this.settings.recorder?.event(kind, host, peer, text);
    if (kind === 'fault') this.countFault((text().split(' ', 1)[0] as string) || 'fault');
  }

  countFault(name: string): void {
    this.faultCounts[name] = (this.faultCounts[name] ?? 0) + 1;
  }
}
