/** `race`: several operations at once, and how the first of them ends. */
import { outOfRange } from '../kernel/checks.ts';
import type { Operation } from '../kernel/operation.ts';
import { Contest } from './contest.ts';
import type { Members, Places } from './members.ts';
import { Combination, MemberList } from './members.ts';

/**
 * Runs the operations of an array or a record at once, each as a task ("race[0]", "race.left"),
 * and gives the value of the first one that ends, or throws its error. The others are cancelled
 * then, and have unwound before control returns; what they throw meanwhile goes to
 * `hooks.onUnhandled`.
 *
 * Errors: that of the first one to end, itself (ERR_TASK_CANCELLED if it was cancelled by itself).
 * RangeError for no operation at all: that race would never end. TypeError and ERR_NOT_AN_OPERATION
 * as `all`.
 * Cancel: the members are cancelled, and have unwound before Cancelled goes on; an error that one
 * of them throws meanwhile is thrown instead, and a value that one returns is given.
 *
 * @example
 * const answer = yield* race([fromCache(key), fromServer(key)]);
 */
export function race<T extends Places>(members: Members<T>): Operation<T[keyof T & Place<T>]> {
  const list = new MemberList(members, 'race');
  if (list.size === 0) throw outOfRange('members', 'at least one operation', members);
  return new Combination(list, () => new Race<T[keyof T & Place<T>]>(list).run());
}

/** The keys under which the values stand: the indexes of an array, the names of a record. */
export type Place<T> = T extends readonly unknown[] ? number : string;

class Race<R> extends Contest<R> {
  readonly #members: MemberList;

  constructor(members: MemberList) {
    super('race');
    this.#members = members;
  }

  protected begin(): void {
    this.spawnAll(this.#members);
  }

  protected returned(_index: number, value: unknown): void {
    this.win(value as R);
  }

  protected failed(_index: number, error: unknown): void {
    this.lose(error);
  }
}
