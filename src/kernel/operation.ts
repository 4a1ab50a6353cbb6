/**
 * What can be `yield*`-ed. An operation is lazy and single-use: nothing happens until `yield*`
 * drives it, and it can be driven once.
 *
 * Everything here may be used by every room; only waits.ts knows what reaches the scheduler.
 */
import { show } from '../support/checks.ts';
import { debug } from './debug.ts';
import { UsageError } from './errors.ts';
import type { Parking } from './parking.ts';
import type { Pollable } from './readiness.ts';

/** The only things that a task ever yields to its scheduler. */
export type Wait =
  /** Let the others run, then resume me. */
  | undefined
  /** Until the resource is readable. May resume spuriously: try, and wait again. */
  | readonly ['recv', Pollable]
  /** Until the resource is writable. May resume spuriously: try, and wait again. */
  | readonly ['send', Pollable]
  /** For that many milliseconds. */
  | readonly ['sleep', number]
  /** Until somebody calls `wake`: the base of every other wait. */
  | readonly ['park', Parking];

/** Anything that can be `yield*`-ed inside a task and gives a `T`. A generator is one. */
export interface Operation<T> {
  [Symbol.iterator](): Iterator<Wait, T, unknown>;
}

/** Where an operation is accepted, a function that returns one is too. */
export type OperationSource<T> = Operation<T> | (() => Operation<T>);

/** What `yield*` drives: an iterator that can also be thrown into and ended. */
export type Frames<T> = Iterator<Wait, T, unknown>;

/** The answer "yield nothing": the bare `yield` of an operation written by hand. */
export const PAUSE: IteratorYieldResult<Wait> = { done: false, value: undefined };

/**
 * Base of our operations that are written by hand as iterators: the hot ones. Single-use is kept
 * here; `throw` and `return` end the operation, because `yield*` over an iterator without `throw`
 * would turn a cancellation into a TypeError.
 */
export abstract class Step<T> implements Operation<T>, Frames<T> {
  /** True once `yield*` (or `return()`) has taken the operation. */
  protected driven = false;

  constructor() {
    debug.tracker?.made(this);
  }

  [Symbol.iterator](): this {
    if (this.driven) throw alreadyDriven(this);
    this.driven = true;
    debug.tracker?.driven(this);
    return this;
  }

  abstract next(value?: unknown): IteratorResult<Wait, T>;

  throw(error: unknown): IteratorResult<Wait, T> {
    throw error;
  }

  return(value?: unknown): IteratorResult<Wait, T> {
    this.driven = true;
    debug.tracker?.driven(this);
    return { done: true, value: value as T };
  }
}

/**
 * An operation whose body is a generator function, made single-use. On hot paths, give it an arrow
 * function that calls a generator function with a name: for every `function*` expression that runs,
 * V8 makes a prototype and a map, some microseconds of work, and the map, being old, keeps what the
 * function has captured until the next full collection.
 */
export class Lazy<T> implements Operation<T> {
  #start: (() => Frames<T>) | null;

  constructor(start: () => Frames<T>) {
    this.#start = start;
    debug.tracker?.made(this);
  }

  [Symbol.iterator](): Frames<T> {
    const start = this.#start;
    if (start === null) throw alreadyDriven(this);
    this.#start = null;
    debug.tracker?.driven(this);
    return start();
  }

  /** Gives the operation up undriven. */
  return(): void {
    this.#start = null;
    debug.tracker?.driven(this);
  }
}

/**
 * True for what `yield*` can drive as an operation (strings and arrays are iterable, but no use).
 */
export function isOperation(value: unknown): value is Operation<unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  return typeof (value as Partial<Operation<unknown>>)[Symbol.iterator] === 'function';
}

/** Throws at once if `source` can neither be driven nor be called. */
export function checkSource(source: unknown): void {
  if (typeof source !== 'function' && !isOperation(source)) throw notAnOperation(source);
}

/** The operation to drive: `source` itself, or what it returns when called. */
export function operationOf<T>(source: OperationSource<T>): Operation<T> {
  const operation: unknown = typeof source === 'function' ? source() : source;
  if (!isOperation(operation)) throw notAnOperation(operation);
  return operation as Operation<T>;
}

/** Tells an operation that was accepted but will not be driven; it counts as driven then. */
export function discard(source: OperationSource<unknown>): void {
  if (typeof source === 'function') return;
  const given = source as { return?: unknown };
  if (typeof given.return === 'function') given.return();
}

function notAnOperation(value: unknown): UsageError {
  const hint = isPromise(value)
    ? 'A promise is awaited with `yield* until(promise)`; the function must be a generator ' +
      '(`function*`), not `async`.'
    : 'Pass a generator, an operation, or a function that returns one: `function* () { … }`.';
  return new UsageError(
    'ERR_NOT_AN_OPERATION',
    `Expected an operation, got ${show(value)}. ${hint}`,
  );
}

export function isPromise(value: unknown): boolean {
  return typeof (value as { then?: unknown } | null | undefined)?.then === 'function';
}

/** The error for an operation that is driven a second time. */
export function alreadyDriven(operation: object): UsageError {
  return new UsageError(
    'ERR_ALREADY_DRIVEN',
    `This operation (${operation.constructor.name}) has been driven already. Operations are ` +
      'single-use: make a new one for every `yield*`.',
  );
}
