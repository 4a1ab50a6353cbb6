/**
 * Groups: the only way to start tasks inside a program. A group is left when its body and all its
 * children have ended; a failure of one cancels the others; no error is dropped.
 *
 * Invariants:
 *  1. Members are linked while they are unfinished and unlinked in O(1) when they end: a server's
 *     group holds nothing of the connections that it has served.
 *  2. Each error object counts once as a failure; failures are kept in the order of occurrence.
 *  3. The group's scope is the parent of its children's scopes. The owner's control is in that
 *     scope from the body's first step until the group is left.
 */

import { firstLine } from '../../support/checks.ts';
import { runningTask } from '../current.ts';
import { GroupError, GroupStateError } from '../errors.ts';
import type { Operation, OperationSource, Wait } from '../operation.ts';
import { checkSource, discard, Lazy, operationOf } from '../operation.ts';
import { Parking } from '../parking.ts';
import { Cancelled } from '../scope/cancelled.ts';
import type { Scope } from '../scope/scope.ts';
import { ScopeImpl } from '../scope/scope.ts';
import { park } from '../waits.ts';
import type { Task } from './task.ts';
import { TaskImpl } from './task.ts';

/** How a task is spawned. */
export interface SpawnOptions {
  /** For reports. An object is asked for its text only when somebody wants to know. */
  readonly name?: string | { toString(): string };
  /** A daemon does not hold the group back: it is cancelled once all others have ended. */
  readonly daemon?: boolean;
}

/** Where tasks are started. */
export interface Group extends Disposable {
  /**
   * Starts a task: it goes to the tail of the run queue, the caller goes on. In a cancelled group
   * the task starts cancelled. Errors: ERR_GROUP_ENDED once the group has been left.
   */
  spawn<T>(op: OperationSource<T>, options?: SpawnOptions): Task<T>;
  readonly scope: Scope;
  /** Cancels the body and all children. */
  cancel(reason?: unknown): void;
  /** Asks them to come to an end; see Scope.stop. */
  stop(options?: { readonly graceMs?: number }): void;
  /** As `cancel()`: with `using`, a block that is left takes its tasks along. */
  [Symbol.dispose](): void;
}

/**
 * Runs `body` in the calling task, with a group in which it can spawn children, and gives the
 * body's value once all have ended.
 *
 * Errors: GroupError (ERR_GROUP) when the body or a child failed, always, with all errors in order
 * of occurrence; ERR_GROUP_CANCELLED when `cancel()` cut the body short.
 * Cancel: body and children are cancelled, and have unwound before Cancelled goes on.
 */
export function group<T>(
  body: (group: Group) => Operation<T>,
  options: { readonly name?: string } = {},
): Operation<T> {
  checkSource(body);
  return new Lazy(() => runGroup(body, options.name ?? ''));
}

function* runGroup<T>(body: (group: Group) => Operation<T>, name: string): Generator<Wait, T> {
  const members = new GroupImpl(runningTask(), name);
  let returned: { readonly value: T } | null = null;
  let thrown: unknown;
  let unwound = false;
  try {
    returned = { value: yield* operationOf(() => body(members)) };
    unwound = true;
  } catch (error) {
    thrown = error;
    unwound = true;
    members.bodyFailed(error);
  } finally {
    // Ended by force: nothing may wait any more, but the children must not go on.
    if (!unwound) members.cancel('the task of the group was ended by force');
    members.bodyEnded();
  }
  while (members.size > 0) yield* park(members.createParking());
  members.leave();
  return members.result(returned, thrown);
}

export class GroupImpl implements Group {
  readonly owner: TaskImpl;
  readonly scope: ScopeImpl;
  /** The next group outwards that the owner has open. */
  readonly outer: GroupImpl | null;
  readonly #name: string;
  /** Unfinished members, in the order of spawning. */
  #first: TaskImpl | null = null;
  #last: TaskImpl | null = null;
  size = 0;
  /** Of these, how many are daemons. */
  #daemons = 0;
  #failures: Failures | null = null;
  /** True once only daemons were left: they, and daemons that come later, are cancelled. */
  #daemonsCancelled = false;
  #bodyRuns = true;
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

