/**
 * The scheduler: a run queue of tasks, one handler for each reason, and nothing else.
 *
 * Principles:
 *  1. It is a pure state machine. It reads no clock and calls nobody back by itself: a host calls
 *     `turn()` and is told when to call again. Node's event loop is one host, the simulator another.
 *  2. It knows tasks, waits, scopes and timers. It does not know sockets, locks, channels, promises:
 *     those are built on `recv`, `send` and `park`. What can be built outside is not added here.
 *  3. No task can break it. Whatever a task throws or yields ends or resumes that task alone.
 *
 * Invariants:
 *  1. FIFO. A batch is what is ready when it begins; what becomes ready meanwhile is in the next one.
 *     Deadlines fire between batches, in the order of time, then of arming.
 *  2. Every wait is settled exactly once: the handler that files it and `letGo`, `interrupt` or
 *     `grant` that take it back are the only ones to touch it.
 *  3. A refusal (a cancelled operation) is always delivered as a step of its own: a task that catches
 *     its cancellations in a loop starves nobody, and is ended after REFUSALS of them.
 *  4. `live` counts the unfinished tasks, `outside` the waits that something outside may end.
 */
import { current } from './current.ts';
import { isCancelled } from './cancelled.ts';
import { checkDuration } from './checks.ts';
import {
  BusyError,
  type DeadlockError,
  ShieldExpiredError,
  UncooperativeError,
} from './errors.ts';
import type { Hooks } from './hooks.ts';
import type { Host } from './host.ts';
import { type Frames, type OperationSource, operationOf, type Wait } from './operation.ts';
import { Parking } from './parking.ts';
import { type Pollable, Readiness } from './readiness.ts';
import { deadlock, unknownReason } from './report.ts';
import { RunQueue } from './run-queue.ts';
import { FUEL, TaskRecord } from './task.ts';
import { Timer, Timers } from './timers.ts';

/** A task that throws its cancellation away this often, or for this long, is ended by force. */
const REFUSALS = 1000;
const REFUSING_MS = 1000;

export interface SchedulerOptions {
  readonly host: Host;
  /** What the rooms above find through the running task; see world/world.ts. */
  readonly world?: unknown;
  readonly hooks?: Hooks | undefined;
}

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

export class Scheduler {
  readonly host: Host;
  readonly world: unknown;
  readonly #hooks: Hooks | null;
  readonly #queue = new RunQueue<TaskRecord>();
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
  /** Unfinished tasks, and the waits of theirs that something outside may end. */
  live = 0;
  outside = 0;
  main: TaskRecord | null = null;
  /** Set once a deadlock was found: why the main task is being cancelled. */
  deadlock: DeadlockError | null = null;

  constructor(options: SchedulerOptions) {
    this.host = options.host;
    this.world = options.world;
    this.#hooks = options.hooks ?? null;
    this.#origin = this.host.now();
  }

  /** Milliseconds since the scheduler began: monotonic, fractional. */
  now(): number {
    return this.host.now() - this.#origin;
  }

  /** Makes the main task. It runs in the next turn; it has ended when `main.finished`. */
  start<T>(source: OperationSource<T>, name = 'main'): TaskRecord<T> {
    const task = new TaskRecord<T>(this, source, { group: null, name, daemon: false });
    this.main = task as TaskRecord;
    this.admit(task as TaskRecord);
    return task;
  }

