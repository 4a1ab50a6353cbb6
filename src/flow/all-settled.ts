/** `allSettled`: several operations at once, and how each of them ended. */
import type { Operation } from '../kernel/operation.ts';
import { Contest } from './contest.ts';
import type { Members, Places } from './members.ts';
import { Combination, MemberList } from './members.ts';

/**
 * For each place what Promise.allSettled would tell: `{ status, value }` or `{ status, reason }`.
 */
export type Settled<T> = { -readonly [K in keyof T]: PromiseSettledResult<T[K]> };

/**
 * Runs the operations of an array or a record at once, each as a task ("allSettled[0]"), and tells
 * in the same places how they have ended: `{ status: 'fulfilled', value }` or `{ status:
 * 'rejected', reason }`. A failure stops nobody. A member that was cancelled by itself is rejected
 * with ERR_TASK_CANCELLED.
 *
 * Errors: TypeError and ERR_NOT_AN_OPERATION as `all`.
 * Cancel: the members are cancelled, and have unwound before Cancelled goes on. If one of them
 * throws an error meanwhile, the first such error is thrown instead; the others go to
 * `hooks.onUnhandled`.
 *
 * @example
 * const [primary, replica] = yield* allSettled([write(a, row), write(b, row)]);
 */
export function allSettled<T extends Places>(members: Members<T>): Operation<Settled<T>> {
  const list = new MemberList(members, 'allSettled');
  return new Combination(list, () => new AllSettled<Settled<T>>(list).run());
}

class AllSettled<R> extends Contest<R> {
  readonly #members: MemberList;
  readonly #endings: PromiseSettledResult<unknown>[];
  #left: number;
  /** Errors that have come up since a cancellation from outside. */
  readonly #late: unknown[] = [];

  constructor(members: MemberList) {
    super('allSettled');
    this.#members = members;
    this.#left = members.size;
    this.#endings = new Array(members.size);
  }

  protected begin(): void {
    this.spawnAll(this.#members);
    if (this.#left === 0) this.#finish();
  }

  protected returned(index: number, value: unknown): void {
    this.#settle(index, { status: 'fulfilled', value });
  }

  protected failed(index: number, error: unknown): void {
    if (this.ending) this.#late.push(error);
    this.#settle(index, { status: 'rejected', reason: error });
  }

  protected override undecided(): void {
    if (this.#late.length === 0) return;
    const [first, ...others] = this.#late;
    this.lose(first);
    for (const error of others) this.report(error);
  }

  #settle(index: number, ending: PromiseSettledResult<unknown>): void {
    this.#endings[index] = ending;
    if (--this.#left === 0) this.#finish();
  }

  #finish(): void {
    this.complete(this.#members.shape(this.#endings) as R);
  }
}
