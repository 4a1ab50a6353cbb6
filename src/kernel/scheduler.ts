/**
 * The scheduler: a run queue of tasks, one handler for each reason, and nothing else.
 *
 * Principles:
 *  1. It is a pure state machine. It reads no clock and calls nobody back by itself: a host calls
 *     `turn()` and is told when to call again. Node's event loop is one host, the simulator
 *     another.
 *  2. It knows tasks, waits, scopes and timers. It does not know sockets, locks, channels,
 *     promises: those are built on `recv`, `send` and `park`. What can be built outside is not
 *     added here.
 *  3. No task can break it. Whatever a task throws or yields ends or resumes that task alone.
 *
 * Invariants:
 *  1. FIFO. A batch is what is ready when it begins; what becomes ready meanwhile is in the next
 *     one. Deadlines fire between batches, in the order of time, then of arming.
 *  2. Every wait is settled exactly once (handlers.ts files waits and takes them back).
 *  3. A refusal (a cancelled operation) is always delivered as a step of its own: a task that
 *     catches its cancellations in a loop starves nobody, and is ended after enough of them
 *     (refusal.ts).
 *  4. `live` counts the unfinished tasks, `outside` the waits that something outside may end.
 */

import type { Queue } from '../support/ring-buffer.ts';
import { RingBuffer } from '../support/ring-buffer.ts';
import { current } from './current.ts';
import { debug, LONG_STEP_MS } from './debug.ts';
import { deadlock, findCycle, longStep, noteTasks } from './diagnostics.ts';
import type { DeadlockError } from './errors.ts';
import { ShieldExpiredError } from './errors.ts';
import { abortWait, dispatchWait } from './handlers.ts';
import type { Hooks } from './hooks.ts';
import type { AsyncContext, SchedulerHost } from './host.ts';
import type { Frames, OperationSource, Wait } from './operation.ts';
import { operationOf } from './operation.ts';
import { endByForce, throwInto, tooManyDeliveries } from './scope/cancellation-delivery.ts';
import { isOwnCancellation } from './scope/cancelled.ts';
import type { ScopeImpl } from './scope/scope.ts';
import { TaskImpl } from './task/task.ts';
import type { Timer } from './timers.ts';
import { Timers } from './timers.ts';

export interface SchedulerOptions {
  readonly host: SchedulerHost;
  /** What the rooms above find through the running task; see world/world.ts. */
  readonly world?: unknown;
  readonly hooks?: Hooks | undefined;
  /** True: debug mode has been entered for this scheduler; see debug.ts. */
  readonly debug?: boolean;
  /** Where ready tasks go, for a host that picks them itself and calls `step`; see sim/. */
  readonly runQueue?: Queue<TaskImpl>;
}

export class Scheduler {
  readonly host: SchedulerHost;
  readonly world: unknown;
  readonly #hooks: Hooks | null;
  /** True: steps are seen by hooks or by debug mode, and cost more. */
  readonly #instrumented: boolean;
  /** The ready tasks, the oldest first. */
  readonly #queue: Queue<TaskImpl>;
  readonly #timers = new Timers();
  /** The host's clock at the beginning: `now()` counts from here. */
  readonly #origin: number;
  /** Steps left in the batch that has begun. */
  #batchLeft = 0;
  /** True while `turn` runs, and from a wake-up of the host until its next turn. */
  #awake = false;
  #lastTaskId = 0;
  #steps = 0;
  #batches = 0;
  longestMs = 0;
  /** Where the next `select` begins to look; −1: the host has not drawn it yet. */
  selectStart = -1;
  /** Unfinished tasks, and the waits of theirs that something outside may end. */
  live = 0;
  externalWaits = 0;
  /** Of these, the waits for something that no simulated world can bring about. */
  realTimeWaits = 0;
  main: TaskImpl | null = null;
  /** Set once a deadlock was found: why the main task is being cancelled. */
  deadlock: DeadlockError | null = null;

  constructor(options: SchedulerOptions) {
    this.host = options.host;
    this.world = options.world;
    this.#queue = options.runQueue ?? new RingBuffer();
    this.#hooks = options.hooks ?? null;
    this.#instrumented = this.#hooks !== null || options.debug === true;
    this.#origin = this.host.now();
  }

