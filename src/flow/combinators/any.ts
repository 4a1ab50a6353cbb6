/** `any`: several operations at once, and the first value. */
import type { Operation } from '../../kernel/operation.ts';
import { AllFailedError } from '../errors.ts';
import type { Members, MemberValues } from './combinator.ts';
import { Combinator, CombinatorOperation, MemberList } from './combinator.ts';
import type { MemberKey } from './race.ts';

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
export function any<T extends MemberValues>(
  members: Members<T>,
): Operation<T[keyof T & MemberKey<T>]> {
  const list = new MemberList(members, 'any');
  return new CombinatorOperation(list, () => new Any<T[keyof T & MemberKey<T>]>(list).run());
}

class Any<R> extends Combinator<R> {
  readonly #members: MemberList;
  /** By index: the error of each member that has failed. */
  readonly #errors = new Map<number, unknown>();
  /** True: an error has come up since a cancellation from outside. */
  #failedLate = false;

  constructor(members: MemberList) {
    super('any');
    this.#members = members;
  }

  protected start(): void {
    this.spawnAll(this.#members);
    if (this.#members.size === 0) this.reject(this.#allFailed());
  }

  protected memberReturned(_index: number, value: unknown): void {
    this.resolve(value as R);
  }

  protected memberFailed(index: number, error: unknown): void {
    this.#errors.set(index, error);
    if (this.ending) this.#failedLate = true;
    if (this.#errors.size === this.#members.size) this.reject(this.#allFailed());
  }

  protected override onUndecided(): void {
    if (this.#failedLate) this.reject(this.#allFailed());
  }

  #allFailed(): AllFailedError {
    const failed = [...this.#errors].sort(([a], [b]) => a - b);
    const names = failed.map(([index, error]) => `${this.#members.suffixOf(index)} ${error}`);
    return new AllFailedError(
      failed.map(([, error]) => error),
      names,
    );
  }
}
