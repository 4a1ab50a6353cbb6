/**
 * What a cancelled scope throws into the operations inside it.
 *
 * It does not extend Error, so that `catch (e) { if (e instanceof Error) … else throw e }` lets it
 * pass. Each belongs to the scope that made it: that scope swallows it at its own edge, and no
 * other.
 */

import type { TaskImpl } from '../task/task.ts';
import type { ScopeImpl } from './scope.ts';

/**
 * What a cancelled scope throws into the operations inside it. It is no Error; see `isCancelled`.
 */
export class Cancelled {
  /** Why: what was given to `cancel(reason)`, or the TimeoutError of a deadline. */
  readonly reason: unknown;
  /** Whose edge swallows it. @internal */
  readonly scope: ScopeImpl;

  constructor(scope: ScopeImpl, reason: unknown) {
    this.scope = scope;
    this.reason = reason;
  }

  toString(): string {
    const why = this.reason === undefined ? '' : `: ${String(this.reason)}`;
    return `Cancelled${why}`;
  }
}

/** True for what a cancellation throws. Rethrow it after cleaning up. */
export function isCancelled(thrown: unknown): thrown is Cancelled {
  return thrown instanceof Cancelled;
}

/** True if `task` ends because of its own scope or one around it: that is no failure. */
export function isOwnCancellation(task: TaskImpl, error: unknown): boolean {
  return isCancelled(error) && error.scope.reaches(task.ownScope);
}
