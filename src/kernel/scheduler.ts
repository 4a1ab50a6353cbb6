/**
 * The scheduler: a run queue of tasks, one handler for each reason to wait, and the timers.
 *
 *            spawn                 step                  wait
 *   (none) ────────► ready ────────────────► running ────────────► waiting
 *                      ▲                        │ │                   │
 *                      │      bare yield        │ │                   │
 *                      ├────────────────────────┘ └──► done, failed,  │
 *                      │  readiness, wake, time,       cancelled      │
 *                      │  error, cancellation                         │
 *                      └──────────────────────────────────────────────┘
 *
 * Principles:
 *  1. The scheduler owns no clock and no event source: its host provides the time and calls
 *     `turn()`, which returns when it is to be called again. Node's event loop is one host, the
 *     simulator is another.
 *  2. The scheduler handles only tasks, waits, scopes and timers.
 *  3. No value that a task throws or yields affects another task.
 *
 * Not to be added here: sockets, locks, channels, promises and everything else that can be built
 * on `recv`, `send` and `park`; a second kind of queue or a priority; a clock; I/O.
 *
 * Invariants:
 *  1. The order is FIFO. A batch consists of the tasks that are ready when it begins. Tasks that
 *     become ready during a batch belong to the next one. The exception is `resume`, at most once
 *     for a task in a batch: its wait, for a queued send, counts as none. Timers fire between
 *     batches, ordered by time and then by the order of arming.
 *  2. A task is in the run queue exactly while it is ready.
 *  3. Each wait is settled exactly once (handlers.ts registers and aborts waits).
 *  4. A cancellation is always delivered in a step of its own. A task that catches its
 *     cancellations in a loop does not starve other tasks, and is ended by force after a limit
 *     (scope/forced-end.ts).
 *  5. `live` is the number of unfinished tasks. `externalWaits` is the number of waits that an
 *     event from outside the program may end.
 */

import type { Queue } from '../support/ring-buffer.ts';
import { RingBuffer } from '../support/ring-buffer.ts';
import { current } from './current.ts';
import { runDeadlock } from './deadlock.ts';
import { debug, LONG_STEP_MS } from './debug.ts';
import { longStep, noteTasks } from './diagnostics.ts';
import type { DeadlockError } from './errors.ts';
import { abortWait, dispatchWait } from './handlers.ts';
import type { Hooks, StepObserver } from './hooks.ts';
import type { AsyncContexts, SchedulerHost } from './host.ts';
import type { Frames, OperationSource, Wait } from './operation.ts';
import { operationOf, throwInto, throwUnknownReason, watchCallback } from './operation.ts';
import { catchingScope } from './scope/cancelled.ts';
import { countDelivery, endByForce } from './scope/forced-end.ts';
import type { ScopeImpl } from './scope/scope.ts';
import { TaskImpl } from './task/task.ts';
import { UndrivenOperations } from './task/undriven.ts';
import type { Timer } from './timers.ts';
import { Timers } from './timers.ts';

/** Options of a Scheduler. */
export interface SchedulerOptions {
  readonly host: SchedulerHost;
  /** The world that other layers find through the running task; see world/world.ts. */
  readonly world?: unknown;
  readonly hooks?: Hooks | undefined;
  /** True: debug mode has been entered for this scheduler; see debug.ts. */
  readonly debug?: boolean;
  /** The run queue of a host that selects tasks itself and calls `step`; see sim/. */
  readonly runQueue?: Queue<TaskImpl>;
}

/** Counters and sizes of a scheduler. */
export interface SchedulerStats {
  /** Unfinished tasks. */
  readonly tasks: number;
  /** Tasks in the run queue. */
  readonly ready: number;
  /** Armed timers: sleeps and deadlines. */
  readonly timers: number;
  /** Waits that an event from outside the program may end: sockets, promises, signals. */
  readonly externalWaits: number;
  readonly spawned: number;
  readonly steps: number;
  readonly batches: number;
  /** The longest time for which tasks kept the host's event loop from running, in milliseconds. */
  readonly longestMs: number;
}

