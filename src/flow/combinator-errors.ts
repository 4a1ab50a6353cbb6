/** The errors of `all`, `allSettled`, `any`, `race` and `map`. */
import type { Catalogue } from '../kernel/catalogue.ts';
import { TaskCancelledError } from '../kernel/errors.ts';

/** Every member of an `any` has failed: `errors` in the order of the members, as in Promise.any. */
export class AllFailedError extends AggregateError {
  readonly code = 'ERR_ALL_FAILED';

  constructor(errors: readonly unknown[], failures: readonly string[]) {
    const list = failures.length === 0 ? 'there was none' : failures.join('; ');
    super(errors, `No operation of any() gave a value: ${list}`);
    this.name = 'AllFailedError';
  }
}

/** What a member counts as that was cancelled by itself: the same as `join` of it would throw. */
export function memberCancelled(name: string, thrown: unknown): TaskCancelledError {
  const text = `Task '${name}' was cancelled`;
  return new TaskCancelledError('ERR_TASK_CANCELLED', text, { cause: thrown });
}

/** What `coronet explain` says about the codes of the combinators. */
export const COMBINATOR_ERRORS: Catalogue = {
  ERR_ALL_FAILED: {
    className: 'AllFailedError',
    sentence: 'None of the operations of `any` gave a value; `errors` holds what each one threw.',
    cause: 'Every alternative failed, or `any` was given none.',
    remedy: 'Look at `error.errors`: they are in the order of the operations.',
  },
};
