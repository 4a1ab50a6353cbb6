/**
 * Base of `all`, `allSettled`, `any`, `race` and `map`. The members run as the tasks of one group.
 * The way in which they end determines the result.
 *
 *             the end of a member decides                    all members have ended
 *   running ───────────────────────────────► decided ──────────────────────────────► value or error
 *      │        the other members are cancelled
 *      └─ an outer cancellation has ended the members ──────────────────────────────► Cancelled
 *
 * Invariants:
 *  1. A combinator is decided once, by the first member that decides it, in the order in which the
 *     scheduler runs the members. In `any` and `race`, a member that is a wait (of a channel, a
 *     socket, a select) decides when it takes effect, and does not take effect after the decision.
 *     Control returns only when every member has ended.
 *  2. No error is dropped. An error settles the combinator, is part of the result, or, if it occurs
 *     after the decision, goes to `hooks.onUnhandled`.
 *  3. An outer cancellation does not undo a decision. Without a decision the cancellation is
 *     rethrown, unless a member throws an error while it unwinds: that error takes precedence. In a
 *     task that was cancelled before, the members start, and a value is replaced by the Cancelled.
 *  4. A member that was cancelled by itself (`task.cancel()`) has failed with ERR_TASK_CANCELLED,
 *     as `join()` would report. A member that had to be ended by force (ERR_UNCOOPERATIVE) cancels
 *     the others.
 *  5. A value with `Symbol.dispose` that the caller does not receive is disposed: at once if its
 *     member returns after the decision, otherwise when all members have ended.
 */
import { runningTask } from '../../kernel/current.ts';
import { GroupError, TaskCancelledError } from '../../kernel/errors.ts';
import type { Operation, OperationSource, Wait } from '../../kernel/operation.ts';
import { checkSource, discard, Lazy, operationOf } from '../../kernel/operation.ts';
import { catchingScope, isCancelled } from '../../kernel/scope/cancelled.ts';
import type { Group } from '../../kernel/task/group.ts';
import { runGroup } from '../../kernel/task/group.ts';
import { checkpoint, sleepForever } from '../../kernel/waits.ts';
import { isInstance, propertyOf, wrongType } from '../../support/checks.ts';
import { guarded } from '../select/select.ts';

/**
 * The operations that return `T`: a tuple for a tuple, an array for an array, a record for a
 * record. TypeScript infers `T` from the operations.
 */
export type Members<T> = { readonly [K in keyof T]: OperationSource<T[K]> };

/** The constraint of `T`. The empty tuple makes TypeScript infer tuples. */
export type MemberValues = readonly unknown[] | [] | Readonly<Record<string, unknown>>;

/** The keys of the values: the indexes of an array, the names of a record. */
export type MemberKey<T> = T extends readonly unknown[] ? number : string;

type Decision<R> = { readonly value: R } | { readonly error: unknown };

export abstract class Combinator<R> {
  /** "all", "race": the name of the group, and the prefix of the names of its tasks. */
  readonly name: string;
  #group: Group | null = null;
  #spawned = 0;
  #decision: Decision<R> | null = null;
  /** The values of members that can be disposed, until the caller receives them. */
  readonly #disposables = new Set<unknown>();
  /** Errors that were reported or thrown. The group reports most of them a second time. */
  readonly #handled = new Set<unknown>();

  constructor(name: string) {
    this.name = name;
  }

  /** Spawns the first members. Decides at once if there are none. */
  protected abstract start(): void;

  /** A member returned before the decision. */
  protected abstract memberReturned(index: number, value: unknown): void;

  /** A member failed before the decision. */
  protected abstract memberFailed(index: number, error: unknown): void;

  /** All members have ended without a decision. May reject, instead of the cancellation. */
  protected onUndecided(): void {}

  /** All members have ended. */
  protected onClose(): void {}