  spawn<T>(op: OperationSource<T>, options: SpawnOptions = {}): Task<T> {
    checkSource(op);
    if (this.#left) {
      discard(op);
      throw new GroupStateError('ERR_GROUP_ENDED', `The ${this.name} has ended: it takes no task`);
    }
    const { name = '', daemon = false } = options;
    const task = new TaskImpl<T>(this.owner.scheduler, op, { group: this, name, daemon });
    this.#link(task as TaskImpl);
    this.owner.scheduler.admit(task as TaskImpl);
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
    for (let task = this.#first; task !== null; task = task.nextMember) members.push(task);
    return members;
  }

  /** A member has ended: unlink it, note its failure, see whether the group is done. */
  memberEnded(task: TaskImpl): void {
    this.#unlink(task);
    if (task.state === 'failed') this.#fail(task.name, task.outcome);
    this.#checkRemaining();
  }

  /** The body threw. Its own cancellation, or one from outside, is no failure. */
  bodyFailed(error: unknown): void {
    if (error instanceof Cancelled && error.scope.reaches(this.scope)) return;
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

  leave(): void {
    this.#left = true;
    this.owner.openGroup = this.outer;
    this.scope.leave();
    this.owner.restartDeliveryTime();
  }

  /** What the group gives or throws: failures first, then the body's value, then cancellation. */
  result<T>(returned: { readonly value: T } | null, thrown: unknown): T {
    const failure = this.failure();
    if (failure !== null) throw failure;
    if (returned !== null) return returned.value;
    if (!this.scope.owns(thrown)) throw thrown;
    const outer = this.owner.scope.cancelledBy;
    if (outer !== null) throw outer.cancellation;
    const text = `The ${this.name} was cancelled before its body had ended`;
    throw new GroupStateError('ERR_GROUP_CANCELLED', text, { cause: this.scope.ownReason });
  }

  /** All failures as one error; null if there was none. */
  failure(): GroupError | null {
    if (this.#failures === null) return null;
    return new GroupError(this.#failures.errors, `${this.name}: ${this.#failures.text()}`);
  }

  #fail(name: string, error: unknown): void {
    this.#failures ??= new Failures();
    this.#failures.add(name, error);
    this.scope.cancel(error);
  }

  /** Daemons go once nobody else is left; the owner goes on once nobody at all is. */
  #checkRemaining(): void {
    if (this.#bodyRuns) return;
    if (this.size > 0 && this.size === this.#daemons && !this.#daemonsCancelled) {
      this.#daemonsCancelled = true;
      for (const daemon of this.members()) daemon.cancel(GROUP_ENDED_REASON);
    }
    if (this.size === 0) this.#parking?.wake();
  }

  #link(task: TaskImpl): void {
    task.previousMember = this.#last;
    if (this.#last === null) this.#first = task;
    else this.#last.nextMember = task;
    this.#last = task;
    this.size++;
    if (task.daemon) this.#daemons++;
  }

  #unlink(task: TaskImpl): void {
    const { previousMember, nextMember } = task;
    if (previousMember === null) this.#first = nextMember;
    else previousMember.nextMember = nextMember;
    if (nextMember === null) this.#last = previousMember;
    else nextMember.previousMember = previousMember;
    task.previousMember = null;
    task.nextMember = null;
    this.size--;
    if (task.daemon) this.#daemons--;
  }
}

/** Why daemons are cancelled. */
const GROUP_ENDED_REASON = 'its group has ended';

/** The failures of a group, in the order of occurrence; an error object counts once. */
class Failures {
  readonly errors: unknown[] = [];
  readonly #seen = new Set<unknown>();
  /** The tasks that failed, and with what, as far as the message shows them. */
  readonly #lines: string[] = [];

  add(name: string, error: unknown): void {
    const isObject = typeof error === 'object' && error !== null;
    if (isObject && this.#seen.has(error)) return;
    if (isObject) this.#seen.add(error);
    this.errors.push(error);
    if (this.#lines.length < 8) this.#lines.push(`${name}: ${firstLine(error)}`);
  }

  text(): string {
    const more = this.errors.length - this.#lines.length;
    return this.#lines.join('; ') + (more > 0 ? `; and ${more} more` : '');
  }
}

/** Where the owner waits for its members: no cancellation ends that, the members get it instead. */
class GroupParking extends Parking {
  readonly #group: GroupImpl;

  constructor(group: GroupImpl) {
    super();
    this.#group = group;
  }

  override get cancellable(): boolean {
    return false;
  }

  override describe(): string {
    const { size, name } = this.#group;
    return `${size} ${size === 1 ? 'task' : 'tasks'} of ${name}`;
  }
}
