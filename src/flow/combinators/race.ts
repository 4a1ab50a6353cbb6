/** `race`: runs several operations concurrently and ends as the first of them does. */
import type { Operation } from '../../kernel/operation.ts';
import { outOfRange } from '../../support/checks.ts';
import type { MemberKey, Members, MemberValues } from './combinator.ts';
import { CombinatorOperation, FirstValueCombinator, MemberList } from './combinator.ts';

/**
 * Runs the operations of an array or a record concurrently, each as a task ("race[0]",
 * "race.left"), and returns the value or throws the error of the first one that ends. The other
 * members are cancelled, and have ended before control returns; their errors go to
 * `hooks.onUnhandled`, and their values are disposed if they have `Symbol.dispose`.
 *
 * A member that is a wait, such as `channel.receive()`, or a `select`, takes effect only if it
 * decides, so no item is lost. An item that code of your own has received is the value of its task.
 *
 * Errors: the error of the first member that ends, unchanged (ERR_TASK_CANCELLED if it was
 * cancelled by itself). RangeError for an empty list, because such a race would never end.
 * TypeError and ERR_NOT_AN_OPERATION as `all`.
 * Cancel: the members are cancelled, and have ended before Cancelled is rethrown. If one of them
 * returns a value or throws an error meanwhile, the race ends with it instead.
 *
 * @example
 * const answer = yield* race([fromCache(key), fromServer(key)]);
 */
export function race<T extends MemberValues>(
  members: Members<T>,
): Operation<T[keyof T & MemberKey<T>]> {
  const list = new MemberList(members, 'race');
  if (list.size === 0) throw outOfRange('members', 'at least one operation', members);
  return new CombinatorOperation(list, () => {
    return new Race<T[keyof T & MemberKey<T>]>('race', list).run();
  });
}

class Race<R> extends FirstValueCombinator<R> {
  protected memberFailed(_index: number, error: unknown): void {
    this.reject(error);
  }
}
