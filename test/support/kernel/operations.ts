/** Operations for tests that return, fail or are cancelled. */
import { now } from '../../../src/kernel/current.ts';
import type { Hooks } from '../../../src/kernel/hooks.ts';
import type { Operation, OperationSource, Wait } from '../../../src/kernel/operation.ts';
import { shield } from '../../../src/kernel/scope/shield.ts';
import { sleep, sleepForever } from '../../../src/kernel/waits.ts';
import { play } from './virtual-host.ts';

export function* succeed<T>(ms: number, value: T): Generator<Wait, T> {
  yield* sleep(ms);
  return value;
}

export function* failAfter(ms: number, error: unknown): Generator<Wait, never> {
  yield* sleep(ms);
  throw error;
}

/** Waits until it is cancelled, and calls `cleanup` while it unwinds. */
export function* whenCancelled(cleanup: () => unknown): Generator<Wait, never> {
  try {
    return yield* sleepForever();
  } finally {
    cleanup();
  }
}

/** Waits until it is cancelled, and throws `error` in its cleanup. */
export function* failWhenCancelled(error: unknown): Generator<Wait, never> {
  try {
    return yield* sleepForever();
  } finally {
    // biome-ignore lint/correctness/noUnsafeFinally: cleanup that fails is what is tested
    throw error;
  }
}

/** Waits until it is cancelled, and cleans up for `ms` milliseconds. */
export function* cleanupFor(ms: number, log: string[], word: string): Generator<Wait, never> {
  try {
    return yield* sleepForever();
  } finally {
    yield* shield(sleep(ms));
    log.push(`${word} at ${now()}`);
  }
}

/** The value that `op` throws; undefined if it returns. */
export function* thrownBy(op: Operation<unknown>): Generator<Wait, unknown> {
  try {
    yield* op;
  } catch (error) {
    return error;
  }
  return undefined;
}

/** The `code` of the error that `op` throws; undefined if it returns. */
export function* codeThrownBy(op: Operation<unknown>): Generator<Wait, unknown> {
  return ((yield* thrownBy(op)) as { code?: unknown } | undefined)?.code;
}

export type Combinator = (members: OperationSource<unknown>[]) => Operation<unknown>;

export function* ignoreCancellation(): Generator<Wait, never> {
  for (;;) {
    try {
      yield* sleepForever();
    } catch {
      // The task ignores its cancellation, so the kernel ends it by force.
    }
  }
}

/** Runs `op`. Returns its value or error, and the errors that onUnhandled received. */
export function observe(op: () => Operation<unknown>): {
  result: unknown;
  unhandled: unknown[];
} {
  const unhandled: unknown[] = [];
  const hooks: Hooks = { onUnhandled: (error) => unhandled.push(error) };
  try {
    return { result: play(op, { hooks }), unhandled };
  } catch (error) {
    return { result: error, unhandled };
  }
}

export const A: Error = new Error('a');
export const B: Error = new Error('b');
export const C: Error = new Error('c');
