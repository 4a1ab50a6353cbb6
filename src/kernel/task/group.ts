/**
 * Groups: the only way to start tasks inside a program. Control leaves a group when its body and
 * all its children have ended. A failure of one cancels the others, and no error is dropped.
 *
 * Invariants:
 *  1. The list of the unfinished members is that of their scopes in the group's scope. A member
 *     that ends is removed in O(1), so the group of a server keeps nothing of the connections that
 *     have ended.
 *  2. Each error object counts once as a failure. Failures are in the order of occurrence.
 *  3. The control of the owner is in the group's scope from the first step of the body until the
 *     group is left.
 *  4. A group that an enclosing scope has cut, because a member other than a daemon ended with the
 *     cancellation of that scope, throws that cancellation, even if its body has returned.
 */

import type { Keys } from '../../support/checks.ts';
import { checkBoolean, checkKeys, checkName, firstLine, wrongType } from '../../support/checks.ts';
import { runningTask } from '../current.ts';
import { GroupError, GroupStateError } from '../errors.ts';
import type { Operation, OperationSource, Wait } from '../operation.ts';
import { checkBody, checkSource, discard, Lazy, operationOf } from '../operation.ts';
import { Parking } from '../parking.ts';
import type { Cancelled } from '../scope/cancelled.ts';
import { catchingScope } from '../scope/cancelled.ts';
import type { Scope } from '../scope/scope.ts';
import { ScopeImpl } from '../scope/scope.ts';
import { mustPauseFirst, park } from '../waits.ts';
import type { Task } from './task.ts';
import { TaskImpl } from './task.ts';

/** Options of `group.spawn`. */
export interface SpawnOptions {
  /** The name in reports. `toString()` of an object is called only when the name is needed. */
  readonly name?: string | { toString(): string };
  /** True: the group does not wait for the task; it is cancelled when all others have ended. */
  readonly daemon?: boolean;
}

const DEFAULTS: Required<SpawnOptions> = { name: '', daemon: false };
const SPAWN_KEYS: Keys<SpawnOptions> = { name: true, daemon: true };

/** Starts tasks and waits for their end. */
export interface Group extends Disposable {
  /**
   * Starts a task: it is queued at the tail of the run queue, and the caller continues. In a
   * cancelled group the task starts cancelled.
   *
   * Errors: ERR_GROUP_ENDED after the group has been left; ERR_NOT_AN_OPERATION; TypeError for
   * invalid options.
   */
  spawn<T>(op: OperationSource<T>, options?: SpawnOptions): Task<T>;
  readonly scope: Scope;
  /** Cancels the body and all children. */
  cancel(reason?: unknown): void;
  /** Requests a soft stop of the body and all children; see Scope.stop. */
  stop(options?: { readonly graceMs?: number }): void;
  /** As `cancel()`. With `using`, the tasks are cancelled at the end of the block. */
  [Symbol.dispose](): void;
}

/**
 * Runs `body` in the calling task with a group in which it can spawn children. Returns the value of
 * the body after all children have ended.
 *
 * Errors: GroupError (ERR_GROUP) if the body or a child failed, with all errors in the order of
 * occurrence; ERR_GROUP_CANCELLED if `cancel()` ended the body before it returned. If the wait for
 * the children would be a deadlock, the group fails with a DeadlockError (ERR_DEADLOCK).
 * Cancel: the body and the children are cancelled and have unwound before Cancelled is thrown. The
 * value is returned only if the body and all children, except daemons, have finished nevertheless.
 *
 * @example
 * yield* group(function* (tasks) {
 *   tasks.spawn(() => serve(8080));
 *   tasks.spawn(() => serve(8443), { name: 'tls' });
 * });
 */
export function group<T>(
  body: (group: Group) => Operation<T>,
  options: { readonly name?: string } = {},
): Operation<T> {
  checkBody(body, 'group(function* (tasks) { … })');
  checkKeys('options', options, { name: true });
  const { name = '' } = options;
  checkName(name);
  return new Lazy(() => runGroup(body, name, true));
}