  /** Runs the combinator in the calling task. */
  *run(): Generator<Wait, R> {
    let received = false;
    try {
      const value = yield* this.#runToEnd();
      received = true;
      return value;
    } finally {
      if (!received) for (const value of this.#disposables) this.#dispose(value);
    }
  }

  *#runToEnd(): Generator<Wait, R> {
    const cancelledBefore = runningTask().scope.cancelled;
    try {
      yield* runGroup((members) => this.#startMembers(members), this.name, false);
    } catch (error) {
      this.#handleGroupError(error);
    }
    this.onClose();
    if (this.#decision === null) this.onUndecided();
    // Undecided although all members have ended: the task is cancelled, and its next wait throws.
    if (this.#decision === null) return yield* sleepForever();
    if ('error' in this.#decision) throw this.#decision.error;
    if (cancelledBefore || this.#spawned === 0) yield* checkpoint();
    return this.#decision.value;
  }

  // ---- for subclasses ----

  /** Starts a member. `suffix` completes the name of its task. */
  protected spawn(index: number, suffix: string, source: OperationSource<unknown>): void {
    this.#spawned++;
    const name = this.name + suffix;
    this.#group?.spawn(() => this.#runMember(index, source), { name });
  }

  /** Decides for `value`, when all members have ended. */
  protected complete(value: R): void {
    this.#decision = { value };
  }

  /** Decides for `value` and cancels the other members. */
  protected resolve(value: R): void {
    this.#decision = { value };
    this.#group?.cancel(`the ${this.name} is decided`);
  }

  /** Decides for `error` and cancels the other members. */
  protected reject(error: unknown): void {
    this.#handled.add(error);
    this.#decision = { error };
    this.#group?.cancel(error);
  }

  /** Reports an error that does not settle the combinator. */
  protected report(error: unknown): void {
    if (this.#handled.has(error)) return;
    this.#handled.add(error);
    runningTask().scheduler.unhandled(error);
  }

  protected get decided(): boolean {
    return this.#decision !== null;
  }

  /** True once there is a decision or the members are cancelled: start no more members. */
  protected get ending(): boolean {
    return this.#decision !== null || this.#group?.scope.cancelled === true;
  }

  // ---- running the members ----

  *#startMembers(members: Group): Generator<Wait, void> {
    this.#group = members;
    this.start();
  }

  *#runMember(index: number, source: OperationSource<unknown>): Generator<Wait, unknown> {
    let value: unknown;
    try {
      value = yield* this.operationFor(index, operationOf(source));
    } catch (error) {
      if (this.#memberThrew(index, error)) throw error;
      return undefined;
    }
    if (this.#decision === null) this.settled(index, value);
    else if (!this.#disposables.has(value)) this.#dispose(value);
    return value;
  }

  /** Returns the operation that the task of a member drives for `operation`. */
  protected operationFor(_index: number, operation: Operation<unknown>): Operation<unknown> {
    return operation;
  }

  /** A member has returned `value`, before the decision. */
  protected settled(index: number, value: unknown): void {
    if (isDisposable(value)) this.#disposables.add(value);
    this.memberReturned(index, value);
  }

  /** Disposes a value that the caller does not receive. An error of that is only reported. */
  #dispose(value: unknown): void {
    if (!isDisposable(value)) return;
    try {
      value[Symbol.dispose]();
    } catch (error) {
      this.report(error);
    }
  }

  /**
   * Handles an error of a member. Returns true if the task of the member may fail: the group then
   * cancels the other members, which must not happen before the decision.
   */
  #memberThrew(index: number, error: unknown): boolean {
    const task = runningTask();
    const own = catchingScope(error)?.encloses(task.ownScope) === true;
    if (own && this.ending) return true;
    const failure = own ? memberCancelled(task.name, error) : error;
    if (this.#decision === null) {
      this.memberFailed(index, failure);
      // If the error has decided, the result contains it.
      if (this.#decision !== null) this.#handled.add(failure);
    } else {
      this.report(failure);
    }
    return own || this.#decision !== null;
  }

  /**
   * Errors of the group are already handled, except those of members that were ended by force. The
   * cancellation of an enclosing scope is thrown by the next wait if there is no decision.
   */
  #handleGroupError(error: unknown): void {
    if (isCancelled(error)) return;
    if (!isInstance(error, GroupError)) throw error;
    for (const failure of error.errors) {
      if (this.#decision === null) this.reject(failure);
      else this.report(failure);
    }
  }
}

/** A combinator whose members are given as an array or a record. */
export abstract class ListCombinator<R> extends Combinator<R> {
  protected readonly members: MemberList;
  readonly #results: unknown[];
  #remaining: number;

  constructor(name: string, members: MemberList) {
    super(name);
    this.members = members;
    this.#results = new Array(members.size);
    this.#remaining = members.size;
  }

  protected start(): void {
    for (const [index, source] of this.members.sources.entries()) {
      this.spawn(index, this.members.suffixOf(index), source);
    }
    if (this.members.size === 0) this.onEmpty();
  }

  /** Decides when the list of members is empty. */
  protected onEmpty(): void {
    this.complete(this.members.shape([]) as R);
  }

  /** Sets the result of one member. The last one settles the combinator. */
  protected collect(index: number, result: unknown): void {
    this.#results[index] = result;
    if (--this.#remaining === 0) this.complete(this.members.shape(this.#results) as R);
  }
}

/** `any` and `race`: the first value decides. */
export abstract class FirstValueCombinator<R> extends ListCombinator<R> {
  protected memberReturned(_index: number, value: unknown): void {
    this.resolve(value as R);
  }

  protected override operationFor(
    index: number,
    operation: Operation<unknown>,
  ): Operation<unknown> {
    const isClosed = () => this.decided;
    return guarded(operation, {
      get closed() {
        return isClosed();
      },
      settled: (value) => this.settled(index, value),
    });
  }
}

/** The members of a combinator with their keys, in order. */
export class MemberList {
  readonly sources: readonly OperationSource<unknown>[];
  /** Null for an array. */
  readonly #keys: readonly string[] | null;

  /** Throws if `members` is invalid. The operations among them count as driven then. */
  constructor(members: unknown, combinator: string) {
    if (!isCollection(members)) throw notMembers(members, combinator);
    this.#keys = Array.isArray(members) ? null : Object.keys(members);
    this.sources = Array.isArray(members) ? [...members] : Object.values(members);
    try {
      for (const source of this.sources) checkSource(source);
    } catch (error) {
      this.discard();
      throw error;
    }
  }

  get size(): number {
    return this.sources.length;
  }

  /** "[2]" or ".left". */
  suffixOf(index: number): string {
    return this.#keys === null ? `[${index}]` : `.${this.#keys[index]}`;
  }

  /** Returns `values` as an array or a record, like the members. */
  shape(values: readonly unknown[]): unknown {
    if (this.#keys === null) return values;
    return Object.fromEntries(this.#keys.map((key, index) => [key, values[index]]));
  }

  /** Marks the operations as driven. */
  discard(): void {
    for (const source of this.sources) discard(source);
  }
}

/** The operation of a combinator. `return()` before it is driven discards its members. */
export class CombinatorOperation<T> extends Lazy<T> {
  #members: MemberList | null;

  constructor(members: MemberList, start: () => Generator<Wait, T>) {
    super(start);
    this.#members = members;
  }

  override [Symbol.iterator](): Iterator<Wait, T, unknown> {
    this.#members = null;
    return super[Symbol.iterator]();
  }

  override return(): void {
    super.return();
    this.#members?.discard();
    this.#members = null;
  }
}

function isDisposable(value: unknown): value is Disposable {
  return typeof propertyOf(value, Symbol.dispose) === 'function';
}

/** The failure of a member that was cancelled by itself: the same error as `join` would throw. */
function memberCancelled(name: string, cause: unknown): TaskCancelledError {
  return new TaskCancelledError('ERR_TASK_CANCELLED', `Task '${name}' was cancelled`, { cause });
}

/** Other iterables are mistakes: `all(generator())`, `all(new Set())`. */
function isCollection(value: unknown): value is object {
  if (Array.isArray(value)) return true;
  return typeof value === 'object' && value !== null && !(Symbol.iterator in value);
}

function notMembers(value: unknown, combinator: string): TypeError {
  discard(value as OperationSource<unknown>);
  const expected = `an array or a record of operations, as in ${combinator}([a, b])`;
  return wrongType('members', expected, value);
}
