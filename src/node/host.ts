/**
 * The scheduler's host in Node's event loop. It alternates between the scheduler and libuv.
 *
 * This is the event loop. It is spread over the functions below because libuv owns the outer loop:
 *
 *   forever:
 *     libuv waits for the inner epoll descriptor, the one timer, and everything else in the process
 *     wake:
 *       deliver()        the network reports events: set flags, notify waiters
 *       #onTimer()       the next deadline has passed
 *       wake()           a promise or another library has woken a task: nextTick(pump)
 *       #pumpFromLoop()  the previous pump left ready tasks: setImmediate(pump)
 *     pump:
 *       repeat
 *         repeat         run up to 32 steps; before each batch, fire the deadlines that have passed
 *           at the end of a batch: carry out the queued sends; their tasks continue in this batch
 *         until no task is ready, or 256 steps or 0.5 ms are over
 *         if 2 ms are over: stop
 *         if no task is ready after fewer than 4 steps: stop
 *         poll           the network without blocking: set flags, notify waiters
 *       until no task is ready and the network has no events
 *     back to libuv:
 *       if no unfinished task is left: end the run
 *       if tasks are ready: setImmediate(pump)
 *       set the timer for the next deadline
 *   when libuv has nothing left to wait for (beforeExit): report a deadlock
 *
 * Rules:
 *  1. Control returns to libuv after 2 ms in any case. setImmediate is used only while tasks are
 *     ready, because it costs about 2 µs.
 *  2. A wake-up by a promise or another library is handled in the same tick; after MICRO_PUMPS of
 *     these without an event from libuv the next one goes through libuv. Otherwise a task that
 *     exchanges wake-ups with a promise would keep the process from its I/O.
 *  3. One timer serves all deadlines. It also keeps the process alive while a task waits for
 *     something that can happen, and only then. Otherwise Node exits, or `beforeExit` finds a
 *     deadlock.
 *  4. Before deadlines fire the network is polled: bytes that have arrived take precedence over a
 *     deadline that has passed.
 */
import type { SchedulerHost } from '../kernel/host.ts';
import type { Scheduler } from '../kernel/scheduler.ts';
import type { Network, NetworkOwner } from '../world/network.ts';
import type { RunContexts } from './async-context.ts';
import { createContexts } from './async-context.ts';
import type { LoopObserver } from './before-exit.ts';
import { ignoreLoop, observeLoop } from './before-exit.ts';
import {
  clearImmediate,
  clearTimeout,
  now as clock,
  nextTick,
  setImmediate,
  setTimeout,
} from './timers.ts';
import { warn } from './warnings.ts';

/**
 * The most steps between two readings of the clock. A reading costs as much as a step; but a step
 * that moves bytes in bulk, or computes, takes thousands of times as long. So every pump begins
 * with one step, and the stride adapts to the duration of the steps.
 */
const MAX_STRIDE = 32;
/** Steps and milliseconds after which the network is polled. */
const POLL_STEPS = 256;
const POLL_MS = 0.5;
/**
 * After this many steps the network is polled once more before control returns to libuv: under load
 * new events have arrived, and polling costs a fraction of a turn of libuv.
 */
const BUSY_STEPS = 4;
/**
 * The most polls before deadlines fire, so that peers that keep sending do not postpone the
 * deadlines indefinitely.
 */
const DEADLINE_POLLS = 64;
/** Milliseconds after which control returns to libuv. */
const TURN_MS = 2;
/** Wake-ups by other code that are handled without a return to libuv. */
const MICRO_PUMPS = 32;
/**
 * The longest delay of Node's timers. For a later deadline the timer is set again when it fires.
 */
const MAX_TIMER_MS = 2 ** 31 - 1;

export interface HostOptions {
  readonly now?: (() => number) | undefined;
  readonly random?: (() => number) | undefined;
  /** Called after every pump that left no unfinished task. */
  ended(): void;
}

/** The host of `run`: drives one scheduler in Node's event loop. */
export class NodeHost implements SchedulerHost, NetworkOwner, LoopObserver {
  readonly now: () => number;
  readonly random: () => number;
  readonly #ended: () => void;
  readonly contexts: RunContexts = createContexts();
  #scheduler: Scheduler | null = null;
  /** Created when the program first uses it. */
  network: Network | null = null;
  /** True during a pump or a delivery. Tasks that become ready meanwhile run before it ends. */
  #inside = false;
  #microPumps = 0;
  /** Steps until the next reading of the clock. */
  #stride = 1;
  /** The timer while it is set. */
  #timer: NodeJS.Timeout | null = null;
  /** The deadline that it was set for, on the scheduler's clock. It fires later: rounded up. */
  #timerFor = Infinity;
  /** The timer keeps the process alive. */
  #holding = false;
  #immediate: NodeJS.Immediate | null = null;
  #closed = false;
  /** True: other code (an AbortSignal, signals of the process) may wake a task at any time. */
  heldExternally = false;

  constructor(options: HostOptions) {
    this.now = options.now ?? clock;
    this.random = options.random ?? Math.random;
    this.#ended = options.ended;
  }

  /** Starts to drive `scheduler`. */
  drive(scheduler: Scheduler): void {
    this.#scheduler = scheduler;
    observeLoop(this);
  }

  // ---- wake-ups ----

