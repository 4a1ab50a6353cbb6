/**
 * Tasks: a generator, and the state that the scheduler keeps for it. The states and their
 * transitions are drawn in scheduler.ts.
 *
 * Invariants:
 *  1. While a task waits, `wait` holds the reason, and exactly one object (a readiness, a parking,
 *     the timers) refers to the task. Removing that reference and becoming ready are one step.
 *  2. `scope` is the innermost scope that control is in. It is `ownScope` or lies inside it.
 */
import { textOf } from '../../support/checks.ts';
import type { Selectable } from '../case.ts';
import { WOULD_WAIT } from '../case.ts';
import { current, runningTask } from '../current.ts';
import { debug } from '../debug.ts';
import { addCause, describeWait } from '../diagnostics.ts';
import { TaskCancelledError, UsageError } from '../errors.ts';
import { uncountWait } from '../handlers.ts';
import type { AsyncContext } from '../host.ts';
import type { Frames, OperationSource, Wait } from '../operation.ts';
import { ParkingQueue } from '../parking.ts';
import type { ReadinessWaiter } from '../readiness.ts';
import type { Scheduler } from '../scheduler.ts';
import { isCancelled } from '../scope/cancelled.ts';
import { CancellationDeliveries } from '../scope/forced-end.ts';
import { ScopeImpl } from '../scope/scope.ts';
import type { Timer, TimerTarget } from '../timers.ts';
import { LatchWait } from '../waits.ts';
import type { GroupImpl, SpawnOptions } from './group.ts';

/** The state of a task. The last three are final. */
export type TaskState = 'ready' | 'running' | 'waiting' | 'done' | 'failed' | 'cancelled';

/** A running operation, as other tasks see it. */
export interface Task<T> {
  /** Unique within a scheduler, counted from 1 in the order of spawning. */
  readonly id: number;
  readonly name: string;
  /** The task that opened the group of this task; null for the main task. */
  readonly parent: Task<unknown> | null;
  readonly state: TaskState;
  /** The current wait: "recv 127.0.0.1:51512", "sleep 40 ms", "join of task 7 'writer'", or ''. */
  readonly waitingOn: string;
  /**
   * Waits until the task has ended and returns its result.
   *
   * Errors: the error of the task; ERR_TASK_CANCELLED if it was cancelled; without waiting,
   * ERR_JOIN_CYCLE for the calling task itself or an ancestor of it, and ERR_DEADLOCK if the task
   * waits for the calling one.
   * Cancel: ends the wait only; the task continues.
   */
  join(): Selectable<T>;
  /** Requests the end of the task: its operations throw Cancelled. Returns at once. */
  cancel(reason?: unknown): void;
  /** The unfinished tasks of the groups that this task has open. */
  children(): readonly Task<unknown>[];
}

interface TaskOptions extends Required<SpawnOptions> {
  readonly group: GroupImpl | null;
}

/** Operations that a task may complete before it must let other tasks run. */
const OPERATION_BUDGET = 128;

/**
 * The way in which the next step resumes the generator. 'pause' is 'next', except that the step
 * throws if the task was cancelled in between.
 */
export type Resume = 'start' | 'next' | 'pause' | 'throw' | 'unknown-reason' | 'cancel';

const NO_TASKS: readonly TaskImpl[] = [];

export class TaskImpl<T = unknown> implements Task<T>, ReadinessWaiter, TimerTarget {
  readonly id: number;
  readonly scheduler: Scheduler;
  /** Null for the main task. */
  readonly group: GroupImpl | null;
  /** The group does not wait for daemons. */
  readonly daemon: boolean;
  private readonly givenName: TaskOptions['name'];
  state: TaskState = 'ready';
  /** The iterator that is driven: null before the first step and after the last one. */
  frames: Frames<T> | null = null;
  /** The scope that `cancel()` cancels. */
  readonly ownScope: ScopeImpl;
  /** Invariant 2. */
  scope: ScopeImpl;
  /** Operations left before the task must let others run; 0 as soon as it is cancelled. */
  budget: number = OPERATION_BUDGET;
  /** The budget before a cancellation set it to 0; restored when control leaves that scope. */
  private savedBudget = 0;
  /** The reason to wait in the state 'waiting'; otherwise the reason of the last wait. */
  wait: Wait = undefined;
  /** The scheduler's `readingMs` when the task began to wait. */
  waitsSince = 0;
  resume: Resume = 'start';
  /** For the first step, the operation that it starts; then the value or error of the next step;
   *  after the end, the result or error of the task. */
  inbox: unknown;
  /** The timer for sleeps; created by the first one. */
  timer: Timer | null = null;
  /** The tasks that wait in `join()`. */
  joiners: ParkingQueue | null = null;
  /** The innermost group that this task has open. */
  openGroup: GroupImpl | null = null;
  /** The values of TaskLocals; shared with the spawning task until one of the two sets a value. */
  locals: ReadonlyMap<object, unknown> | null;
  /** The async context of the next step. */
  context: AsyncContext;
  /** The scope of the first cancellation that was delivered, or a count of the deliveries. */
  cancellationDeliveries: CancellationDeliveries | ScopeImpl | null = null;

