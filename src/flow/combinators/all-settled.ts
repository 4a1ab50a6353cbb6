/** `allSettled`: runs several operations concurrently and returns how each of them ended. */
import type { Operation } from '../../kernel/operation.ts';
import type { Members, MemberValues } from './combinator.ts';
import { CombinatorOperation, ListCombinator, MemberList } from './combinator.ts';

/** The results of Promise.allSettled, for each member. */
export type Settled<T> = { -readonly [K in keyof T]: PromiseSettledResult<T[K]> };

/**
 * Runs the operations of an array or a record concurrently, each as a task ("allSettled[0]"), and
 * returns an array or a record of their results: `{ status: 'fulfilled', value }` or
 * `{ status: 'rejected', reason }`. A failure does not cancel the other members. A member that was
 * cancelled by itself is rejected with ERR_TASK_CANCELLED.
 *
 * Errors: TypeError and ERR_NOT_AN_OPERATION as `all`.
 * If no value is returned, the values of the members that have `Symbol.dispose` are disposed.
 * Cancel: the members are cancelled, and have ended before Cancelled is rethrown. If members throw
 * errors meanwhile, the first error is thrown instead, and the others go to `hooks.onUnhandled`.
 *
 * @example
 * const [primary, replica] = yield* allSettled([write(a, row), write(b, row)]);
 */
export function allSettled<T extends MemberValues>(members: Members<T>): Operation<Settled<T>> {
  const list = new MemberList(members, 'allSettled');
  return new CombinatorOperation(list, () => new AllSettled<Settled<T>>('allSettled', list).run());
}

class AllSettled<R> extends ListCombinator<R> {
  /** Errors since an outer cancellation. */
  readonly #lateErrors: unknown[] = [];

  protected memberReturned(index: number, value: unknown): void {
    this.collect(index, { status: 'fulfilled', value });
  }

  protected memberFailed(index: number, error: unknown): void {
    if (this.ending) this.#lateErrors.push(error);
    this.collect(index, { status: 'rejected', reason: error });
  }

  protected override onUndecided(): void {
    if (this.#lateErrors.length === 0) return;
    const [first, ...others] = this.#lateErrors;
    this.reject(first);
    for (const error of others) this.report(error);
  }
}
