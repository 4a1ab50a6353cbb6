/**
 * Contest: what `all`, `allSettled`, `any`, `race` and `map` have in common. The members run as the
 * tasks of one group; the contest watches how they end and decides.
 *
 *             a member ends, and that decides                   all have unwound
 *   running ──────────────────────────────────► decided ──────────────────────────► value or error
 *      │        the other members are cancelled
 *      └─ a cancellation from outside has cut members short ──────────────────────► Cancelled
 *
 * Invariants:
 *  1. The contest is decided once, by the first ending that decides it, in the order in which the
 *     scheduler runs the members. Control returns only when every member has ended.
 *  2. No error is dropped: it decides, is part of what is thrown or given, or, when it comes up
 *     after the decision, goes to `hooks.onUnhandled`.
 *  3. What was decided stands, also when a cancellation from outside comes meanwhile. Undecided,
 *     the cancellation goes through; an error that a member throws while it unwinds comes before
 *     it.
 *  4. A member that was cancelled by itself (`task.cancel()`) has failed with ERR_TASK_CANCELLED,
 *     as `join()` would tell. One that has to be ended by force (ERR_UNCOOPERATIVE) cancels the
 *     others.
 */

import { runningTask } from '../../kernel/current.ts';
import { GroupError } from '../../kernel/errors.ts';
import type { Operation, OperationSource, Wait } from '../../kernel/operation.ts';
import { checkSource, discard, Lazy, operationOf } from '../../kernel/operation.ts';
import { isCancelled } from '../../kernel/scope/cancelled.ts';
import type { Group } from '../../kernel/task/group.ts';
import { group } from '../../kernel/task/group.ts';
import { checkpoint, sleepForever } from '../../kernel/waits.ts';
import { wrongType } from '../../support/checks.ts';
import { memberCancelled } from '../errors.ts';

type Decision<R> = { readonly value: R } | { readonly error: unknown };

export abstract class Combinator<R> {
  /** "all", "race": the name of the group, and the beginning of the names of its tasks. */
  readonly name: string;
  #group: Group | null = null;
  #spawned = 0;
  #decision: Decision<R> | null = null;
  /** The errors that have been dealt with. The group tells most of them a second time. */
  readonly #handled = new Set<unknown>();

  constructor(name: string) {
    this.name = name;
  }

  /** Spawns the first members. Decides at once if there is none. */
  protected abstract start(): void;

  /** A member gave its value, and nothing is decided yet. */
  protected abstract memberReturned(index: number, value: unknown): void;

  /** A member failed, and nothing is decided yet. */
  protected abstract memberFailed(index: number, error: unknown): void;

  /** All members have ended. A last chance to throw before a cancellation goes through. */
  protected onUndecided(): void {}

  /** All members have ended, however it went. */
  protected onClose(): void {}