  /** Milliseconds since the scheduler began: monotonic, fractional. */
  now(): number {
    return this.host.now() - this.#origin;
  }

  /** Makes the main task. It runs in the next turn; it has ended when `main.finished`. */
  start<T>(source: OperationSource<T>, name = 'main'): TaskImpl<T> {
    const task = new TaskImpl<T>(this, source, { group: null, name, daemon: false });
    this.main = task as TaskImpl;
    this.admit(task as TaskImpl);
    return task;
  }

  /** Files a new task at the tail of the queue. */
  admit(task: TaskImpl): void {
    this.live++;
    if (this.#hooks !== null) this.callHook('taskSpawned', task);
    this.#enqueue(task);
  }

  captureContext(): AsyncContext | null {
    return this.host.captureContext === undefined ? null : this.host.captureContext();
  }

  nextTaskId(): number {
    return ++this.#lastTaskId;
  }

  /**
   * Runs the batch that has begun, or the next one, for at most `maxSteps` steps. Answers in how
   * many milliseconds it wants to be called again if nothing happens before: 0 while tasks are
   * ready, Infinity if there is nothing to wait for.
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

  /** In how many milliseconds the next turn is due; see `turn`. */
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

  /** Whatever is due by now expires: at the beginning of a batch, or when a host says so. */
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

  /** Runs `task`, which was ready, until it yields or ends. Called by `turn`, or by a host. */
  step(task: TaskImpl): void {
    this.#steps++;
    task.state = 'running';
    task.resetBudget();
    const outer = current.task;
    current.task = task;
    if (this.#instrumented || task.context !== null) return this.#instrumentedStep(task, outer);
    let result: IteratorResult<Wait, unknown>;
    try {
      result = this.#advance(task);
    } catch (error) {
      current.task = outer;
      return this.#fail(task, error);
    }
    current.task = outer;
    if (result.done === true) this.#finish(task, 'done', result.value);
    else this.#dispatchWait(task, result.value);
  }

  /** What a task yields may be anything, even something that throws when it is looked at. */
  #dispatchWait(task: TaskImpl, wait: Wait): void {
    try {
      dispatchWait(this, task, wait);
    } catch (error) {
      this.throwLater(task, error);
    }
  }

  /** The same, in an async context of the task's own, or seen by hooks and by debug mode. */
  #instrumentedStep(task: TaskImpl, outer: TaskImpl | null): void {
    const begun = this.#instrumented ? this.now() : 0;
    this.callHook('stepBegins', task);
    let result: IteratorResult<Wait, unknown> | null = null;
    let thrown: unknown;
    try {
      result =
        task.context === null
          ? this.#advance(task)
          : task.context.runInAsyncScope(() => this.#advance(task));
    } catch (error) {
      thrown = error;
    }
    current.task = outer;
    this.callHook('stepEnds', task);
    if (this.#instrumented) this.#noteLongStep(task, this.now() - begun);
    if (result === null) return this.#fail(task, thrown);
    if (result.done === true) return this.#finish(task, 'done', result.value);
    this.callHook('taskWaits', task, result.value);
    this.#dispatchWait(task, result.value);
  }

  #noteLongStep(task: TaskImpl, tookMs: number): void {
    if (debug.tracker !== null && tookMs > LONG_STEP_MS) this.host.warn(longStep(task, tookMs));
  }

  #fail(task: TaskImpl, error: unknown): void {
    if (isOwnCancellation(task, error)) return this.#finish(task, 'cancelled', error);
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
    if (task.scope.cancelledBy === null) return frames.next();
    return this.#deliverCancellation(task, frames, task.scope.cancelledBy);
  }