  constructor(scheduler: Scheduler, source: OperationSource<T>, options: TaskOptions) {
    this.id = scheduler.nextTaskId();
    this.scheduler = scheduler;
    this.inbox = source;
    this.group = options.group;
    this.daemon = options.daemon;
    this.givenName = options.name;
    this.locals = current.task === null ? null : current.task.locals;
    this.ownScope = new ScopeImpl(this, options.group?.scope ?? null, '');
    this.scope = this.ownScope;
    this.context = scheduler.contexts?.capture();
    debug.tracker?.spawned(this as TaskImpl);
  }

  /** The source line that spawned the task, in debug mode. */
  get spawnedAt(): string | undefined {
    return debug.tracker?.spawnedAt(this as TaskImpl);
  }

  /** The source lines at which the task was last suspended, innermost first, in debug mode. */
  get suspendedAt(): string | undefined {
    return debug.tracker?.suspendedAt(this as TaskImpl);
  }

  get parent(): TaskImpl | null {
    return this.group === null ? null : this.group.owner;
  }

  get name(): string {
    const name = textOf(this.givenName);
    return name === '' ? `task ${this.id}` : name;
  }

  /** The name in views of many tasks, which also states what the task is: "connection ::1:80". */
  get title(): string {
    const { kind } = this.givenName as { readonly kind?: unknown };
    return typeof kind === 'string' ? `${kind} ${this.name}` : this.name;
  }

  get waitingOn(): string {
    return this.state === 'waiting' ? describeWait(this.wait) : '';
  }

  /**
   * How long the task has waited at `readingMs`, in milliseconds modulo 2^32 (49 days). 0 unless it
   * waits.
   */
  waitedMs(readingMs: number): number {
    return this.state === 'waiting' ? (readingMs - this.waitsSince) >>> 0 : 0;
  }

  /** The result or the error of a finished task. */
  get outcome(): unknown {
    return this.inbox;
  }

  get finished(): boolean {
    return this.frames === null && this.resume !== 'start';
  }

  join(): Selectable<T> {
    return new JoinOperation(this);
  }

  cancel(reason?: unknown): void {
    this.ownScope.cancel(reason);
  }

  children(): readonly TaskImpl[] {
    if (this.openGroup === null) return NO_TASKS;
    if (this.openGroup.outer === null) return this.openGroup.members();
    const children: TaskImpl[] = [];
    const open: GroupImpl[] = [];
    for (let at: GroupImpl | null = this.openGroup; at !== null; at = at.outer) open.push(at);
    for (const group of open.reverse()) {
      for (const member of group.members()) children.push(member);
    }
    return children;
  }

  /** Makes `scope` the current scope: its cancellation applies from the next operation on. */
  moveToScope(scope: ScopeImpl): void {
    this.scope = scope;
    if (scope.cancelledBy !== null) this.clearBudget();
    else if (this.savedBudget > 0) this.restoreBudget();
  }

  /** Called at the beginning of a step: the task has waited, so it gets a full budget. */
  resetBudget(): void {
    const cancelled = this.scope.cancelledBy !== null;
    this.budget = cancelled ? 0 : OPERATION_BUDGET;
    this.savedBudget = cancelled ? OPERATION_BUDGET : 0;
  }

  /** Counts an operation that drives another one, when control has left it. */
  countOperation(): void {
    if (this.savedBudget > 0) this.savedBudget--;
    else this.budget--;
  }

  private clearBudget(): void {
    if (this.budget <= 0) return;
    this.savedBudget = this.budget;
    this.budget = 0;
  }

  private restoreBudget(): void {
    this.budget = this.savedBudget;
    this.savedBudget = 0;
  }