/** `isCheckpoint`: false for a combinator, which waits for its members in any case. */
export function* runGroup<T>(
  body: (group: Group) => Operation<T>,
  name: string,
  isCheckpoint: boolean,
): Generator<Wait, T> {
  const task = runningTask();
  if (isCheckpoint && mustPauseFirst(task)) yield;
  const members = new GroupImpl(task, name);
  let returned: { readonly value: T } | null = null;
  let thrown: unknown;
  let endedByForce = true;
  try {
    returned = { value: yield* operationOf(() => body(members)) };
    endedByForce = false;
  } catch (error) {
    thrown = error;
    endedByForce = false;
    members.bodyFailed(error);
  } finally {
    // Neither returned nor thrown: the body must not wait any more, and its children must end.
    if (endedByForce) members.cancel('the task of the group was ended by force');
    members.bodyEnded();
  }
  while (members.size > 0) {
    try {
      yield* park(members.createParking());
    } catch (error) {
      members.bodyFailed(error); // a DeadlockError: no cancellation ends this wait
    }
  }
  members.leave();
  return members.result(returned, thrown);
}

export class GroupImpl implements Group {
  readonly owner: TaskImpl;
  readonly scope: ScopeImpl;
  /** The enclosing group that the owner has open. */
  readonly outer: GroupImpl | null;
  readonly #name: string;
  /** The number of unfinished members. */
  size = 0;
  /** The number of members that are daemons. */
  #daemons = 0;
  #failures: Failures | null = null;
  /** True after only daemons were left: they, and daemons that are spawned later, are cancelled. */
  #daemonsCancelled = false;
  #bodyRuns = true;
  /** Invariant 4. */
  #cut = false;
  #left = false;
  #parking: Parking | null = null;

  constructor(owner: TaskImpl, name: string) {
    this.owner = owner;
    this.#name = name;
    this.scope = new ScopeImpl(owner, owner.scope, name === '' ? 'group' : name);
    this.outer = owner.openGroup;
    owner.openGroup = this;
    this.scope.enter();
  }

  get name(): string {
    return this.#name === '' ? `group of '${this.owner.name}'` : `group '${this.#name}'`;
  }

