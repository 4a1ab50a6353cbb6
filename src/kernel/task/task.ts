/**
 * Tasks: a generator, and all that the scheduler knows about it.
 *
 *            spawn                 step                  wait
 *   (none) ────────► ready ────────────────► running ────────────► waiting
 *                      ▲                        │ │                   │
 *                      │      bare yield        │ │                   │
 *                      ├────────────────────────┘ └──► done, failed,  │
 *                      │ grant, wake, error, cancellation  cancelled  │
 *                      └──────────────────────────────────────────────┘
 *
 * Invariants:
 *  1. A task is in the run queue exactly while it is ready.
 *  2. While it waits, `wait` says for what, and exactly one place outside (a readiness, a parking,
 *     the timers) knows of it. Leaving the wait and becoming ready are one step.
 *  3. `scope` is the innermost scope that control is in; it lies on the path from `ownScope` down.
 */
import { current, runningTask } from '../current.ts';
import { debug } from '../debug.ts';
import { addCause, describeWait } from '../diagnostics.ts';
import { TaskCancelledError, UsageError } from '../errors.ts';
import { uncountWait } from '../handlers.ts';
import type { AsyncContext } from '../host.ts';
import type { Frames, Operation, OperationSource, Wait } from '../operation.ts';
import { PAUSE, Step } from '../operation.ts';
import { Parking, ParkingQueue } from '../parking.ts';
import type { ReadinessWaiter } from '../readiness.ts';
import type { Scheduler } from '../scheduler.ts';
import { CancellationDeliveries } from '../scope/cancellation-delivery.ts';
import { isCancelled } from '../scope/cancelled.ts';
import { ScopeImpl } from '../scope/scope.ts';
import type { Timer, TimerTarget } from '../timers.ts';
import { mustPause, parkWait } from '../waits.ts';
import type { GroupImpl } from './group.ts';

/** How a task is doing. */
export type TaskState = 'ready' | 'running' | 'waiting' | 'done' | 'failed' | 'cancelled';

/** A running operation, as others see it. */
export interface Task<T> {
  /** Unique within a scheduler, counting from 1 in the order of spawning. */
  readonly id: number;
  readonly name: string;
  /** The task whose group it belongs to; null for the main task. */
  readonly parent: Task<unknown> | null;
  readonly state: TaskState;
  /** '' or what it waits for: "recv 127.0.0.1:51512", "sleep 40 ms", "join of task 7 'writer'". */
  readonly waitingOn: string;
  /**
   * Waits for the end of the task and gives its result; rethrows its error; ERR_TASK_CANCELLED if
   * it was cancelled. Joining oneself or an ancestor throws at once (ERR_JOIN_CYCLE).
   * Cancel: only the waiting ends, not the task.
   */
  join(): Operation<T>;
  /** Asks the task to end: its operations throw Cancelled. Returns at once. */
  cancel(reason?: unknown): void;
  /** The unfinished tasks of the groups that this task has open. */
  children(): readonly Task<unknown>[];
}

/** Operations that a task may complete before it has to let the others run. */
export const OPERATION_BUDGET = 128;

/**
 * How the next step resumes the generator. 'pause': as 'next', but a cancellation that comes before
 * the step is thrown there.
 */
export type Resume = 'start' | 'next' | 'pause' | 'throw' | 'cancel';