/** Runs the tasks of one program. A host calls `turn()`; see the principles above. */
export class Scheduler {
  readonly host: SchedulerHost;
  readonly contexts: AsyncContexts | null;
  readonly world: unknown;
  readonly #hooks: Hooks | null;
  readonly #isDebug: boolean;
  #stepObserver: StepObserver | null = null;
  /** True: hooks, debug mode or an observer observe the steps, which makes a step slower. */
  #instrumented: boolean;
  /** The ready tasks, the oldest first. */
  readonly #queue: Queue<TaskImpl>;
  readonly #timers = new Timers();
  /** The host's clock at creation: `now()` counts from here. */
  readonly #origin: number;
  readonly undriven: UndrivenOperations;
  /** Remaining steps of the current batch. */
  #batchLeft = 0;
  /** True while `turn` runs, and from `host.wake()` until the next turn. */
  #awake = false;
  #lastTaskId = 0;
  #steps = 0;
  #batches = 0;
  longestMs = 0;
  /**
   * The last reading of the host's clock, in whole milliseconds modulo 2^32 as a signed number: a
   * small integer for V8, with which a task dates its wait.
   */
  readingMs = 0;
  /** Index of the case that the next `select` attempts first; −1: not drawn yet. */
  selectStart = -1;
  /** Invariant 5. */
  live = 0;
  externalWaits = 0;
  /** The external waits that no simulated world can end; see ParkingOptions. */
  realTimeWaits = 0;
  /** False after a wait for a task that does not show in the joiners of that task. */
  holdersAreTracked = true;
  main: TaskImpl | null = null;
  /** Set when no task can run again: the reason for which the main task is cancelled. */
  deadlock: DeadlockError | null = null;

  constructor(options: SchedulerOptions) {
    this.host = options.host;
    this.undriven = new UndrivenOperations((error) => this.host.warn(error));
    this.contexts = options.host.contexts ?? null;
    this.world = options.world;
    this.#queue = options.runQueue ?? new RingBuffer();
    this.#hooks = options.hooks ?? null;
    this.#isDebug = options.debug === true;
    this.#instrumented = this.#hooks !== null || this.#isDebug;
    this.#origin = this.host.now();
    this.readingMs = this.#origin | 0;
  }

  /** Milliseconds since the scheduler was created: monotonic, fractional. */
  now(): number {
    const reading = this.host.now();
    this.readingMs = reading | 0;
    return reading - this.#origin;
  }

  /** Times the steps from now on, for one observer at a time; null: no longer. */
  observeSteps(observer: StepObserver | null): void {
    this.#stepObserver = observer;
    this.#instrumented = this.#hooks !== null || this.#isDebug || observer !== null;
  }

  /** Creates the main task, which runs in the next turn. It has ended when `main.finished`. */
  start<T>(source: OperationSource<T>, name = 'main'): TaskImpl<T> {
    const task = new TaskImpl<T>(this, source, { group: null, name, daemon: false });
    this.main = task as TaskImpl;
    this.admit(task as TaskImpl);
    return task;
  }