  /** Ends all scopes that are open inside `scope`, by force. */
  endScopesBelow(scope: ScopeImpl): void {
    for (let at = this.scope; at !== scope && at.parent !== null; at = at.parent) at.end();
    this.moveToScope(scope);
  }

  notify(inBatch = false): void {
    this.scheduler.externalWaits--;
    if (inBatch) this.scheduler.resume(this);
    else this.scheduler.ready(this);
  }

  /** The wait has failed: throws `error` in the next batch. The wait is already removed. */
  reject(error: unknown): void {
    uncountWait(this);
    this.scheduler.throwLater(this, error);
  }

  /** The parking was woken: resumes the task with `value` in the next batch. */
  wakeWith(value: unknown): void {
    uncountWait(this);
    this.inbox = value;
    this.scheduler.ready(this);
  }

  /** The sleep has ended. */
  expire(): void {
    this.scheduler.ready(this);
  }

  /** A cancellation has reached the innermost scope: ends the current wait, if there is one. */
  interrupt(): void {
    this.clearBudget();
    if (this.state === 'waiting') this.scheduler.interrupt(this);
  }

  /** Time spent in shields and in waits for group members does not count as ignored time. */
  restartDeliveryTime(): void {
    if (this.cancellationDeliveries instanceof CancellationDeliveries)
      this.cancellationDeliveries.since = this.scheduler.now();
  }
}

/** The value or the error of a run. */
export type RunOutcome<T> = { readonly value: T } | { readonly error: unknown };

/**
 * The outcome of a run, for every host. A deadlock has precedence over a value, and an error of the
 * main operation has precedence over the cancellation by `signal`. A run never ends with a bare
 * Cancelled.
 */
export function runOutcome<T>(main: TaskImpl<T>, signal?: AbortSignal): RunOutcome<T> {
  const { deadlock } = main.scheduler;
  const error = main.outcome;
  if (deadlock !== null) {
    if (main.state === 'failed') deadlock.errors.push(error);
    return { error: deadlock };
  }
  if (main.state === 'done') return { value: error as T };
  if (main.state === 'failed' && !isCancelled(error)) {
    if (signal?.aborted === true && main.ownScope.cancelRequested) addCause(error, signal.reason);
    return { error };
  }
  const aborted = signal?.aborted === true && isCancelled(error) && error.reason === signal.reason;
  return { error: aborted ? signal.reason : mainTaskCancelled(main as TaskImpl, error) };
}

class JoinOperation<T> extends LatchWait<T> {
  private readonly target: TaskImpl<T>;

  constructor(task: TaskImpl<T>) {
    super();
    this.target = task;
  }

  attempt(): T | typeof WOULD_WAIT {
    if (this.target.finished) return resultOf(this.target);
    rejectJoinCycle(this.target as TaskImpl);
    return WOULD_WAIT;
  }

  protected queue(): ParkingQueue {
    this.target.joiners ??= new ParkingQueue();
    return this.target.joiners;
  }

  describe(): string {
    return `join of task ${this.target.id} '${this.target.name}'`;
  }

  override holders(): readonly TaskImpl[] {
    return [this.target as TaskImpl];
  }
}

/**
 * A task that waits for itself, or for a task that waits for it, would wait indefinitely. A parent
 * has a smaller id than its children, so the search ends at the first one that is older than
 * `task`: at once if a task joins its child.
 */
function rejectJoinCycle(task: TaskImpl): void {
  const joiner = runningTask();
  for (let at: TaskImpl | null = joiner; at !== null && at.id >= task.id; at = at.parent) {
    if (at !== task) continue;
    const target = task === joiner ? 'itself' : `its ancestor '${task.name}'`;
    const text = `Task '${joiner.name}' cannot join ${target}: neither of them could end`;
    throw new UsageError('ERR_JOIN_CYCLE', text);
  }
}

function resultOf<T>(task: TaskImpl<T>): T {
  if (task.state === 'done') return task.outcome as T;
  if (task.state === 'failed') throw task.outcome;
  throw new TaskCancelledError('ERR_TASK_CANCELLED', `Task '${task.name}' was cancelled`, {
    cause: task.outcome,
  });
}

function mainTaskCancelled(main: TaskImpl, thrown: unknown): TaskCancelledError {
  const cause = isCancelled(thrown) ? thrown.reason : thrown;
  const text = `The main task '${main.name}' was cancelled`;
  return new TaskCancelledError('ERR_TASK_CANCELLED', text, { cause });
}
