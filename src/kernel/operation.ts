/**
 * Operations: the values that `yield*` accepts. An operation is lazy and single-use: nothing
 * happens until `yield*` drives it, and it can be driven once.
 *
 * All layers may use this file. Except for PAUSE, the waits are made in waits.ts.
 */
import { classNameOf, show } from '../support/checks.ts';
import { UsageError } from './errors.ts';
import type { Parking } from './parking.ts';
import type { Pollable } from './readiness.ts';
import { noteDriven, noteMade } from './task/undriven.ts';

/** A reason to wait: the values that a task may yield to its scheduler. */
export type Wait =
  /** Until the other ready tasks have run. */
  | undefined
  /** Until the resource is readable. The task may resume spuriously and must then wait again. */
  | readonly ['recv', Pollable]
  /** Until the resource is writable. The task may resume spuriously and must then wait again. */
  | readonly ['send', Pollable]
  /** For the given number of milliseconds. */
  | readonly ['sleep', number]
  /** Until `wake` is called on the parking. Locks, channels, joins and promises use this form. */
  | readonly ['park', Parking];

/** A value that `yield*` accepts inside a task and that returns a `T`, such as a generator. */
export interface Operation<T> {
  [Symbol.iterator](): Iterator<Wait, T, unknown>;
}

/** An operation, or a function that returns one. */
export type OperationSource<T> = Operation<T> | (() => Operation<T>);

/** The iterator that `yield*` drives: it may have `throw` and `return`. */
export type Frames<T> = Iterator<Wait, T, unknown>;

/** The bare `yield`, as `next()` of a hand-written operation returns it. */
export const PAUSE: IteratorYieldResult<Wait> = { done: false, value: undefined };

/**
 * Base class of operations that are written as iterators, for hot paths. It enforces single use.
 * `throw` and `return` exist because `yield*` over an iterator without `throw` turns a cancellation
 * into a TypeError.
 */
export abstract class Step<T> implements Operation<T>, Frames<T> {
  /** True after `yield*` has started the operation, or `return()` was called. */
  protected driven = false;

  constructor() {
    noteMade(this);
  }

  [Symbol.iterator](): this {
    if (this.driven) throw alreadyDriven(this);
    this.driven = true;
    noteDriven(this);
    return this;
  }

  abstract next(value?: unknown): IteratorResult<Wait, T>;

  throw(error: unknown): IteratorResult<Wait, T> {
    throw error;
  }

  return(value?: unknown): IteratorResult<Wait, T> {
    this.driven = true;
    noteDriven(this);
    return { done: true, value: value as T };
  }

  then(_resolve: unknown, reject: unknown): void {
    rejectAwait(this, reject);
  }
}

/**
 * A single-use operation whose body is a generator function. On hot paths, pass an arrow function
 * that calls a named generator function. Each evaluation of a `function*` expression makes V8
 * create a prototype and a map, which takes some microseconds, and the map keeps the captured
 * variables alive until the next full collection.
 */
export class Lazy<T> implements Operation<T> {
  #start: (() => Frames<T>) | null;

  constructor(start: () => Frames<T>) {
    this.#start = start;
    noteMade(this);
  }

  [Symbol.iterator](): Frames<T> {
    const start = this.#start;
    if (start === null) throw alreadyDriven(this);
    this.#start = null;
    noteDriven(this);
    return start();
  }

  /** Marks the operation as driven without running it. */
  return(): void {
    this.#start = null;
    noteDriven(this);
  }

  then(_resolve: unknown, reject: unknown): void {
    rejectAwait(this, reject);
  }
}

/** True for values that `yield*` can drive. Strings and arrays are iterable but not operations. */
export function isOperation(value: unknown): value is Operation<unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  return typeof (value as Partial<Operation<unknown>>)[Symbol.iterator] === 'function';
}

/** Throws ERR_NOT_AN_OPERATION unless `source` is an operation or a function. */
export function checkSource(source: unknown): void {
  if (typeof source !== 'function' && !isOperation(source)) throw notAnOperation(source);
}

/** Throws ERR_NOT_AN_OPERATION unless `body` is a function. `usage` is a right call. */
export function checkBody(body: unknown, usage: string): void {
  if (typeof body === 'function') return;
  checkSource(body);
  discard(body as Operation<unknown>);
  throw new UsageError(
    'ERR_NOT_AN_OPERATION',
    `Expected a function that returns an operation, got ${show(body)}.\n  right:  ${usage}`,
  );
}

/**
 * The method `then` of operations, which `await`, `Promise.resolve` and the return of an async
 * function call: rejects with ERR_NOT_DRIVEN, because a promise cannot drive an operation.
 */
export function rejectAwait(operation: { return(): unknown }, reject: unknown): void {
  operation.return();
  const error = new UsageError(
    'ERR_NOT_DRIVEN',
    'An operation was awaited or returned by an `async` function. Inside a task, use `yield*` in ' +
      'a generator function (`function*`) instead of `await`. Outside tasks, await ' +
      '`run(operation)`.',
  );
  if (typeof reject !== 'function') throw error;
  reject(error);
}

/**
 * Returns the operation to drive: `source`, or the result of calling it. The caller drives it, so a
 * generator counts as driven from now on. Errors: ERR_ALREADY_DRIVEN, ERR_NOT_AN_OPERATION.
 */
