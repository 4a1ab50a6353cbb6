/** Members for the tests of the combinators: operations that end in all the ways there are. */

import { now } from '../../../src/kernel/current.ts';
import type { Hooks } from '../../../src/kernel/hooks.ts';
import type { Operation, OperationSource, Wait } from '../../../src/kernel/operation.ts';
import { shield } from '../../../src/kernel/scope/shield.ts';
import { sleep, sleepForever } from '../../../src/kernel/waits.ts';
import { play } from './virtual-host.ts';

export function* give<T>(ms: number, value: T): Generator<Wait, T> {
  yield* sleep(ms);
  return value;
}

export function* failAfter(ms: number, error: unknown): Generator<Wait, never> {
  yield* sleep(ms);
  throw error;
}

/** Waits until it is cancelled; its cleanup fails with `error`. */
export function* failWhenCancelled(error: unknown): Generator<Wait, never> {
  try {
    return yield* sleepForever();
  } finally {
    // biome-ignore lint/correctness/noUnsafeFinally: cleanup that fails is what is tested
    throw error;
  }
}

/** Waits until it is cancelled; its cleanup takes `ms`. */
export function* cleanupFor(ms: number, log: string[], word: string): Generator<Wait, never> {
  try {
    return yield* sleepForever();
  } finally {
    yield* shield(sleep(ms));
    log.push(`${word} at ${now()}`);
  }
}

export type Combinator = (members: OperationSource<unknown>[]) => Operation<unknown>;

export function* refuseToEnd(): Generator<Wait, never> {
  for (;;) {
    try {
      yield* sleepForever();
    } catch {
      // Going on although cancelled: the runtime has to end this task by force.
    }
  }
}

/** Plays `op`, and tells the errors that nobody received beside its value or error. */
export function watch(op: () => Operation<unknown>): { result: unknown; unhandled: unknown[] } {
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
