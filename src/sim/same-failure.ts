/** When two runs have failed the same way. */
import { firstLine } from '../kernel/checks.ts';

/** Causes within causes that are looked at. */
const DEEPEST = 5;

/**
 * The same for failures that are the same: an invariant by its name; any other error by its class,
 * its code and the first line of its text, in which all numbers are alike: ports, times and counts
 * differ from run to run. A group is as its first failure is.
 */
export function failureKey(error: unknown): string {
  try {
    return keyOf(error, 0);
  } catch {
    // An error that throws when it is looked at is told by its text, as far as it has one.
    return firstLine(error);
  }
}

interface ErrorLike {
  readonly code?: unknown;
  readonly invariant?: unknown;
  readonly cause?: unknown;
  readonly constructor?: { readonly name?: unknown };
}

function keyOf(error: unknown, depth: number): string {
  if (typeof error !== 'object' || error === null) return `${typeof error}: ${textOf(error)}`;
  const { code, invariant, cause, constructor: made } = error as ErrorLike;
  const name = `${String(made?.name)} ${String(code)}`;
  if (invariant !== undefined) return `${name} '${String(invariant)}'`;
  if (code === 'ERR_GROUP' && depth < DEEPEST) return `${name} of ${keyOf(cause, depth + 1)}`;
  return `${name}: ${textOf(error)}`;
}

function textOf(error: unknown): string {
  return firstLine(error).replace(/\d+(?:\.\d+)*/g, '#');
}
