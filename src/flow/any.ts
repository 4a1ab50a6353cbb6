/** `any`: several operations at once, and the first value. */
import type { Operation } from '../kernel/operation.ts';
import { AllFailedError } from './combinator-errors.ts';
import { Contest } from './contest.ts';
import type { Members, Places } from './members.ts';
import { Combination, MemberList } from './members.ts';
import type { Place } from './race.ts';

/**
 * Runs the operations of an array or a record at once, each as a task ("any[0]", "any.left"), and
 * gives the first value. A member that fails is out, no more. The losers are cancelled, and have
 * unwound before control returns; what they throw meanwhile goes to `hooks.onUnhandled`.
 *
 * Errors: AllFailedError (ERR_ALL_FAILED, an AggregateError) if none gave a value, with the errors
 * in the order of the members; `any([])` throws it, too, as Promise.any does. A member that was
 * cancelled by itself counts as failed with ERR_TASK_CANCELLED. TypeError and ERR_NOT_AN_OPERATION
 * as `all`.
 * Cancel: the members are cancelled, and have unwound before Cancelled goes on. If one of them
 * throws an error meanwhile, AllFailedError is thrown instead, with all errors there have been.
 *
 * @example
 * const socket = yield* any(mirrors.map((mirror) => connect(mirror)));
 */
export function any<T extends Places>(members: Members<T>): Operation<T[keyof T & Place<T>]> {
  const list = new MemberList(members, 'any');
  return new Combination(list, () => new Any<T[keyof T & Place<T>]>(list).run());
}

class Any<R> extends Contest<R> {
  readonly #members: MemberList;
  /** By index: the error of each member that has failed. */
  readonly #errors = new Map<number, unknown>();
  /** True: an error has come up since a cancellation from outside. */
  #failedLate = false;

  constructor(members: MemberList) {
    super('any');
    this.#members = members;
  }

  protected begin(): void {
    this.spawnAll(this.#members);
    if (this.#members.size === 0) this.lose(this.#allFailed());
  }

  protected returned(_index: number, value: unknown): void {
    this.win(value as R);
  }

  protected failed(index: number, error: unknown): void {
    this.#errors.set(index, error);
    if (this.ending) this.#failedLate = true;
    if (this.#errors.size === this.#members.size) this.lose(this.#allFailed());
  }

  protected override undecided(): void {
    if (this.#failedLate) this.lose(this.#allFailed());
  }

  #allFailed(): AllFailedError {
    const failed = [...this.#errors].sort(([a], [b]) => a - b);
    const names = failed.map(([index, error]) => `${this.#members.placeOf(index)} ${error}`);
    return new AllFailedError(
      failed.map(([, error]) => error),
      names,
    );
  }
}
