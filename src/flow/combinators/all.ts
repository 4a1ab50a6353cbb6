/** `all`: runs several operations concurrently and returns all their values. */
import type { Operation } from '../../kernel/operation.ts';
import type { Members, MemberValues } from './combinator.ts';
import { CombinatorOperation, ListCombinator, MemberList } from './combinator.ts';

/**
 * Runs the operations of an array or a record concurrently, each as a task ("all[0]", "all.left"),
 * and returns their values in an array or a record. `all([])` returns `[]`.
 *
 * Errors: the first error of a member, unchanged. The other members are cancelled, and have ended
 * before the error is thrown; their errors go to `hooks.onUnhandled`. A member that was cancelled
 * by itself has failed with ERR_TASK_CANCELLED. TypeError if `members` is not an array or a record,
 * ERR_NOT_AN_OPERATION if a member is not an operation.
 * If no value is returned, the values of the members that have `Symbol.dispose` are disposed.
 * Cancel: the members are cancelled, and have ended before Cancelled is rethrown. If one of them
 * throws an error meanwhile, that error is thrown instead.
 *
 * @example
 * const [user, orders] = yield* all([loadUser(id), loadOrders(id)]);
 * const { user, orders } = yield* all({ user: loadUser(id), orders: loadOrders(id) });
 */
export function all<T extends MemberValues>(members: Members<T>): Operation<T> {
  const list = new MemberList(members, 'all');
  return new CombinatorOperation(list, () => new All<T>('all', list).run());
}

class All<T> extends ListCombinator<T> {
  protected memberReturned(index: number, value: unknown): void {
    this.collect(index, value);
  }

  protected memberFailed(_index: number, error: unknown): void {
    this.reject(error);
  }
}
