/** `any`: runs several operations concurrently and returns the first value. */
import type { Operation } from '../../kernel/operation.ts';
import { AllFailedError } from '../errors.ts';
import type { MemberKey, Members, MemberValues } from './combinator.ts';
import { CombinatorOperation, FirstValueCombinator, MemberList } from './combinator.ts';

/**
 * Runs the operations of an array or a record concurrently, each as a task ("any[0]", "any.left"),
 * and returns the first value. Failures are ignored while other members run. After the first value
 * the other members are cancelled, and have ended before control returns; their errors go to
 * `hooks.onUnhandled`. A later value is disposed if it has `Symbol.dispose`, as that of a socket
 * which connected late. (`Symbol.asyncDispose` is not called, because no task would wait for it.)
 *
 * A member that is a wait, such as `channel.receive()`, or a `select`, takes effect only if it
 * decides, so no item is lost. An item that code of your own has received is the value of its task.
 *
 * Errors: AllFailedError (ERR_ALL_FAILED, an AggregateError) if every member failed, with the
 * errors in the order of the members. `any([])` throws it, too, as Promise.any does. A member that
 * was cancelled by itself has failed with ERR_TASK_CANCELLED. TypeError and ERR_NOT_AN_OPERATION as
 * `all`.
 * Cancel: the members are cancelled, and have ended before Cancelled is rethrown. If one of them
 * throws an error meanwhile, AllFailedError with all errors is thrown instead.
 *
 * @example
 * const socket = yield* any(mirrors.map((mirror) => connect(mirror)));
 */
export function any<T extends MemberValues>(
  members: Members<T>,
): Operation<T[keyof T & MemberKey<T>]> {
  const list = new MemberList(members, 'any');
  return new CombinatorOperation(list, () => new Any<T[keyof T & MemberKey<T>]>('any', list).run());
}

class Any<R> extends FirstValueCombinator<R> {
  /** The errors of the members that have failed, by index. */
  readonly #errors = new Map<number, unknown>();
  /** True once a member has failed after an outer cancellation. */
  #failedLate = false;

  protected override onEmpty(): void {
    this.reject(this.#allFailed());
  }

  protected memberFailed(index: number, error: unknown): void {
    this.#errors.set(index, error);
    if (this.ending) this.#failedLate = true;
    if (this.#errors.size === this.members.size) this.reject(this.#allFailed());
  }

  protected override onUndecided(): void {
    if (this.#failedLate) this.reject(this.#allFailed());
  }

  #allFailed(): AllFailedError {
    const failed = [...this.#errors].sort(([a], [b]) => a - b);
    return new AllFailedError(
      failed.map(([index, error]) => [this.members.suffixOf(index), error]),
    );
  }
}
