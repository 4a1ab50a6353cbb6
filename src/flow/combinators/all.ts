/** `all`: several operations at once, and the values of all of them. */
import type { Operation } from '../../kernel/operation.ts';
import type { Members, MemberValues } from './combinator.ts';
import { Combinator, CombinatorOperation, MemberList } from './combinator.ts';

/**
 * Runs the operations of an array or a record at once, each as a task ("all[0]", "all.left"), and
 * gives their values in the same places. `all([])` gives `[]`.
 *
 * Errors: the first error of a member, itself. The other members are cancelled then, and have
 * unwound before it is thrown; what they throw meanwhile goes to `hooks.onUnhandled`. A member
 * that was cancelled by itself counts as failed with ERR_TASK_CANCELLED. TypeError for no array or
 * record, ERR_NOT_AN_OPERATION for a member that is none.
 * Cancel: the members are cancelled, and have unwound before Cancelled goes on; an error that one
 * of them throws meanwhile is thrown instead.
 *
 * @example
 * const [user, orders] = yield* all([loadUser(id), loadOrders(id)]);
 * const { user, orders } = yield* all({ user: loadUser(id), orders: loadOrders(id) });
 */
export function all<T extends MemberValues>(members: Members<T>): Operation<T> {
  const list = new MemberList(members, 'all');
  return new CombinatorOperation(list, () => new All<T>(list).run());
}

class All<T> extends Combinator<T> {
  readonly #members: MemberList;
  readonly #values: unknown[];
  #remaining: number;

  constructor(members: MemberList) {
    super('all');
    this.#members = members;
    this.#remaining = members.size;
    this.#values = new Array(members.size);
  }

  protected start(): void {
    this.spawnAll(this.#members);
    if (this.#remaining === 0) this.#finish();
  }

  protected memberReturned(index: number, value: unknown): void {
    this.#values[index] = value;
    if (--this.#remaining === 0) this.#finish();
  }

  protected memberFailed(_index: number, error: unknown): void {
    this.reject(error);
  }

  #finish(): void {
    this.complete(this.#members.shape(this.#values) as T);
  }
}
