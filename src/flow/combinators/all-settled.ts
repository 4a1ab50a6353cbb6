/** `allSettled`: several operations at once, and how each of them ended. */
import type { Operation } from '../../kernel/operation.ts';
import type { Members, MemberValues } from './combinator.ts';
import { Combinator, CombinatorOperation, MemberList } from './combinator.ts';

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
export function allSettled<T extends MemberValues>(members: Members<T>): Operation<Settled<T>> {
  const list = new MemberList(members, 'allSettled');
  return new CombinatorOperation(list, () => new AllSettled<Settled<T>>(list).run());
}

class AllSettled<R> extends Combinator<R> {
  readonly #members: MemberList;
  readonly #results: PromiseSettledResult<unknown>[];
  #remaining: number;
  /** Errors that have come up since a cancellation from outside. */
  readonly #lateErrors: unknown[] = [];

  constructor(members: MemberList) {
    super('allSettled');
    this.#members = members;
    this.#remaining = members.size;
    this.#results = new Array(members.size);
  }

  protected start(): void {
    this.spawnAll(this.#members);
    if (this.#remaining === 0) this.#finish();
  }

  protected memberReturned(index: number, value: unknown): void {
    this.#settle(index, { status: 'fulfilled', value });
  }

  protected memberFailed(index: number, error: unknown): void {
    if (this.ending) this.#lateErrors.push(error);
    this.#settle(index, { status: 'rejected', reason: error });
  }

  protected override onUndecided(): void {
    if (this.#lateErrors.length === 0) return;
    const [first, ...others] = this.#lateErrors;
    this.reject(first);
    for (const error of others) this.report(error);
  }

  #settle(index: number, ending: PromiseSettledResult<unknown>): void {
    this.#results[index] = ending;
    if (--this.#remaining === 0) this.#finish();
  }

  #finish(): void {
    this.complete(this.#members.shape(this.#results) as R);
  }
}
