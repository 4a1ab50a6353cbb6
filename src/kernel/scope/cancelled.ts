/**
 * Cancelled: the value that operations in a cancelled scope throw.
 *
 * It does not extend Error, so `catch (e) { if (e instanceof Error) … else throw e }` rethrows it.
 * Each Cancelled belongs to the scope that created it. Only that scope catches it.
 */
import { firstLine } from '../../support/checks.ts';
import type { ScopeImpl } from './scope.ts';

/** Marks a Cancelled for every copy of the package in the process. */
const BRAND = Symbol.for('coronet.cancelled');

/** The value that operations in a cancelled scope throw. Not an Error; see `isCancelled`. */
export class Cancelled {
  /** The argument of `cancel(reason)`, or the TimeoutError of a deadline. */
  readonly reason: unknown;
  /** The scope that catches it. @internal */
  readonly scope: ScopeImpl;
  /** Only instances have it: a thrown proxy or a look-alike does not, and runs no code. */
  readonly #isGenuine = true;

  constructor(scope: ScopeImpl, reason: unknown) {
    this.scope = scope;
    this.reason = reason;
  }

  /** @internal */
  static scopeOf(thrown: unknown): ScopeImpl | null {
    const isGenuine = typeof thrown === 'object' && thrown !== null && #isGenuine in thrown;
    return isGenuine ? thrown.scope : null;
  }

  toString(): string {
    return this.reason === undefined ? 'Cancelled' : `Cancelled: ${firstLine(this.reason)}`;
  }
}

Object.defineProperty(Cancelled.prototype, BRAND, { value: true });

/**
 * True for a value that a cancellation throws, also one of another copy of this package in the
 * process. Rethrow it after cleaning up.
 *
 * @example
 * try {
 *   yield* socket.recv();
 * } catch (error) {
 *   if (isCancelled(error)) throw error;
 *   log(error);
 * }
 */
export function isCancelled(thrown: unknown): thrown is Cancelled {
  if (Cancelled.scopeOf(thrown) !== null) return true;
  try {
    return typeof thrown === 'object' && thrown !== null && BRAND in thrown;
  } catch {
    return false; // a revoked proxy
  }
}

/** The scope that catches `thrown`; null unless it is a Cancelled of this copy. Never throws. */
export function catchingScope(thrown: unknown): ScopeImpl | null {
  return Cancelled.scopeOf(thrown);
}