export class TaskImpl<T = unknown> implements Task<T>, ReadinessWaiter, TimerTarget {
  readonly id: number;
  readonly scheduler: Scheduler;
  /** Null for the main task. */
  readonly group: GroupImpl | null;
  /** Daemons do not hold their group back. */
  readonly daemon: boolean;
  private readonly givenName: string | { toString(): string };
  state: TaskState = 'ready';
  /** What is driven: null until the first step and after the last one. */
  frames: Frames<T> | null = null;
  /** What the first step begins to drive. */
  source: OperationSource<T> | null;
  /** The scope that `cancel()` cancels. */
  readonly ownScope: ScopeImpl;
  /** Invariant 3. */
  scope: ScopeImpl;
  /** Operations left before the task must let the others run; 0 as soon as it is cancelled. */
  budget: number = OPERATION_BUDGET;
  /**
   * What was left when a cancellation set `fuel` to 0; given back when control leaves its scope.
   */
  private savedBudget = 0;
  /** What it waits for; meaningful only while `waiting`. */
  wait: Wait = undefined;
  resume: Resume = 'start';
  /** What it is resumed with, a value or an error; after the end, the result or the error. */
  inbox: unknown = undefined;
  /** For sleeps; made by the first one. */
  timer: Timer | null = null;
  /** Tasks that wait in `join()`. */
  joiners: ParkingQueue | null = null;
  /** The innermost group that this task has open. */
  openGroup: GroupImpl | null = null;
  /** Neighbours among the members of the group. */
  nextMember: TaskImpl | null = null;
  previousMember: TaskImpl | null = null;
  /** The values of TaskLocals; shared with the spawner until one of them sets something. */
  locals: ReadonlyMap<object, unknown> | null;
  /** The async context of the spawner, where it differs from the run's. */
  readonly context: AsyncContext | null;
  /** The scope of the first refusal, then how often the task has thrown one away (refusal.ts). */
  cancellationDeliveries: CancellationDeliveries | ScopeImpl | null = null;

  constructor(scheduler: Scheduler, source: OperationSource<T>, options: TaskOptions) {
    this.id = scheduler.nextTaskId();
    this.scheduler = scheduler;
    this.source = source;
    this.group = options.group;
    this.daemon = options.daemon;
    this.givenName = options.name;
    this.locals = current.task === null ? null : current.task.locals;
    this.ownScope = new ScopeImpl(this, options.group?.scope ?? null, '');
    this.scope = this.ownScope;
    this.context = options.group === null ? null : scheduler.captureContext();
    debug.tracker?.spawned(this as TaskImpl);
  }

  /** Debug mode: the line that spawned the task. */
  get spawnedAt(): string | undefined {
    return debug.tracker?.spawnedAt(this as TaskImpl);
  }

  /** Debug mode: the lines at which it was last suspended, the innermost first. */
  get suspendedAt(): string | undefined {
    return debug.tracker?.suspendedAt(this as TaskImpl);
  }

  get parent(): TaskImpl | null {
    return this.group === null ? null : this.group.owner;
  }

  get name(): string {
    const name = String(this.givenName);
    return name === '' ? `task ${this.id}` : name;
  }

  get waitingOn(): string {
    return this.state === 'waiting' ? describeWait(this.wait) : '';
  }

  /** The result or the error of a finished task. */
  get outcome(): unknown {
    return this.inbox;
  }

  get finished(): boolean {
    return this.frames === null && this.source === null;
  }

  join(): Operation<T> {
    return new JoinOperation(this);
  }

  cancel(reason?: unknown): void {
    this.ownScope.cancel(reason);
  }

  children(): readonly TaskImpl[] {
    const children: TaskImpl[] = [];
    const open: GroupImpl[] = [];
    for (let group = this.openGroup; group !== null; group = group.outer) open.push(group);
    for (const group of open.reverse()) {
      for (const member of group.members()) children.push(member);
    }
    return children;
  }

  /** Control passes into `scope`: its cancellation counts from the next operation on. */
  moveToScope(scope: ScopeImpl): void {
    this.scope = scope;
    if (scope.cancelledBy !== null) this.clearBudget();
    else if (this.savedBudget > 0) this.restoreBudget();
  }

