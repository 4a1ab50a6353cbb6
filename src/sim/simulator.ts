/**
 * The simulator's loop: one clock, one queue of events and one set of ready tasks for all hosts of
 * a world.
 *
 * Rules:
 *  1. While a task is ready, one is picked (order.ts) and makes one step. Time stands still.
 *  2. When none is, time jumps to what comes next: an event of the world, or a timer of a host.
 *     Everything that is due then happens before the next step, events before timers: readiness
 *     that is there wins over a time limit that is over. Events that are due at once happen before
 *     the next step, too.
 *  3. Timers that are due already (a limit of 0 ms) fire between batches, as on real hosts. A batch
 *     only counts steps; it does not limit which task may be picked.
 *  4. Tasks that let each other run again and again at one instant, or send each other messages
 *     that take no time, would wait for ever for what only time can bring: after some batches each
 *     further one takes a little time.
 *  5. While a task waits for the process around (a promise), time stands still, and `advance`
 *     returns so that the event loop can turn.
 */
import type { TaskImpl } from '../kernel/task/task.ts';
import type { TimerTarget } from '../kernel/timers.ts';
import { Timer, Timers } from '../kernel/timers.ts';
import { Decisions } from './choices/decisions.ts';
import type { Order } from './choices/order.ts';
import { makeOrder, ReadyTasks } from './choices/order.ts';
import type { Faults, SimCore } from './core.ts';
import type { SimHost } from './host.ts';
import { Invariants } from './invariants.ts';
import type { SimProcess } from './process.ts';
import { Trace } from './report/trace.ts';
import type { RunSettings } from './run-once.ts';
import { RunState } from './run-state.ts';

/** Batches at one instant after which each further one takes time. */
const MAX_INSTANT_BATCHES = 1000;
/** How long such a batch takes, in milliseconds: a power of two, so that sums are exact. */
const BATCH_MS = 2 ** -10;
/** Steps and events after which `advance` lets the event loop turn. */
const EVENTS_PER_YIELD = 20_000;

/** Why `advance` has returned. */
export type AdvanceResult = 'ended' | 'breath' | 'outside';

/** An event of the world: a timer and its target in one. */
class WorldTimer extends Timer {
  readonly action: () => void;

  constructor(action: () => void) {
    super(CALL_ACTION);
    this.action = action;
  }
}

const CALL_ACTION: TimerTarget = {
  expire(timer: Timer): void {
    (timer as WorldTimer).action();
  },
};

export class Simulator implements SimCore {
  now = 0;
  readonly settings: RunSettings;
  readonly decisions: Decisions;
  readonly faults: Faults;
  readonly ready: ReadyTasks = new ReadyTasks();
  readonly runState: RunState;
  readonly invariants: Invariants;
  readonly history: Trace;
  readonly hosts: SimHost[] = [];
  readonly processes: SimProcess[] = [];
  /** Steps of tasks, and events of the world. */
  steps = 0;
  events = 0;
  /** How often a fault has happened, by name. */
  readonly faultCounts: Record<string, number> = {};
  /** Called when a task becomes ready while nobody steps: something outside has woken it. */
  onExternalWakeUp: (() => void) | null = null;
  #advancing = false;
  readonly #order: Order;
  readonly #timers = new Timers();
  #batchLeft = 0;
  #batchesAtNow = 0;
  #untilYield = EVENTS_PER_YIELD;

  constructor(settings: RunSettings) {
    const { seed, allowed, deviations, order, pctDepth } = settings;
    this.settings = settings;
    this.faults = settings.faults;
    this.decisions = new Decisions(seed, allowed, deviations);
    this.#order = makeOrder(order, this.decisions, pctDepth);
    this.history = new Trace(settings.record);
    this.invariants = new Invariants(this);
    this.runState = new RunState(this);
  }

  // ---- the loop ----

  /** Goes on until the run has ended, or something else has to be let in. */
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
      if (runState.waitsForRealProcess()) return 'outside';
      if (runState.endsBefore(at)) return 'ended';
      this.#advanceTo(at);
      if (runState.ended) return 'ended';
      if (this.#untilYield <= 0) return this.#pauseForEventLoop();
    }
  }

  #pauseForEventLoop(): AdvanceResult {
    this.#untilYield = EVENTS_PER_YIELD;
    return 'breath';
  }

  #step(): void {
    const { ready, history, invariants } = this;
    const task = ready.takeAt(this.#order.pick(ready));
    const { scheduler } = task;
    const life = scheduler.host as SimProcess;
    life.length--;
    if (this.steps + this.events >= this.settings.maxSteps) return this.runState.tooManySteps();
    this.steps++;
    const note = history.step(this.now, life.host, task);
    scheduler.step(task);
    history.stepEnded(note, task);
    if (!invariants.idle) {
      invariants.check();
      this.runState.invariantsChecked();
    }
    if (scheduler.live === 0 && !life.ended) this.runState.processEnded(life);
  }

  /** Rules 3 and 4. */
  #beginBatch(): void {
    if (++this.#batchesAtNow > MAX_INSTANT_BATCHES) this.#setTime(this.now + BATCH_MS);
    else for (const life of this.processes) life.fireTimers();
    this.#batchLeft = this.ready.length;
  }

  /** Rule 2. */
  #advanceTo(at: number): void {
    // An event at this very instant, such as a message on the loopback, is no progress of time.
    if (at > this.now) this.#batchesAtNow = 0;
    this.#batchLeft = 0;
    this.#setTime(Math.max(this.now, at));
  }

  #setTime(at: number): void {
    this.now = at;
    this.#fireDue();
    for (const life of this.processes) life.fireTimers();
  }

  /** What is due of the world's events. */
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
    for (const life of this.processes) {
      const next = life.nextTimerAt;
      if (next < at) at = next;
    }
    return at;
  }

  /** False: without the process around, nothing will ever happen again. */
  get hasFutureEvents(): boolean {
    return this.#nextEventAt() !== Infinity;
  }

  // ---- what lives tell ----

  becameReady(task: TaskImpl): void {
    this.ready.push(task);
    if (!this.#advancing) this.onExternalWakeUp?.();
  }

  // ---- SimCore ----

  callAt(time: number, action: () => void): Timer {
    const timer = new WorldTimer(action);
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
    if (kind === 'fault') this.countFault((text().split(' ', 1)[0] as string) || 'fault');
  }

  countFault(name: string): void {
    this.faultCounts[name] = (this.faultCounts[name] ?? 0) + 1;
  }
}
