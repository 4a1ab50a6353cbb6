/**
 * Groups: the only way to start tasks inside a program. A group is left when its body and all its
 * children have ended; a failure of one cancels the others; no error is dropped.
 *
 * Invariants:
 *  1. Members are linked while they are unfinished and unlinked in O(1) when they end: a server's group
 *     holds nothing of the connections that it has served.
 *  2. `errors` holds each error object once, in the order of occurrence.
 *  3. The group's scope is the parent of its children's scopes. The owner's control is in that scope
 *     from the body's first step until the group is left.
 */
import { Cancelled } from './cancelled.ts';
import { currentRecord } from './current.ts';
import { GroupError, GroupStateError } from './errors.ts';
import type { Operation, OperationSource, Wait } from './operation.ts';
import { checkSource, discard, Lazy, operationOf } from './operation.ts';
import { Parking } from './parking.ts';
import type { Scope } from './scope.ts';
import { ScopeRecord } from './scope.ts';
import type { Task } from './task.ts';
import { TaskRecord } from './task.ts';
import { park } from './waits.ts';

export interface SpawnOptions {
  readonly name?: string;
  /** A daemon does not hold the group back: it is cancelled once all others have ended. */
  readonly daemon?: boolean;
}

/** Where tasks are started. */
export interface Group {
  /**
   * Starts a task: it goes to the tail of the run queue, the caller goes on. In a cancelled group the
   * task starts cancelled. Errors: ERR_GROUP_ENDED once the group has been left.
   */
  spawn<T>(op: OperationSource<T>, options?: SpawnOptions): Task<T>;
  readonly scope: Scope;
  /** Cancels the body and all children. */
  cancel(reason?: unknown): void;
  /** Asks them to come to an end; see Scope.stop. */
  stop(options?: { readonly graceMs?: number }): void;
}

/**
 * Runs `body` in the calling task, with a group in which it can spawn children, and gives the body's
 * value once all have ended.
 *
 * Errors: GroupError (ERR_GROUP) when the body or a child failed, always, with all errors in order of
 * occurrence; ERR_GROUP_CANCELLED when `cancel()` cut the body short.
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
  const members = new GroupRecord(currentRecord(), name);
  let returned: { readonly value: T } | null = null;
  let thrown: unknown;
  let unwound = false;
  try {
    returned = { value: yield* operationOf(() => body(members)) };
    unwound = true;
  } catch (error) {
    thrown = error;
    unwound = true;
    members.bodyThrew(error);
  } finally {
    // Ended by force: nothing may wait any more, but the children must not go on.
    if (!unwound) members.cancel('the task of the group was ended by force');
    members.bodyEnded();
  }
  while (members.size > 0) yield* park(members.waitingPlace());
  members.leave();
  return members.conclude(returned, thrown);
}

export class GroupRecord implements Group {
  readonly owner: TaskRecord;
  readonly scope: ScopeRecord;
  /** The next group outwards that the owner has open. */
  readonly outer: GroupRecord | null;
  readonly #name: string;
  /** Unfinished members, in the order of spawning. */
  #first: TaskRecord | null = null;
  #last: TaskRecord | null = null;
  size = 0;
  /** Of these, how many are daemons. */
  #daemons = 0;
  #errors: Set<unknown> | null = null;
  /** The names of the tasks that failed, for the message. */
  readonly #failed: string[] = [];
  #bodyRuns = true;
  #left = false;
  #place: Parking | null = null;

  constructor(owner: TaskRecord, name: string) {
    this.owner = owner;
    this.#name = name;
    this.scope = new ScopeRecord(owner, owner.scope, name === '' ? 'group' : name);
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
    const task = new TaskRecord<T>(this.owner.scheduler, op, { group: this, name, daemon });
    this.#link(task as TaskRecord);
    this.owner.scheduler.admit(task as TaskRecord);
    return task;
  }

  cancel(reason?: unknown): void {
    this.scope.cancel(reason);
  }

  stop(options?: { readonly graceMs?: number }): void {
    this.scope.stop(options);
  }

  /** The unfinished members, in the order of spawning. */
  members(): TaskRecord[] {
    const members: TaskRecord[] = [];
    for (let task = this.#first; task !== null; task = task.nextMember) members.push(task);
    return members;
  }

  /** A member has ended: unlink it, note its failure, see whether the group is done. */
  memberEnded(task: TaskRecord): void {
    this.#unlink(task);
    if (task.state === 'failed') this.#fail(task.name, task.outcome);
    this.#whenFewer();
  }

  /** The body threw. Its own cancellation, or one from outside, is no failure. */
  bodyThrew(error: unknown): void {
    if (error instanceof Cancelled && error.scope.encloses(this.scope)) return;
    this.#fail(this.owner.name, error);
  }

  bodyEnded(): void {
    this.#bodyRuns = false;
    this.#whenFewer();
  }

  waitingPlace(): Parking {
    this.#place = new GroupPlace(this);
    return this.#place;
  }

  leave(): void {
    this.#left = true;
    this.owner.openGroup = this.outer;
    this.scope.leave();
    this.owner.forgiveRefusals();
  }

  /** What the group gives or throws: failures first, then the body's value, then cancellation. */
  conclude<T>(returned: { readonly value: T } | null, thrown: unknown): T {
    if (this.#errors !== null) throw new GroupError([...this.#errors], this.#failureText());
    if (returned !== null) return returned.value;
    if (!this.scope.owns(thrown)) throw thrown;
    const outer = this.owner.scope.cancelledBy;
    if (outer !== null) throw outer.thrown;
    const text = `The ${this.name} was cancelled before its body had ended`;
    throw new GroupStateError('ERR_GROUP_CANCELLED', text, { cause: this.scope.ownReason });
  }

  #fail(name: string, error: unknown): void {
    this.#errors ??= new Set();
    if (this.#failed.length < 8) this.#failed.push(`${name}: ${firstLine(error)}`);
    this.#errors.add(error);
    this.scope.cancel(error);
  }

  #failureText(): string {
    const count = this.#errors?.size ?? 0;
    const more = count > this.#failed.length ? `; and ${count - this.#failed.length} more` : '';
    return `${this.name}: ${this.#failed.join('; ')}${more}`;
  }

  /** Daemons go once nobody else is left; the owner goes on once nobody at all is. */
  #whenFewer(): void {
    if (this.#bodyRuns) return;
    if (this.size > 0 && this.size === this.#daemons) {
      for (const daemon of this.members()) daemon.cancel('its group has ended');
    }
    if (this.size === 0) this.#place?.wake();
  }

  #link(task: TaskRecord): void {
    task.previousMember = this.#last;
    if (this.#last === null) this.#first = task;
    else this.#last.nextMember = task;
    this.#last = task;
    this.size++;
    if (task.daemon) this.#daemons++;
  }

  #unlink(task: TaskRecord): void {
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

/** Where the owner waits for its members: no cancellation ends that, the members get it instead. */
class GroupPlace extends Parking {
  readonly #group: GroupRecord;

  constructor(group: GroupRecord) {
    super();
    this.#group = group;
  }

  override get cancellable(): boolean {
    return false;
  }

  override describe(): string {
    return `${this.#group.size} tasks of ${this.#group.name}`;
  }
}

function firstLine(error: unknown): string {
  return String(error).split('\n', 1)[0] as string;
}