  /**
   * The first step: even a task that is cancelled already gets it, so that its `finally` can run.
   */
  #begin(task: TaskImpl): IteratorResult<Wait, unknown> {
    const source = task.source as OperationSource<unknown>;
    task.source = null;
    task.resume = 'next';
    const frames = operationOf(source)[Symbol.iterator]();
    task.frames = frames;
    return frames.next();
  }

  // ---- leaving a wait ----

  /** The task goes to the tail of the run queue. Whoever calls has taken it out of its wait. */
  ready(task: TaskImpl): void {
    if (this.#hooks !== null) this.callHook('taskWakes', task);
    this.#enqueue(task);
  }

  #enqueue(task: TaskImpl): void {
    task.state = 'ready';
    this.#queue.push(task);
    if (!this.#awake) this.#wakeHost();
  }

  /** A cancellation ends the wait of `task`, unless it waits where cancellations do not reach. */
  interrupt(task: TaskImpl): void {
    if (abortWait(this, task)) this.deliverCancellationLater(task);
  }

  /** Throws `error` into the task in the next batch. */
  throwLater(task: TaskImpl, error: unknown): void {
    task.resume = 'throw';
    task.inbox = error;
    this.ready(task);
  }

  // ---- cancellation ----

  /** Answers the operation of a cancelled task, in the next batch. */
  deliverCancellationLater(task: TaskImpl): void {
    task.resume = 'cancel';
    this.ready(task);
  }

  /** The answer to a cancelled operation: a throw, or the end of a task that will not hear. */
  #deliverCancellation(
    task: TaskImpl,
    frames: Frames<unknown>,
    scope: ScopeImpl,
  ): IteratorResult<Wait, unknown> {
    if (this.#hooks !== null) this.callHook('taskCancelled', task);
    if (tooManyDeliveries(task, scope)) return endByForce(task, frames);
    return throwInto(frames, scope.cancellation);
  }

  /** A shield has run out of time. */
  shieldExpired(task: TaskImpl, withinMs: number): void {
    const what = task.waitingOn === '' ? 'computing' : `waiting for ${task.waitingOn}`;
    const text = `A shield of task '${task.name}' did not end within ${withinMs} ms, ${what}`;
    this.unhandled(new ShieldExpiredError('ERR_SHIELD_EXPIRED', text));
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

  /** Nothing can ever happen again: the main task is cancelled, with the report as reason. */
  declareDeadlock(cycle: readonly TaskImpl[] = []): void {
    if (this.main === null || this.deadlock !== null) return;
    this.deadlock = deadlock(this.tasks(), cycle);
    this.main.cancel(this.deadlock);
  }

  /** The task waits for something that another one holds: is that a way back to itself? */
  checkCycle(task: TaskImpl): void {
    const cycle = findCycle(task, this.live);
    if (cycle.length > 0) this.declareDeadlock(cycle);
  }

  /** All unfinished tasks, parents before children. */
  tasks(): readonly TaskImpl[] {
    const found: TaskImpl[] = this.main === null || this.main.finished ? [] : [this.main];
    for (let i = 0; i < found.length; i++) {
      for (const child of (found[i] as TaskImpl).children()) found.push(child);
    }
    return found;
  }

  // ---- seeing ----

  /** An error that no task is left to receive. */
  unhandled(error: unknown): void {
    if (this.#hooks?.onUnhandled === undefined) this.host.warn(error);
    else this.callHook('onUnhandled', error);
  }

  stats(): SchedulerStats {
    return Object.freeze({
      tasks: this.live,
      ready: this.#queue.length,
      timers: this.#timers.size,
      outsideWaits: this.externalWaits,
      spawned: this.#lastTaskId,
      steps: this.#steps,
      batches: this.#batches,
      longestMs: this.longestMs,
    });
  }

  get steps(): number {
    return this.#steps;
  }

  #wakeHost(): void {
    this.#awake = true;
    this.host.wake();
  }

  /** Calls a hook, if there is one. What it throws is told and otherwise ignored. */
  callHook<K extends keyof Hooks>(name: K, ...args: Parameters<Required<Hooks>[K]>): void {
    const hook = this.#hooks?.[name] as ((...args: unknown[]) => void) | undefined;
    if (hook === undefined) return;
    try {
      hook.apply(this.#hooks, args);
    } catch (thrown) {
      this.host.warn(thrown);
    }
  }
}

/** The figures of a scheduler. */

/** What a scheduler has done and holds. */
export interface SchedulerStats {
  /** Unfinished tasks. */
  readonly tasks: number;
  /** Tasks that are ready to run. */
  readonly ready: number;
  /** Armed timers: sleeps and deadlines. */
  readonly timers: number;
  /** Waits that something outside may end: sockets, promises, signals. */
  readonly outsideWaits: number;
  readonly spawned: number;
  readonly steps: number;
  readonly batches: number;
  /** The longest time for which the host heard nothing of the scheduler, in milliseconds. */
  readonly longestMs: number;
}