  /** Files a new task at the tail of the queue. */
  admit(task: TaskRecord): void {
    this.live++;
    if (this.#hooks !== null) this.#tell('taskSpawned', task);
    this.ready(task);
  }

  nextTaskId(): number {
    return ++this.#lastTaskId;
  }

  /**
   * Runs the batch that has begun, or the next one, for at most `maxSteps` steps. Answers in how many
   * milliseconds it wants to be called again if nothing happens before: 0 while tasks are ready,
   * Infinity if there is nothing to wait for.
   */
  turn(maxSteps: number = Infinity): number {
    this.#awake = true;
    if (this.#batchLeft === 0) this.#beginBatch();
    let left = Math.min(maxSteps, this.#batchLeft);
    this.#batchLeft -= left;
    while (left-- > 0) this.#step(this.#queue.shift());
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
    this.#fireTimers();
    this.#batchLeft = this.#queue.length;
    this.#batches++;
    if (this.#hooks !== null) this.#hooks.batchBegins?.(this.#batchLeft);
  }

  #fireTimers(): void {
    if (this.#timers.size === 0) return;
    const now = this.now();
    if (this.#timers.nextAt > now) return;
    for (let due = this.#timers.takeDue(now); due; due = this.#timers.takeDue(now)) {
      due.target.expire(due);
    }
  }

  // ---- one step of one task ----

  #step(task: TaskRecord): void {
    this.#steps++;
    task.state = 'running';
    task.fuel = task.scope.cancelledBy === null ? FUEL : 0;
    current.task = task;
    if (this.#hooks !== null) this.#tell('stepBegins', task);
    let result: IteratorResult<Wait, unknown>;
    try {
      result = this.#advance(task);
    } catch (error) {
      current.task = null;
      this.#finish(task, isOwnCancellation(task, error) ? 'cancelled' : 'failed', error);
      return;
    }
    current.task = null;
    if (this.#hooks !== null) this.#tell('stepEnds', task);
    if (result.done === true) this.#finish(task, 'done', result.value);
    else this.#file(task, result.value);
  }

  #advance(task: TaskRecord): IteratorResult<Wait, unknown> {
    const { frames, resume, inbox } = task;
    if (frames === null) return this.#begin(task);
    if (task.paused) {
      task.paused = false;
      if (task.scope.cancelledBy !== null) return this.#deliverRefusal(task, frames);
    }
    if (resume === 'next') {
      if (inbox === undefined) return frames.next();
      task.inbox = undefined;
      return frames.next(inbox);
    }
    task.resume = 'next';
    task.inbox = undefined;
    return resume === 'throw' ? throwInto(frames, inbox) : this.#deliverRefusal(task, frames);
  }

  /** The first step: even a task that is cancelled already gets it, so that its `finally` can run. */
  #begin(task: TaskRecord): IteratorResult<Wait, unknown> {
    const source = task.source as OperationSource<unknown>;
    task.source = null;
    task.resume = 'next';
    const frames = operationOf(source)[Symbol.iterator]();
    task.frames = frames;
    return frames.next();
  }

  /** Files a task by the reason that it has yielded: one handler each. */
  #file(task: TaskRecord, wait: Wait): void {
    task.wait = wait;
    if (this.#hooks !== null) this.#hooks.taskWaits?.(task, wait);
    if (wait === undefined) return this.#onPause(task);
    switch (wait?.[0]) {
      case 'recv':
        return this.#onRecv(task, wait[1]);
      case 'send':
        return this.#onSend(task, wait[1]);
      case 'sleep':
        return this.#onSleep(task, wait[1]);
      case 'park':
        return this.#onPark(task, wait[1]);
      default:
        return this.#throwLater(task, unknownReason(task, wait));
    }
  }

  #onPause(task: TaskRecord): void {
    task.paused = true;
    this.ready(task);
  }

  #onRecv(task: TaskRecord, pollable: Pollable): void {
    const readiness = pollable?.readiness;
    if (!(readiness instanceof Readiness)) return this.#throwLater(task, unknownReason(task, task.wait));
    if (readiness.recvWaiter !== null) return this.#throwLater(task, busy(task, 'recv', readiness));
    if (task.scope.cancelledBy !== null) return this.#refuseLater(task);
    if (readiness.canRecv) return this.ready(task);
    readiness.recvWaiter = task;
    task.state = 'waiting';
    this.outside++;
  }

  #onSend(task: TaskRecord, pollable: Pollable): void {
    const readiness = pollable?.readiness;
    if (!(readiness instanceof Readiness)) return this.#throwLater(task, unknownReason(task, task.wait));
    if (readiness.sendWaiter !== null) return this.#throwLater(task, busy(task, 'send', readiness));
    if (task.scope.cancelledBy !== null) return this.#refuseLater(task);
    if (readiness.canSend) return this.ready(task);
    readiness.sendWaiter = task;
    task.state = 'waiting';
    this.outside++;
  }

  #onSleep(task: TaskRecord, ms: number): void {
    try {
      checkDuration('ms', ms);
    } catch (error) {
      return this.#throwLater(task, error);
    }
    if (task.scope.cancelledBy !== null) return this.#refuseLater(task);
    if (ms === 0) return this.#onPause(task);
    task.state = 'waiting';
    task.timer ??= new Timer(task);
    this.arm(task.timer, this.now() + ms);
  }