  wake(): void {
    if (this.#inside || this.#closed) return;
    if (this.#microPumps < MICRO_PUMPS) {
      this.#microPumps++;
      nextTick(this.#pump);
    } else {
      this.#pumpLater();
    }
  }

  deliver(deliver: () => void): void {
    this.#microPumps = 0;
    if (this.#inside) return deliver();
    this.#inside = true;
    try {
      deliver();
    } finally {
      this.#inside = false;
      this.#pump(); // also if an error was thrown after waiters were notified
    }
  }

  readonly #pumpFromLoop = (): void => {
    this.#microPumps = 0;
    this.#immediate = null;
    this.#pump();
  };

  readonly #onTimer = (): void => {
    this.#microPumps = 0;
    this.#timer = null;
    this.#pump();
  };

  // ---- running tasks ----

  readonly #pump = (): void => {
    const scheduler = this.#scheduler;
    if (scheduler === null || this.#inside || this.#closed) return;
    this.#inside = true;
    let backlog: boolean;
    try {
      backlog = this.contexts.around(() => this.#runBatches(scheduler));
    } finally {
      this.#inside = false;
    }
    if (scheduler.live === 0) return this.#ended();
    if (backlog) this.#pumpLater();
    this.#arm(scheduler);
  };

  /** True: tasks are ready, but control must return to libuv (rule 1). */
  #runBatches(scheduler: Scheduler): boolean {
    const started = clock();
    let now = started;
    this.#noteReading(scheduler, now);
    this.#stride = 1;
    for (;;) {
      const stepsBefore = scheduler.steps;
      const ranAll = this.#runUntilPoll(scheduler, now);
      const idle = !this.#sendQueued() && ranAll;
      now = clock();
      this.#noteReading(scheduler, now);
      if (now - started > scheduler.longestMs) scheduler.longestMs = now - started;
      if (now - started >= TURN_MS) return !idle;
      if (idle && scheduler.steps - stepsBefore < BUSY_STEPS) return false;
      const found = this.#poll(scheduler);
      // Not `!idle`: a hook may have woken a task during the poll.
      if (found < 0 || (idle && found === 0)) return scheduler.delay() === 0;
    }
  }

  /** True: no task is ready. False: the network must be polled. */
  #runUntilPoll(scheduler: Scheduler, since: number): boolean {
    const maxSteps = scheduler.steps + POLL_STEPS;
    let nextReading = scheduler.steps + this.#stride;
    let last = since;
    for (;;) {
      const due = scheduler.turn(this.#stride);
      const sent = scheduler.batchEnded && this.#sendQueued();
      if (due > 0 && !sent) return true;
      if (scheduler.steps < nextReading) continue;
      const now = clock();
      this.#noteReading(scheduler, now);
      this.#adaptStride(now - last);
      last = now;
      if (scheduler.steps >= maxSteps || now - since >= POLL_MS) return false;
      nextReading = scheduler.steps + this.#stride;
    }
  }

  /** Tasks that begin to wait from now on have waited since `now`. */
  #noteReading(scheduler: Scheduler, now: number): void {
    scheduler.readingMs = (this.now === clock ? now : this.now()) | 0;
  }

  /** A stride took `ms`. Aims at four readings of the clock in POLL_MS. */
  #adaptStride(ms: number): void {
    const factor = POLL_MS / 4 / ms;
    if (factor < 0.5) this.#stride = Math.max(1, Math.floor(this.#stride * factor));
    else if (factor > 2) this.#stride = Math.min(MAX_STRIDE, this.#stride << 1);
  }

  /** True: sends were carried out, so tasks are ready. */
  #sendQueued(): boolean {
    return this.network?.sendQueued !== undefined && this.network.sendQueued() > 0;
  }

  /** The number of sockets with events; −1: only libuv can report events. */
  #poll(scheduler: Scheduler): number {
    if (this.network === null) return 0;
    scheduler.callHook('polled');
    return this.network.poll();
  }

  #pumpLater(): void {
    this.#immediate ??= setImmediate(this.#pumpFromLoop);
  }

  // ---- waiting ----

  /** Sets the timer, and whether it keeps the process alive (rule 3). */
  #arm(scheduler: Scheduler): void {
    const at = scheduler.nextTimerAt;
    this.#armTimer(scheduler, at);
    this.#hold(at !== Infinity || scheduler.externalWaits > 0 || this.heldExternally);
  }

  /** A timer that is set too early stays: it fires once without effect and is then set again. */
  #armTimer(scheduler: Scheduler, at: number): void {
    if (this.#timer !== null && this.#timerFor <= at) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    const delay = Math.max(1, Math.ceil(at - scheduler.now()));
    this.#timer = setTimeout(this.#onTimer, Math.min(delay, MAX_TIMER_MS));
    this.#timerFor = at;
    this.#holding = true;
  }

  #hold(wanted: boolean): void {
    if (wanted === this.#holding) return;
    this.#holding = wanted;
    if (wanted) this.#timer?.ref();
    else this.#timer?.unref();
  }

  /** libuv has nothing left to wait for, so no event can wake a task. */
  loopEmptied(): void {
    if (this.#closed || this.#scheduler === null) return;
    // The tasks that the deadlock cancelled are deadlocked again: the run cannot continue.
    if (this.#scheduler.deadlock !== null) {
      ignoreLoop(this);
      return this.#ended();
    }
    this.#scheduler.declareDeadlock();
    this.#pump();
  }

  // ---- services for the scheduler ----

  /** Rule 4. */
  beforeDeadlines(): void {
    const scheduler = this.#scheduler;
    if (scheduler === null) return;
    for (let left = DEADLINE_POLLS; left > 0 && this.#poll(scheduler) > 0; left--);
  }

  warn(problem: unknown): void {
    warn(problem);
  }

  /** Releases the timer and the listeners. */
  close(): void {
    this.#closed = true;
    ignoreLoop(this);
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (this.#immediate !== null) clearImmediate(this.#immediate);
    this.#timer = null;
  }
}
