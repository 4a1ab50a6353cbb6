/** `all`: several operations at once, and the values of all of them. */
import type { Operation } from '../kernel/operation.ts';
import { Contest } from './contest.ts';
import type { Members, Places } from './members.ts';
import { Combination, MemberList } from './members.ts';

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
export function all<T extends Places>(members: Members<T>): Operation<T> {
  const list = new MemberList(members, 'all');
  return new Combination(list, () => new All<T>(list).run());
}

class All<T> extends Contest<T> {
  readonly #members: MemberList;
  readonly #values: unknown[];
  #left: number;

  constructor(members: MemberList) {
    super('all');
    this.#members = members;
    this.#left = members.size;
    this.#values = new Array(members.size);
  }

  protected begin(): void {
    this.spawnAll(this.#members);
    if (this.#left === 0) this.#finish();
  }

  protected returned(index: number, value: unknown): void {
    this.#values[index] = value;
    if (--this.#left === 0) this.#finish();
  }

  protected failed(_index: number, error: unknown): void {
    this.lose(error);
  }

  #finish(): void {
    this.complete(this.#members.shape(this.#values) as T);
  }
}