  #onPark(task: TaskRecord, parking: Parking): void {
    if (!(parking instanceof Parking)) return this.#throwLater(task, unknownReason(task, task.wait));
    if (parking.waiter !== null) return this.#throwLater(task, busy(task, 'park', parking));
    if (parking.cancellable && task.scope.cancelledBy !== null) {
      parking.withdraw();
      return this.#refuseLater(task);
    }
    task.state = 'waiting';
    if (parking.outside) this.outside++;
    if (parking.deliverEarly(task)) return;
    parking.waiter = task;
    if (parking.holder() !== null) this.#findCycle(task);
  }

  // ---- leaving a wait ----

  /** The task goes to the tail of the run queue. Whoever calls has taken it out of its wait. */
  ready(task: TaskRecord): void {
    task.state = 'ready';
    this.#queue.push(task);
    if (this.#hooks !== null) this.#tell('taskWakes', task);
    if (!this.#awake) this.#wakeHost();
  }

  /** Takes back what filing a wait has counted. The place of the wait is empty already. */
  letGo(task: TaskRecord): void {
    const wait = task.wait;
    if (wait === undefined || wait[0] === 'sleep') return;
    if (wait[0] !== 'park' || wait[1].outside) this.outside--;
  }

  /** A cancellation ends the wait of `task`, unless it waits where cancellations do not reach. */
  interrupt(task: TaskRecord): void {
    const wait = task.wait as Exclude<Wait, undefined>;
    switch (wait[0]) {
      case 'recv':
        wait[1].readiness.recvWaiter = null;
        break;
      case 'send':
        wait[1].readiness.sendWaiter = null;
        break;
      case 'sleep':
        this.disarm(task.timer as Timer);
        break;
      case 'park':
        if (!wait[1].cancellable) return;
        wait[1].withdraw();
    }
    this.letGo(task);
    this.#refuseLater(task);
  }

  #throwLater(task: TaskRecord, error: unknown): void {
    task.resume = 'throw';
    task.inbox = error;
    this.ready(task);
  }

  // ---- cancellation ----

  #refuseLater(task: TaskRecord): void {
    task.resume = 'refuse';
    this.ready(task);
  }

  #deliverRefusal(task: TaskRecord, frames: Frames<unknown>): IteratorResult<Wait, unknown> {
    const scope = task.scope.cancelledBy;
    if (scope === null) return frames.next();
    if (this.#hooks !== null) this.#tell('taskCancelled', task);
    if (task.refusals++ === 0) task.refusedSince = this.now();
    const tooLong = task.refusals > 16 && this.now() - task.refusedSince >= REFUSING_MS;
    if (task.refusals > REFUSALS || tooLong) return this.#endByForce(task, frames);
    return throwInto(frames, scope.thrown);
  }

  /** Skips the `catch` blocks that have swallowed the cancellation; what yields again is dropped. */
  #endByForce(task: TaskRecord, frames: Frames<unknown>): never {
    const operation = task.wait === undefined ? 'a bare yield' : `'${task.wait[0]}'`;
    const left = frames.return === undefined ? undefined : frames.return(undefined);
    const how = left === undefined || left.done ? 'ended by force' : 'abandoned';
    throw new UncooperativeError(
      'ERR_UNCOOPERATIVE',
      `Task '${task.name}' went on after ${task.refusals} refusals of its operations (the last: ` +
        `${operation}) and was ${how}. Do not catch Cancelled in a loop: rethrow it.`,
    );
  }

  /** A shield has run out of time. */
  shieldExpired(task: TaskRecord, withinMs: number): void {
    const what = task.waitingOn === '' ? 'computing' : `waiting for ${task.waitingOn}`;
    const text = `A shield of task '${task.name}' did not end within ${withinMs} ms, ${what}`;
    this.unhandled(new ShieldExpiredError('ERR_SHIELD_EXPIRED', text));
  }

  // ---- the end of a task ----

  #finish(task: TaskRecord, state: 'done' | 'failed' | 'cancelled', outcome: unknown): void {
    task.state = state;
    task.outcome = outcome;
    task.frames = null;
    task.ownScope.end();
    this.live--;
    if (this.#hooks !== null) this.#tell('taskFinished', task);
    task.group?.memberEnded(task);
    const joiners = task.joiners;
    while (joiners !== null && joiners.first !== null) joiners.first.wake();
  }

  // ---- timers ----

  arm(timer: Timer, at: number): void {
    const wasNext = this.#timers.nextAt;
    this.#timers.arm(timer, at);
    if (!this.#awake && at < wasNext) this.#wakeHost();
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
  declareDeadlock(cycle: readonly TaskRecord[] = []): void {
    if (this.main === null || this.deadlock !== null) return;
    this.deadlock = deadlock(this.tasks(), cycle);
    this.main.cancel(this.deadlock);
  }

  /** Follows who waits for whom; coming back to `task` is a deadlock at once. */
  #findCycle(task: TaskRecord): void {
    const cycle = [task];
    for (let at = holderOf(task); at !== null; at = holderOf(at)) {
      cycle.push(at);
      if (at === task) return this.declareDeadlock(cycle);
      if (cycle.length > this.live) return;
    }
  }

  /** All unfinished tasks, parents before children. */
  tasks(): readonly TaskRecord[] {
    const found: TaskRecord[] = this.main === null || this.main.finished ? [] : [this.main];
    for (let i = 0; i < found.length; i++) found.push(...(found[i] as TaskRecord).children());
    return found;
  }

  // ---- seeing ----

  /** An error that no task is left to receive. */
  unhandled(error: unknown): void {
    if (this.#hooks?.onUnhandled === undefined) return this.host.warn(error);
    try {
      this.#hooks.onUnhandled(error);
    } catch (thrown) {
      this.host.warn(thrown);
    }
  }

  stats(): SchedulerStats {
    return Object.freeze({
      tasks: this.live,
      ready: this.#queue.length,
      timers: this.#timers.size,
      outsideWaits: this.outside,
      spawned: this.#lastTaskId,
      steps: this.#steps,
      batches: this.#batches,
      longestMs: this.longestMs,
    });
  }

  get steps(): number {
    return this.#steps;
  }

  get hooks(): Hooks | null {
    return this.#hooks;
  }

  #wakeHost(): void {
    this.#awake = true;
    this.host.wake();
  }

  #tell(name: TaskHook, task: TaskRecord): void {
    try {
      this.#hooks?.[name]?.(task);
    } catch (thrown) {
      this.host.warn(thrown);
    }
  }
}

type TaskHook =
  | 'taskSpawned'
  | 'stepBegins'
  | 'stepEnds'
  | 'taskWakes'
  | 'taskCancelled'
  | 'taskFinished';

/** `yield*` passes a throw on; an iterator that has no `throw` is closed and the error goes on. */
function throwInto(frames: Frames<unknown>, error: unknown): IteratorResult<Wait, unknown> {
  if (frames.throw !== undefined) return frames.throw(error);
  frames.return?.();
  throw error;
}

/** True if the task ends because of its own scope or one around it: that is no failure. */
function isOwnCancellation(task: TaskRecord, error: unknown): boolean {
  return isCancelled(error) && error.scope.encloses(task.ownScope);
}

/** The task that has to act before `task` can go on, where that is known. */
function holderOf(task: TaskRecord): TaskRecord | null {
  if (task.state !== 'waiting' || task.wait?.[0] !== 'park') return null;
  return task.wait[1].holder();
}

function busy(task: TaskRecord, reason: string, resource: { describe(): string }): BusyError {
  return new BusyError(
    'ERR_BUSY',
    `Task '${task.name}' cannot wait for '${reason}' of ${resource.describe()}: another task waits ` +
      'there already. One task at a time may wait for each direction.',
  );
}