  /** At the beginning of a step: the task has waited, so its budget is whole. */
  resetBudget(): void {
    const cancelled = this.scope.cancelledBy !== null;
    this.budget = cancelled ? 0 : OPERATION_BUDGET;
    this.savedBudget = cancelled ? OPERATION_BUDGET : 0;
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

  /** Ends by force whatever scopes are open below `scope`. */
  endScopesBelow(scope: ScopeImpl): void {
    for (let at = this.scope; at !== scope && at.parent !== null; at = at.parent) at.end();
    this.moveToScope(scope);
  }

  /** The resource is ready: resume in the next batch. */
  notify(): void {
    this.scheduler.externalWaits--;
    this.scheduler.ready(this);
  }

  /** The wait has failed: throw `error` in the next batch. Called after the wait has let go. */
  reject(error: unknown): void {
    uncountWait(this);
    this.resume = 'throw';
    this.inbox = error;
    this.scheduler.ready(this);
  }

  /** A parking wakes its task. */
  wakeWith(value: unknown): void {
    uncountWait(this);
    this.inbox = value;
    this.scheduler.ready(this);
  }

  /** The sleep is over. */
  expire(): void {
    this.scheduler.ready(this);
  }

  /** A cancellation has reached the innermost scope: end the wait, if there is one to end. */
  interrupt(): void {
    this.clearBudget();
    if (this.state === 'waiting') this.scheduler.interrupt(this);
  }

  /** Time spent where cancellations do not reach is not held against the task. */
  restartDeliveryTime(): void {
    if (this.cancellationDeliveries instanceof CancellationDeliveries)
      this.cancellationDeliveries.since = this.scheduler.now();
  }
}

export interface TaskOptions {
  readonly group: GroupImpl | null;
  readonly name: string | { toString(): string };
  readonly daemon: boolean;
}

/** `task.join()`: waiting for the end of another task. */

export class JoinOperation<T> extends Step<T> {
  private readonly target: TaskImpl<T>;
  private checked = false;

  constructor(task: TaskImpl<T>) {
    super();
    this.target = task;
  }

  next(): IteratorResult<Wait, T> {
    const task = this.target;
    if (!this.checked) {
      this.checked = true;
      rejectJoinCycle(task);
      if (mustPause()) return PAUSE;
    }
    if (task.finished) return { done: true, value: resultOf(task) };
    const place = new JoinParking(task);
    task.joiners ??= new ParkingQueue();
    task.joiners.push(place);
    return parkWait(place);
  }
}

class JoinParking extends Parking {
  private readonly target: TaskImpl;

  constructor(task: TaskImpl) {
    super();
    this.target = task;
  }

  override describe(): string {
    return `join of task ${this.target.id} '${this.target.name}'`;
  }

  override holder(): TaskImpl {
    return this.target;
  }
}

/** A task that waits for itself, or for a task that waits for it, would wait for ever. */
function rejectJoinCycle(task: TaskImpl): void {
  const joiner = runningTask();
  for (let at: TaskImpl | null = joiner; at !== null; at = at.parent) {
    if (at !== task) continue;
    const whom = task === joiner ? 'itself' : `its ancestor '${task.name}'`;
    throw new UsageError(
      'ERR_JOIN_CYCLE',
      `Task '${joiner.name}' cannot join ${whom}: neither could ever end.`,
    );
  }
}

function resultOf<T>(task: TaskImpl<T>): T {
  if (task.state === 'done') return task.outcome as T;
  if (task.state === 'failed') throw task.outcome;
  throw new TaskCancelledError('ERR_TASK_CANCELLED', `Task '${task.name}' was cancelled`, {
    cause: task.outcome,
  });
}

/** How a run ends: what becomes of the main task's outcome, for every host that runs one. */

/** The value of a run, or its error. */
export type RunOutcome<T> = { readonly value: T } | { readonly error: unknown };

/**
 * A value wins over everything but a deadlock; an error of the main operation's own over the
 * cancellation by `signal`. A run never ends with a bare Cancelled.
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

function mainTaskCancelled(main: TaskImpl, thrown: unknown): TaskCancelledError {
  const cause = isCancelled(thrown) ? thrown.reason : thrown;
  const text = `The main task '${main.name}' was cancelled`;
  return new TaskCancelledError('ERR_TASK_CANCELLED', text, { cause });
}
