/** `race`: several operations at once, and how the first of them ends. */

import type { Operation } from '../../kernel/operation.ts';
import { outOfRange } from '../../support/checks.ts';
import type { Members, MemberValues } from './combinator.ts';
import { Combinator, CombinatorOperation, MemberList } from './combinator.ts';

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
export function race<T extends MemberValues>(
  members: Members<T>,
): Operation<T[keyof T & MemberKey<T>]> {
  const list = new MemberList(members, 'race');
  if (list.size === 0) throw outOfRange('members', 'at least one operation', members);
  return new CombinatorOperation(list, () => new Race<T[keyof T & MemberKey<T>]>(list).run());
}

/** The keys under which the values stand: the indexes of an array, the names of a record. */
export type MemberKey<T> = T extends readonly unknown[] ? number : string;

class Race<R> extends Combinator<R> {
  readonly #members: MemberList;

  constructor(members: MemberList) {
    super('race');
    this.#members = members;
  }

  protected start(): void {
    this.spawnAll(this.#members);
  }

  protected memberReturned(_index: number, value: unknown): void {
    this.resolve(value as R);
  }

  protected memberFailed(_index: number, error: unknown): void {
    this.reject(error);
  }
}
