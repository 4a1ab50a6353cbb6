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
import { isCancelled } from '../kernel/cancelled.ts';
import { currentRecord } from '../kernel/current.ts';
import { GroupError } from '../kernel/errors.ts';
import type { Group } from '../kernel/group.ts';
import { group } from '../kernel/group.ts';
import type { Operation, OperationSource, Wait } from '../kernel/operation.ts';
import { operationOf } from '../kernel/operation.ts';
import { checkpoint, sleepForever } from '../kernel/waits.ts';
import { memberCancelled } from './combinator-errors.ts';
import type { MemberList } from './members.ts';

type Decision<R> = { readonly value: R } | { readonly error: unknown };

export abstract class Contest<R> {
  /** "all", "race": the name of the group, and the beginning of the names of its tasks. */
  readonly name: string;
  #group: Group | null = null;
  #spawned = 0;
  #decision: Decision<R> | null = null;
  /** The errors that have been dealt with. The group tells most of them a second time. */
  readonly #known = new Set<unknown>();

  constructor(name: string) {
    this.name = name;
  }

  /** Spawns the first members. Decides at once if there is none. */
  protected abstract begin(): void;

  /** A member gave its value, and nothing is decided yet. */
  protected abstract returned(index: number, value: unknown): void;

  /** A member failed, and nothing is decided yet. */
  protected abstract failed(index: number, error: unknown): void;

  /** All members have ended. A last chance to throw before a cancellation goes through. */
  protected undecided(): void {}

  /** All members have ended, however it went. */
  protected close(): void {}

  /** Runs the contest in the calling task. */
  *run(): Generator<Wait, R> {
    try {
      yield* group((members) => this.#start(members), { name: this.name });
    } catch (error) {
      this.#dealWith(error);
    }
    this.close();
    if (this.#decision === null) this.undecided();
    if (this.#decision === null) return yield* cancelled();
    if ('error' in this.#decision) throw this.#decision.error;
    if (this.#spawned === 0) yield* checkpoint();
    return this.#decision.value;
  }

  // ---- for the kinds of contests ----

  /** Starts all of `members`. */
  protected spawnAll(members: MemberList): void {
    for (const [index, source] of members.sources.entries()) {
      this.spawn(index, members.placeOf(index), source);
    }
  }

  /** Starts a member. Its place is part of its name. */
  protected spawn(index: number, place: string, source: OperationSource<unknown>): void {
    this.#spawned++;
    const name = this.name + place;
    this.#group?.spawn(() => this.#member(index, source), { name });
  }

  /** Every member has ended by itself: this is the result. */
  protected complete(value: R): void {
    this.#decision = { value };
  }

  /** This is the result, and the other members are cancelled. */
  protected win(value: R): void {
    this.#decision = { value };
    this.#group?.cancel(`the ${this.name} is decided`);
  }

  /** The contest fails with `error`, and the other members are cancelled. */
  protected lose(error: unknown): void {
    this.#known.add(error);
    this.#decision = { error };
    this.#group?.cancel(error);
  }

  /** Tells of an error that decides nothing. */
  protected report(error: unknown): void {
    if (this.#known.has(error)) return;
    this.#known.add(error);
    currentRecord().scheduler.unhandled(error);
  }

  /** True once members are being cancelled, or nothing more has to be begun. */
  protected get ending(): boolean {
    return this.#decision !== null || this.#group?.scope.cancelled === true;
  }

  // ---- the inside ----

  *#start(members: Group): Generator<Wait, void> {
    this.#group = members;
    this.begin();
  }

  *#member(index: number, source: OperationSource<unknown>): Generator<Wait, unknown> {
    let value: unknown;
    try {
      value = yield* operationOf(source);
    } catch (error) {
      if (this.#caught(index, error)) throw error;
      return undefined;
    }
    if (this.#decision === null) this.returned(index, value);
    return value;
  }

  /**
   * A member threw. True if its task may fail, too: then the group cancels the others, which an
   * undecided `any` must not.
   */
  #caught(index: number, error: unknown): boolean {
    const task = currentRecord();
    const own = isCancelled(error) && error.scope.encloses(task.ownScope);
    if (own && this.ending) return true;
    const failure = own ? memberCancelled(task.name, error) : error;
    if (this.#decision === null) {
      this.failed(index, failure);
      // It has decided, so what was decided tells of it.
      if (this.#decision !== null) this.#known.add(failure);
    } else {
      this.report(failure);
    }
    return own || this.#decision !== null;
  }

  /** What the group throws: failures that were told before, and those of members ended by force. */
  #dealWith(error: unknown): void {
    if (!(error instanceof GroupError)) throw error;
    for (const failure of error.errors) {
      if (this.#decision === null) this.lose(failure);
      else this.report(failure);
    }
  }
}

/** Where no member is left and nothing is decided, the task is cancelled: its next wait says so. */
function cancelled(): Operation<never> {
  return sleepForever();
}
