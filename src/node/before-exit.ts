/**
 * Reports deadlocks: when libuv has nothing left to wait for, no event can wake a task.
 *
 * Node emits `beforeExit` when its loop is empty, and exits unless a listener has given the loop
 * work. A promise that a listener rejects is not work, although its handlers may start another run.
 * The loop is therefore given an immediate at the start of each run and after each report, so that
 * the deadlock of every run is found.
 */

import { setImmediate } from './timers.ts';

/** A host whose tasks only events can wake. */
export interface LoopObserver {
  /** The loop is empty. */
  loopEmptied(): void;
}

/** All hosts share one listener: Node warns about more than ten. */
const observers = new Set<LoopObserver>();

export function observeLoop(observer: LoopObserver): void {
  observers.add(observer);
  if (observers.size === 1) process.on('beforeExit', onBeforeExit);
  keepLoopAlive();
}

/** Idempotent. */
export function ignoreLoop(observer: LoopObserver): void {
  observers.delete(observer);
  if (observers.size === 0) process.off('beforeExit', onBeforeExit);
}

function onBeforeExit(): void {
  for (const observer of [...observers]) observer.loopEmptied();
  keepLoopAlive();
}

/** Node emits `beforeExit` again after the next turn of the loop. */
function keepLoopAlive(): void {
  setImmediate(() => {});
}