export function operationOf<T>(source: OperationSource<T>): Operation<T> {
  const operation: unknown = typeof source === 'function' ? source() : source;
  if (!isOperation(operation)) throw notAnOperation(operation);
  if (isGenerator(operation) && !isGeneratorFunction(source)) markDriven(operation);
  return operation as Operation<T>;
}

/** A generator with the mark that it was driven. */
interface MarkedGenerator {
  [DRIVEN]?: true;
}

/**
 * The mark of a generator that was driven or discarded. A finished generator returns `undefined`
 * when it is driven again, as if it had succeeded, and does not differ from a new one. `yield*`
 * itself cannot be observed, so only the drives of the runtime are marked. (A WeakSet would cost
 * more than the task that drives the generator.)
 */
const DRIVEN: unique symbol = Symbol('driven');

function isGenerator(operation: Operation<unknown>): boolean {
  return (operation as { [Symbol.toStringTag]?: unknown })[Symbol.toStringTag] === 'Generator';
}

/** Each of its calls returns a new generator, to which nothing else refers. */
function isGeneratorFunction(source: unknown): boolean {
  return (source as { [Symbol.toStringTag]?: unknown })[Symbol.toStringTag] === 'GeneratorFunction';
}

function markDriven(generator: Operation<unknown> & MarkedGenerator): void {
  if (generator[DRIVEN] === true) throw generatorAlreadyDriven();
  if (Object.isExtensible(generator)) generator[DRIVEN] = true;
}

/** Marks an operation that was accepted but will not run as driven. */
export function discard(source: OperationSource<unknown>): void {
  if (typeof source === 'function') return;
  const operation = source as { return?: unknown } | null | undefined;
  if (typeof operation?.return !== 'function') return;
  operation.return();
  if (isGenerator(source)) (source as MarkedGenerator)[DRIVEN] = true;
}

function notAnOperation(value: unknown): UsageError {
  ignoreRejection(value);
  const hint = isPromise(value)
    ? 'Wait for a promise with `yield* until(promise)`, and write a generator function ' +
      '(`function*`) instead of an `async` function.'
    : 'Pass a generator, an operation, or a function that returns one: `function* () { … }`.';
  return new UsageError(
    'ERR_NOT_AN_OPERATION',
    `Expected an operation, got ${show(value)}. ${hint}`,
  );
}

/** True for objects with a method `then`, except operations, which reject with it. */
export function isPromise(value: unknown): value is PromiseLike<unknown> {
  const { then } = (value ?? {}) as { then?: unknown };
  return typeof then === 'function' && !isOperation(value);
}

/** The error about a promise in the wrong place replaces the one that it rejects with. */
function ignoreRejection(value: unknown): void {
  if (isPromise(value)) value.then(undefined, () => undefined);
}

/**
 * For the result of a callback that is called and not driven. Reports the rejection of a promise,
 * which would otherwise end the process, and a generator, which would do nothing.
 */
export function watchCallback(result: unknown, report: (error: unknown) => void): void {
  if (isPromise(result)) result.then(undefined, report);
  else if (Object.prototype.toString.call(result) === '[object Generator]') report(notACallback());
}

function notACallback(): UsageError {
  const text = 'A callback returned a generator, which is not driven: pass a plain function';
  return new UsageError('ERR_NOT_DRIVEN', text);
}

/** The ERR_ALREADY_DRIVEN for `operation`. */
export function alreadyDriven(operation: object): UsageError {
  return new UsageError(
    'ERR_ALREADY_DRIVEN',
    `This operation (${classNameOf(operation)}) was already driven. Operations are ` +
      'single-use: make a new one for each `yield*`.',
  );
}

function generatorAlreadyDriven(): UsageError {
  return new UsageError(
    'ERR_ALREADY_DRIVEN',
    'This generator was already driven. Generators are single-use: call the generator function ' +
      'again for each drive, as in `retry(() => load())`.',
  );
}

/** As `yield*` does: throws into the iterator, or closes it and throws if it has no `throw`. */
export function throwInto(frames: Frames<unknown>, error: unknown): IteratorResult<Wait, unknown> {
  if (frames.throw !== undefined) return frames.throw(error);
  frames.return?.();
  throw error;
}

/** The prototype of all iterators that the language makes. */
const ITERATOR_PROTOTYPE: object = Object.getPrototypeOf(
  Object.getPrototypeOf([][Symbol.iterator]()),
);

/**
 * As `throwInto`, for the error of a value that is not a wait. If that value came from an array, as
 * in `yield* ['sleep', 10]`, then `yield*` drives an iterator without `throw`, and would replace
 * the error by a TypeError about that. Therefore iterators have a `throw` until it is called.
 */
export function throwUnknownReason(
  frames: Frames<unknown>,
  error: unknown,
): IteratorResult<Wait, unknown> {
  const remove = (): boolean => Reflect.deleteProperty(ITERATOR_PROTOTYPE, 'throw');
  const value = function (this: Frames<unknown>, thrown: unknown): never {
    remove();
    this.return?.();
    throw thrown;
  };
  Reflect.defineProperty(ITERATOR_PROTOTYPE, 'throw', { configurable: true, value });
  try {
    return throwInto(frames, error);
  } finally {
    remove();
  }
}