  /** Runs the contest in the calling task. */
  *run(): Generator<Wait, R> {
    try {
      yield* group((members) => this.#startMembers(members), { name: this.name });
    } catch (error) {
      this.#handleGroupError(error);
    }
    this.onClose();
    if (this.#decision === null) this.onUndecided();
    if (this.#decision === null) return yield* waitForCancellation();
    if ('error' in this.#decision) throw this.#decision.error;
    if (this.#spawned === 0) yield* checkpoint();
    return this.#decision.value;
  }

  // ---- for the kinds of contests ----

  /** Starts all of `members`. */
  protected spawnAll(members: MemberList): void {
    for (const [index, source] of members.sources.entries()) {
      this.spawn(index, members.suffixOf(index), source);
    }
  }

  /** Starts a member. Its place is part of its name. */
  protected spawn(index: number, place: string, source: OperationSource<unknown>): void {
    this.#spawned++;
    const name = this.name + place;
    this.#group?.spawn(() => this.#runMember(index, source), { name });
  }

  /** Every member has ended by itself: this is the result. */
  protected complete(value: R): void {
    this.#decision = { value };
  }

  /** This is the result, and the other members are cancelled. */
  protected resolve(value: R): void {
    this.#decision = { value };
    this.#group?.cancel(`the ${this.name} is decided`);
  }

  /** The contest fails with `error`, and the other members are cancelled. */
  protected reject(error: unknown): void {
    this.#handled.add(error);
    this.#decision = { error };
    this.#group?.cancel(error);
  }

  /** Tells of an error that decides nothing. */
  protected report(error: unknown): void {
    if (this.#handled.has(error)) return;
    this.#handled.add(error);
    runningTask().scheduler.unhandled(error);
  }

  /** True once members are being cancelled, or nothing more has to be begun. */
  protected get ending(): boolean {
    return this.#decision !== null || this.#group?.scope.cancelled === true;
  }

  // ---- the inside ----

  *#startMembers(members: Group): Generator<Wait, void> {
    this.#group = members;
    this.start();
  }

  *#runMember(index: number, source: OperationSource<unknown>): Generator<Wait, unknown> {
    let value: unknown;
    try {
      value = yield* operationOf(source);
    } catch (error) {
      if (this.#memberThrew(index, error)) throw error;
      return undefined;
    }
    if (this.#decision === null) this.memberReturned(index, value);
    return value;
  }

  /**
   * A member threw. True if its task may fail, too: then the group cancels the others, which an
   * undecided `any` must not.
   */
  #memberThrew(index: number, error: unknown): boolean {
    const task = runningTask();
    const own = isCancelled(error) && error.scope.encloses(task.ownScope);
    if (own && this.ending) return true;
    const failure = own ? memberCancelled(task.name, error) : error;
    if (this.#decision === null) {
      this.memberFailed(index, failure);
      // It has decided, so what was decided tells of it.
      if (this.#decision !== null) this.#handled.add(failure);
    } else {
      this.report(failure);
    }
    return own || this.#decision !== null;
  }

  /** What the group throws: failures that were told before, and those of members ended by force. */
  #handleGroupError(error: unknown): void {
    if (!(error instanceof GroupError)) throw error;
    for (const failure of error.errors) {
      if (this.#decision === null) this.reject(failure);
      else this.report(failure);
    }
  }
}

/** Where no member is left and nothing is decided, the task is cancelled: its next wait says so. */
function waitForCancellation(): Operation<never> {
  return sleepForever();
}

/** What the combinators take: an array or a record of operations, each with its place. */

/**
 * The operations that give `T`: a tuple for a tuple, an array for an array, a record for a record.
 * TypeScript reads it backwards: from the operations it infers `T`.
 */
export type Members<T> = { readonly [K in keyof T]: OperationSource<T[K]> };

/** What `T` may be. The empty tuple in there makes TypeScript infer tuples. */
export type MemberValues = readonly unknown[] | [] | Readonly<Record<string, unknown>>;

/** The operations with their names, in order. */
export class MemberList {
  readonly sources: readonly OperationSource<unknown>[];
  /** Null for an array. */
  readonly #keys: readonly string[] | null;

  /** Throws what is wrong with `members`; then it lets go of those that are operations. */
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

  /** "[2]" or ".left": what stands behind the combinator's name in the name of the task. */
  suffixOf(index: number): string {
    return this.#keys === null ? `[${index}]` : `.${this.#keys[index]}`;
  }

  /** `values`, in the shape of what was given. */
  shape(values: readonly unknown[]): unknown {
    if (this.#keys === null) return values;
    return Object.fromEntries(this.#keys.map((key, index) => [key, values[index]]));
  }

  /** Nobody will drive the operations. */
  discard(): void {
    for (const source of this.sources) discard(source);
  }
}

/** The operation of a combinator. Given up undriven, it gives its members up. */
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

/**
 * An array, or an object that is no iterable: `all(generator())` and `all(new Set())` are
 * mistakes.
 */
function isCollection(value: unknown): value is object {
  if (Array.isArray(value)) return true;
  return typeof value === 'object' && value !== null && !(Symbol.iterator in value);
}

function notMembers(value: unknown, combinator: string): TypeError {
  discard(value as OperationSource<unknown>);
  return wrongType(
    'members',
    `an array or a record of operations, as in ${combinator}([a, b])`,
    value,
  );
}
