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
import { current } from './current.ts';
import { debug } from './debug.ts';
import type { GroupRecord } from './group.ts';
import { letGo } from './handlers.ts';
import type { AsyncContext } from './host.ts';
import { JoinOperation } from './join.ts';
import type { Frames, Operation, OperationSource, Wait } from './operation.ts';
import type { ParkingQueue } from './parking.ts';
import type { ReadinessWaiter } from './readiness.ts';
import { Refusals } from './refusal.ts';
import { describeWait } from './report.ts';
import type { Scheduler } from './scheduler.ts';
import { ScopeRecord } from './scope.ts';
import type { Timer, TimerTarget } from './timers.ts';

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
export const FUEL = 128;

/**
 * How the next step resumes the generator. 'pause': as 'next', but a cancellation that comes before
 * the step is thrown there.
 */
export type Resume = 'start' | 'next' | 'pause' | 'throw' | 'refuse';

export class TaskRecord<T = unknown> implements Task<T>, ReadinessWaiter, TimerTarget {
  readonly id: number;
  readonly scheduler: Scheduler;
  /** Null for the main task. */
  readonly group: GroupRecord | null;
  /** Daemons do not hold their group back. */
  readonly daemon: boolean;
  private readonly givenName: string | { toString(): string };
  state: TaskState = 'ready';
  /** What is driven: null until the first step and after the last one. */
  frames: Frames<T> | null = null;
  /** What the first step begins to drive. */
  source: OperationSource<T> | null;
  /** The scope that `cancel()` cancels. */
  readonly ownScope: ScopeRecord;
  /** Invariant 3. */
  scope: ScopeRecord;
  /** Operations left before the task must let the others run; 0 as soon as it is cancelled. */
  fuel: number = FUEL;
  /**
   * What was left when a cancellation set `fuel` to 0; given back when control leaves its scope.
   */
  private spareFuel = 0;
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
  openGroup: GroupRecord | null = null;
  /** Neighbours among the members of the group. */
  nextMember: TaskRecord | null = null;
  previousMember: TaskRecord | null = null;
  /** The values of TaskLocals; shared with the spawner until one of them sets something. */
  locals: ReadonlyMap<object, unknown> | null;
  /** The async context of the spawner, where it differs from the run's. */
  readonly context: AsyncContext | null;
  /** The scope of the first refusal, then how often the task has thrown one away (refusal.ts). */
  refusals: Refusals | ScopeRecord | null = null;

  constructor(scheduler: Scheduler, source: OperationSource<T>, options: TaskOptions) {
    this.id = scheduler.nextTaskId();
    this.scheduler = scheduler;
    this.source = source;
    this.group = options.group;
    this.daemon = options.daemon;
    this.givenName = options.name;
    this.locals = current.task === null ? null : current.task.locals;
    this.ownScope = new ScopeRecord(this, options.group?.scope ?? null, '');
    this.scope = this.ownScope;
    this.context = options.group === null ? null : scheduler.captureContext();
    debug.tracker?.spawned(this as TaskRecord);
  }

  /** Debug mode: the line that spawned the task. */
  get spawnedAt(): string | undefined {
    return debug.tracker?.spawnedAt(this as TaskRecord);
  }

  /** Debug mode: the lines at which it was last suspended, the innermost first. */
  get suspendedAt(): string | undefined {
    return debug.tracker?.suspendedAt(this as TaskRecord);
  }

  get parent(): TaskRecord | null {
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

  children(): readonly TaskRecord[] {
    const children: TaskRecord[] = [];
    const open: GroupRecord[] = [];
    for (let group = this.openGroup; group !== null; group = group.outer) open.push(group);
    for (const group of open.reverse()) {
      for (const member of group.members()) children.push(member);
    }
    return children;
  }

  /** Control passes into `scope`: its cancellation counts from the next operation on. */
  moveTo(scope: ScopeRecord): void {
    this.scope = scope;
    if (scope.cancelledBy !== null) this.cutFuel();
    else if (this.spareFuel > 0) this.restoreFuel();
  }

  /** At the beginning of a step: the task has waited, so its budget is whole. */
  refuel(): void {
    const cancelled = this.scope.cancelledBy !== null;
    this.fuel = cancelled ? 0 : FUEL;
    this.spareFuel = cancelled ? FUEL : 0;
  }

  private cutFuel(): void {
    if (this.fuel <= 0) return;
    this.spareFuel = this.fuel;
    this.fuel = 0;
  }

  private restoreFuel(): void {
    this.fuel = this.spareFuel;
    this.spareFuel = 0;
  }

  /** Ends by force whatever scopes are open below `scope`. */
  dropScopesBelow(scope: ScopeRecord): void {
    for (let at = this.scope; at !== scope && at.parent !== null; at = at.parent) at.end();
    this.moveTo(scope);
  }

  /** The resource is ready: resume in the next batch. */
  grant(): void {
    this.scheduler.outside--;
    this.scheduler.ready(this);
  }

  /** The wait has failed: throw `error` in the next batch. Called after the wait has let go. */
  refuse(error: unknown): void {
    letGo(this);
    this.resume = 'throw';
    this.inbox = error;
    this.scheduler.ready(this);
  }

  /** A parking wakes its task. */
  wakeWith(value: unknown): void {
    letGo(this);
    this.inbox = value;
    this.scheduler.ready(this);
  }

  /** The sleep is over. */
  expire(): void {
    this.scheduler.ready(this);
  }

  /** A cancellation has reached the innermost scope: end the wait, if there is one to end. */
  interrupt(): void {
    this.cutFuel();
    if (this.state === 'waiting') this.scheduler.interrupt(this);
  }

  /** Time spent where cancellations do not reach is not held against the task. */
  forgiveRefusals(): void {
    if (this.refusals instanceof Refusals) this.refusals.since = this.scheduler.now();
  }
}

export interface TaskOptions {
  readonly group: GroupRecord | null;
  readonly name: string | { toString(): string };
  readonly daemon: boolean;
}
