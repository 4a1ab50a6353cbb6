/** What the combinators take: an array or a record of operations, each with its place. */
import { wrongType } from '../kernel/checks.ts';
import type { OperationSource, Wait } from '../kernel/operation.ts';
import { checkSource, discard, Lazy } from '../kernel/operation.ts';

/**
 * The operations that give `T`: a tuple for a tuple, an array for an array, a record for a record.
 * TypeScript reads it backwards: from the operations it infers `T`.
 */
export type Members<T> = { readonly [K in keyof T]: OperationSource<T[K]> };

/** What `T` may be. The empty tuple in there makes TypeScript infer tuples. */
export type Places = readonly unknown[] | [] | Readonly<Record<string, unknown>>;

/** The operations with their names, in order. */
export class MemberList {
  readonly sources: readonly OperationSource<unknown>[];
  /** Null for an array. */
  readonly #keys: readonly string[] | null;

  /** Throws what is wrong with `members`; then it lets go of those that are operations. */
  constructor(members: unknown, combinator: string) {
    if (!isCollection(members)) throw notMembers(members, combinator);
    this.#keys = Array.isArray(members) ? null : Object.keys(members);
    this.sources = Array.isArray(members) ? [...members] : Object.values(members);
    try {
      for (const source of this.sources) checkSource(source);
    } catch (error) {
      this.discard();
      throw error;
    }
  }

  get size(): number {
    return this.sources.length;
  }

  /** "[2]" or ".left": what stands behind the combinator's name in the name of the task. */
  placeOf(index: number): string {
    return this.#keys === null ? `[${index}]` : `.${this.#keys[index]}`;
  }

  /** `values`, in the shape of what was given. */
  shape(values: readonly unknown[]): unknown {
    if (this.#keys === null) return values;
    return Object.fromEntries(this.#keys.map((key, index) => [key, values[index]]));
  }

  /** Nobody will drive the operations. */
  discard(): void {
    for (const source of this.sources) discard(source);
  }
}

/** The operation of a combinator. Given up undriven, it gives its members up. */
export class Combination<T> extends Lazy<T> {
  #members: MemberList | null;

  constructor(members: MemberList, start: () => Generator<Wait, T>) {
    super(start);
    this.#members = members;
  }

  override [Symbol.iterator](): Iterator<Wait, T, unknown> {
    this.#members = null;
    return super[Symbol.iterator]();
  }

  override return(): void {
    super.return();
    this.#members?.discard();
    this.#members = null;
  }
}

/**
 * An array, or an object that is no iterable: `all(generator())` and `all(new Set())` are
 * mistakes.
 */
function isCollection(value: unknown): value is object {
  if (Array.isArray(value)) return true;
  return typeof value === 'object' && value !== null && !(Symbol.iterator in value);
}

function notMembers(value: unknown, combinator: string): TypeError {
  discard(value as OperationSource<unknown>);
  return wrongType(
    'members',
    `an array or a record of operations, as in ${combinator}([a, b])`,
    value,
  );
}