  spawn<T>(op: OperationSource<T>, options: SpawnOptions = DEFAULTS): Task<T> {
    checkSource(op);
    if (this.#left) {
      discard(op);
      const text = `The ${this.name} has ended and cannot start tasks`;
      throw new GroupStateError('ERR_GROUP_ENDED', text);
    }
    if (options !== DEFAULTS) checkOptions(options);
    const { name = '', daemon = false } = options;
    const task = new TaskImpl<T>(this.owner.scheduler, op, { group: this, name, daemon });
    this.size++;
    if (daemon) this.#daemons++;
    const { scheduler } = this.owner;
    if (typeof op !== 'function') scheduler.undriven.spawned(op, task as TaskImpl);
    scheduler.admit(task as TaskImpl);
    if (daemon && this.#daemonsCancelled) task.cancel(GROUP_ENDED_REASON);
    return task;
  }

  cancel(reason?: unknown): void {
    this.scope.cancel(reason);
  }

  stop(options?: { readonly graceMs?: number }): void {
    this.scope.stop(options);
  }

  [Symbol.dispose](): void {
    this.cancel();
  }

  /** The unfinished members, in the order of spawning. */
  members(): TaskImpl[] {
    const members: TaskImpl[] = [];
    // A scope of the owner is one that its body has entered.
    for (let scope = this.scope.firstChild; scope !== null; scope = scope.next) {
      if (scope.task !== this.owner) members.push(scope.task);
    }
    return members;
  }

  /** A member and its scope have ended: records its failure. */
  memberEnded(task: TaskImpl): void {
    this.size--;
    if (task.daemon) this.#daemons--;
    if (task.state === 'failed') this.#fail(task.name, task.outcome);
    else if (task.state === 'cancelled' && !task.daemon) this.#cut ||= this.#isCut(task);
    this.#checkRemaining();
  }

  /** The body threw. A cancellation of the group or of a scope around it is not a failure. */
  bodyFailed(error: unknown): void {
    if (catchingScope(error)?.reaches(this.scope) === true) return;
    this.#fail(this.owner.name, error);
  }

  bodyEnded(): void {
    this.#bodyRuns = false;
    this.#checkRemaining();
  }

  createParking(): Parking {
    this.#parking = new GroupParking(this);
    return this.#parking;
  }

  /** True while the owner waits for the members. */
  get awaited(): boolean {
    return this.#parking?.occupied === true;
  }

  leave(): void {
    this.#left = true;
    this.owner.openGroup = this.outer;
    this.scope.leave();
    this.owner.countOperation();
    this.owner.restartDeliveryTime();
  }

  /** Returns or throws, in this order: failures, a cut, the value of the body, the cancellation. */
  result<T>(returned: { readonly value: T } | null, thrown: unknown): T {
    const failure = this.failure();
    if (failure !== null) throw failure;
    const outer = this.owner.scope.cancelledBy;
    if (this.#cut && outer !== null) throw outer.cancellation;
    if (returned !== null) return returned.value;
    if (!this.scope.owns(thrown)) throw thrown;
    if (outer !== null) throw outer.cancellation;
    const text = `The ${this.name} was cancelled before its body returned`;
    throw new GroupStateError('ERR_GROUP_CANCELLED', text, { cause: this.scope.ownReason });
  }

  /** All failures as one error, or null. */
  failure(): GroupError | null {
    if (this.#failures === null) return null;
    return new GroupError(this.#failures.errors, `${this.name}: ${this.#failures.text()}`);
  }

  /** True if an enclosing scope ended the member, and not the group or `task.cancel()`. */
  #isCut(task: TaskImpl): boolean {
    const { scope } = task.outcome as Cancelled;
    return scope !== this.scope && scope !== task.ownScope;
  }

  #fail(name: string, error: unknown): void {
    this.#failures ??= new Failures();
    this.#failures.add(name, error);
    this.scope.cancel(error);
  }

  /** Cancels the daemons when only they are left, and wakes the owner when no member is left. */
  #checkRemaining(): void {
    if (this.#bodyRuns) return;
    if (this.size > 0 && this.size === this.#daemons && !this.#daemonsCancelled) {
      this.#daemonsCancelled = true;
      for (const daemon of this.members()) daemon.cancel(GROUP_ENDED_REASON);
    }
    if (this.size === 0) this.#parking?.wake();
  }
}

function checkOptions(options: SpawnOptions): void {
  checkKeys('options', options, SPAWN_KEYS);
  const { name = '', daemon = false } = options;
  checkBoolean('options.daemon', daemon);
  if (typeof name === 'string' || (typeof name === 'object' && name !== null)) return;
  throw wrongType('options.name', 'a string or an object', name);
}

/** The reason for which daemons are cancelled. */
const GROUP_ENDED_REASON = 'its group has ended';

/** Lines of a GroupError's message. */
const MAX_LINES = 8;

/** The failures of a group. Invariant 2. */
class Failures {
  readonly errors: unknown[] = [];
  readonly #seen = new Set<unknown>();
  /** "task: error", for the failures that the message shows. */
  readonly #lines: string[] = [];

  add(name: string, error: unknown): void {
    const isObject = typeof error === 'object' && error !== null;
    if (isObject && this.#seen.has(error)) return;
    if (isObject) this.#seen.add(error);
    this.errors.push(error);
    if (this.#lines.length < MAX_LINES) this.#lines.push(`${name}: ${firstLine(error)}`);
  }

  text(): string {
    const more = this.errors.length - this.#lines.length;
    return this.#lines.join('; ') + (more > 0 ? `; and ${more} more` : '');
  }
}

/** The owner's wait for its members. A cancellation does not end it; it ends the members. */
class GroupParking extends Parking {
  readonly #group: GroupImpl;

  constructor(group: GroupImpl) {
    super();
    this.#group = group;
  }

  override get cancellable(): boolean {
    return false;
  }

  override holders(): readonly TaskImpl[] {
    return this.#group.members().filter((member) => !member.daemon);
  }

  override describe(): string {
    const { size, name } = this.#group;
    return `${size} ${size === 1 ? 'task' : 'tasks'} of ${name}`;
  }
}