  /** Puts a new task at the tail of the queue. */
  admit(task: TaskImpl): void {
    this.live++;
    if (this.#hooks !== null) this.callHook('taskSpawned', task);
    this.#enqueue(task);
  }

  nextTaskId(): number {
    return ++this.#lastTaskId;
  }

  /**
   * Runs the current batch, or the next one, for at most `maxSteps` steps. Returns the milliseconds
   * after which it is to be called again if no wake-up comes before: 0 while tasks are ready,
   * Infinity without a timer.
   */
  turn(maxSteps: number = Infinity): number {
    this.#awake = true;
    if (this.#batchLeft === 0) this.#beginBatch();
    let left = Math.min(maxSteps, this.#batchLeft);
    this.#batchLeft -= left;
    while (left-- > 0) this.step(this.#queue.shift());
    this.#awake = false;
    return this.delay();
  }

  /** Milliseconds until the next turn is due; see `turn`. */
  delay(): number {
    if (this.#queue.length > 0) return 0;
    const at = this.#timers.nextAt;
    return at === Infinity ? Infinity : Math.max(0, at - this.now());
  }

  #beginBatch(): void {
    this.fireTimers();
    this.#batchLeft = this.#queue.length;
    this.#batches++;
    if (this.#hooks !== null) this.callHook('batchBegins', this.#batchLeft);
  }

  /** Fires all due timers, at the beginning of a batch or when the host calls it. */
  fireTimers(): void {
    if (this.#timers.size === 0) return;
    if (this.#timers.nextAt > this.now()) return;
    this.host.beforeDeadlines?.();
    const now = this.now();
    for (let due = this.#timers.takeDue(now); due; due = this.#timers.takeDue(now)) {
      due.target.expire(due);
    }
  }

  // ---- one step of one task ----

  /** Runs `task`, which was ready, until it yields or ends. Called by `turn` or by a host. */
  step(task: TaskImpl): void {
    this.#steps++;
    task.state = 'running';
    task.resetBudget();
    const outer = current.task;
    current.task = task;
    if (this.#instrumented) return this.#instrumentedStep(task, outer);
    const { contexts } = this;
    contexts?.enter(task.context);
    let result: IteratorResult<Wait, unknown>;
    try {
      result = this.#advance(task);
    } catch (error) {
      task.context = contexts?.leave();
      current.task = outer;
      return this.#fail(task, error);
    }
    task.context = contexts?.leave();
    current.task = outer;
    if (result.done === true) this.#finish(task, 'done', result.value);
    else this.#dispatchWait(task, result.value);
  }

  /** A task may yield any value, even one whose getters throw. */
  #dispatchWait(task: TaskImpl, wait: Wait): void {
    try {
      dispatchWait(this, task, wait);
    } catch (error) {
      this.throwLater(task, error);
    }
  }

  /** A step that hooks and debug mode observe. Hooks run in the async context of the run. */
  #instrumentedStep(task: TaskImpl, outer: TaskImpl | null): void {
    this.#stepObserver?.stepBegins(task);
    const startedAt = this.now();
    this.callHook('stepBegins', task);
    this.contexts?.enter(task.context);
    let result: IteratorResult<Wait, unknown> | null = null;
    let thrown: unknown;
    try {
      result = this.#advance(task);
    } catch (error) {
      thrown = error;
    }
    task.context = this.contexts?.leave();
    current.task = outer;
    debug.tracker?.endLoan();
    this.callHook('stepEnds', task);
    const tookMs = this.now() - startedAt;
    this.#stepObserver?.stepEnded(task, tookMs);
    this.#noteLongStep(task, tookMs);
    if (result === null) return this.#fail(task, thrown);
    if (result.done === true) return this.#finish(task, 'done', result.value);
    this.callHook('taskWaits', task, result.value);
    this.#dispatchWait(task, result.value);
  }

  #noteLongStep(task: TaskImpl, tookMs: number): void {
    if (debug.tracker !== null && tookMs > LONG_STEP_MS) this.host.warn(longStep(task, tookMs));
  }

  /** The cancellation of the task's scope, or of one around it, is not a failure. */
  #fail(task: TaskImpl, error: unknown): void {
    const isOwnCancellation = catchingScope(error)?.reaches(task.ownScope) === true;
    if (isOwnCancellation) return this.#finish(task, 'cancelled', error);
    noteTasks(error, task);
    this.#finish(task, 'failed', error);
  }

  #advance(task: TaskImpl): IteratorResult<Wait, unknown> {
    const { frames, resume, inbox } = task;
    if (frames === null) return this.#begin(task);
    if (resume === 'next') {
      if (inbox === undefined) return frames.next();
      task.inbox = undefined;
      return frames.next(inbox);
    }
    task.resume = 'next';
    task.inbox = undefined;
    if (resume === 'throw') return throwInto(frames, inbox);
    if (resume === 'unknown-reason') return throwUnknownReason(frames, inbox);
    if (task.scope.cancelledBy === null) return frames.next();
    return this.#deliverCancellation(task, frames, task.scope.cancelledBy);
  }

  /** The first step. A task that is already cancelled gets it too, so that its `finally` runs. */
  #begin(task: TaskImpl): IteratorResult<Wait, unknown> {
    const source = task.inbox as OperationSource<unknown>;
    task.inbox = undefined;
    task.resume = 'next';
    const frames = operationOf(source)[Symbol.iterator]();
    task.frames = frames;
    return frames.next();
  }

  // ---- leaving a wait ----

  /** Puts the task at the tail of the run queue. The caller has removed it from its wait. */
  ready(task: TaskImpl): void {
    if (this.#hooks !== null) this.callHook('taskWakes', task);
    this.#enqueue(task);
  }

  /** As `ready`, but the task continues in the current batch, before all others. */
  resume(task: TaskImpl): void {
    if (this.#hooks !== null) this.callHook('taskWakes', task);
    task.state = 'ready';
    this.#queue.unshift(task);
    this.#batchLeft++;
    if (!this.#awake) this.#wakeHost();
  }

  #enqueue(task: TaskImpl): void {
    task.state = 'ready';
    this.#queue.push(task);
    if (!this.#awake) this.#wakeHost();
  }

  /** Ends the wait of `task` because of a cancellation, if that is allowed for this wait. */
  interrupt(task: TaskImpl): void {
    if (abortWait(this, task)) this.deliverCancellationLater(task);
  }

  /** Throws `error` into the task in the next batch. */
  throwLater(task: TaskImpl, error: unknown, resume: 'throw' | 'unknown-reason' = 'throw'): void {
    task.resume = resume;
    task.inbox = error;
    this.ready(task);
  }

  // ---- cancellation ----

  /** Throws Cancelled into the task in the next batch. */
  deliverCancellationLater(task: TaskImpl): void {
    task.resume = 'cancel';
    this.ready(task);
  }

  /** Throws Cancelled into the task, or ends a task that has ignored it too often. */
  #deliverCancellation(
    task: TaskImpl,
    frames: Frames<unknown>,
    scope: ScopeImpl,
  ): IteratorResult<Wait, unknown> {
    if (this.#hooks !== null) this.callHook('taskCancelled', task);
    if (countDelivery(task, scope)) return endByForce(task, frames);
    return throwInto(frames, scope.cancellation);
  }

  // ---- the end of a task ----

  #finish(task: TaskImpl, state: 'done' | 'failed' | 'cancelled', outcome: unknown): void {
    task.state = state;
    task.inbox = outcome;
    task.frames = null;
    task.ownScope.end();
    this.live--;
    if (this.#hooks !== null) this.callHook('taskFinished', task);
    task.group?.memberEnded(task);
    const joiners = task.joiners;
    while (joiners !== null && joiners.first !== null) joiners.first.wake();
  }

  // ---- timers ----

  arm(timer: Timer, at: number): void {
    if (!this.#awake && at < this.#timers.nextAt) this.#wakeHost();
    this.#timers.arm(timer, at);
  }

  disarm(timer: Timer): void {
    this.#timers.disarm(timer);
  }

  /** When the earliest timer fires, on the clock of `now()`. */
  get nextTimerAt(): number {
    return this.#timers.nextAt;
  }

  // ---- deadlock ----

  /** No task can run again: cancels the main task with the report as the reason. */
  declareDeadlock(): void {
    if (this.main === null || this.deadlock !== null) return;
    this.deadlock = runDeadlock(this.tasks());
    this.main.cancel(this.deadlock);
  }

  /** All unfinished tasks, parents before children. */
  tasks(): readonly TaskImpl[] {
    const found: TaskImpl[] = this.main === null || this.main.finished ? [] : [this.main];
    for (let i = 0; i < found.length; i++) {
      const task = found[i] as TaskImpl;
      if (task.openGroup !== null) for (const child of task.children()) found.push(child);
    }
    return found;
  }

  // ---- reports ----

  /** Reports an error that no task can receive; `rethrown` as in `SchedulerHost.warn`. */
  unhandled(error: unknown, rethrown = false): void {
    if (this.#hooks?.onUnhandled === undefined) this.host.warn(error, rethrown);
    else this.callHook('onUnhandled', error);
  }

  stats(): SchedulerStats {
    return Object.freeze({
      tasks: this.live,
      ready: this.#queue.length,
      timers: this.#timers.size,
      externalWaits: this.externalWaits,
      spawned: this.#lastTaskId,
      steps: this.#steps,
      batches: this.#batches,
      longestMs: this.longestMs,
    });
  }

  /** Tasks in the run queue. */
  get readyTasks(): number {
    return this.#queue.length;
  }

  /** False while `turn` has not run all tasks of the batch. */
  get batchEnded(): boolean {
    return this.#batchLeft === 0;
  }

  get steps(): number {
    return this.#steps;
  }

  #wakeHost(): void {
    this.#awake = true;
    this.host.wake();
  }

  /** Calls a hook, if it is installed. An error that it throws is reported as a warning. */
  callHook<K extends keyof Hooks>(name: K, ...args: Parameters<Required<Hooks>[K]>): void {
    const hook = this.#hooks?.[name] as ((...args: unknown[]) => unknown) | undefined;
    if (hook === undefined) return;
    try {
      watchCallback(hook.apply(this.#hooks, args), (error) => this.host.warn(error));
    } catch (thrown) {
      this.host.warn(thrown);
    }
  }
}
