/**
 * Collections of young garbage, for received memory.
 *
 * The memory of large messages is outside the heap of V8, but counts as a part of it: after 8 to 55
 * MB of it, V8 marks the whole heap, although nearly all of it is young garbage. A scavenge, which
 * releases young garbage only, takes half a millisecond. So one is requested before V8 begins to
 * mark: an echo of 16 KB on Node 24 takes four fifths of the processor time. On Node 20 and 22,
 * whose V8 marks less often, it gains nothing and is not done.
 *
 * A program that keeps messages, or many other young objects, has little young garbage: a scavenge
 * copies what is alive. Then requests are rarer, and V8 decides as without them.
 *
 * The only function for it is `gc`, which only contexts have that were created while the flag
 * --expose-gc was set. One context is created for it, and the flag is reset at once.
 */

import { now } from '../timers.ts';

/** Bytes of large messages between two requests, while collections are fast. */
export const COLLECT_BYTES: number = 6 << 20;

/** After a collection that took longer, twice as many bytes pass before the next one. */
const SLOW_MS = 1;
const MAX_COLLECT_BYTES = 128 * COLLECT_BYTES;

/** The major version of V8 from which collections are requested: that of Node 24. */
const FIRST_V8 = 13;

/** Smaller messages make as much garbage in the heap, so that V8 collects often enough. */
const LARGE_MESSAGE = 4096;

/** Counts the received memory of one network. */
export class ReceivedMemory {
  #large = 0;
  /** Bytes until the next request. */
  #interval = COLLECT_BYTES;
  readonly #collect: () => number;

  /** `collect` requests a collection of young garbage and returns its duration in milliseconds. */
  constructor(collect: () => number = collectYoungGarbage) {
    this.#collect = collect;
  }

  /** `length` bytes were received into memory that is new. */
  add(length: number): void {
    if (length < LARGE_MESSAGE) return;
    this.#large += length;
    if (this.#large < this.#interval) return;
    this.#large = 0;
    this.#interval =
      this.#collect() > SLOW_MS
        ? Math.min(2 * this.#interval, MAX_COLLECT_BYTES)
        : Math.max(this.#interval / 2, COLLECT_BYTES);
  }
}

type Collect = (options: { readonly type: 'minor' }) => void;

/** `undefined`: not searched yet. */
let collect: Collect | null | undefined;

/** Without effect where the runtime does not have the function. */
function collectYoungGarbage(): number {
  if (collect === undefined) {
    collect = Number.parseInt(process.versions.v8, 10) < FIRST_V8 ? null : findCollector();
  }
  const began = now();
  collect?.({ type: 'minor' });
  return now() - began;
}

/** Null: the runtime does not have the function. */
export function findCollector(): Collect | null {
  // Electron protects the flags of V8: changing one ends the process.
  if (process.versions['electron'] !== undefined) return null;
  const { setFlagsFromString } = process.getBuiltinModule('node:v8');
  const { runInNewContext } = process.getBuiltinModule('node:vm');
  const isExposed = 'gc' in globalThis;
  try {
    if (!isExposed) setFlagsFromString('--expose-gc');
    try {
      return runInNewContext('gc') as Collect;
    } finally {
      if (!isExposed) setFlagsFromString('--no-expose-gc');
    }
  } catch {
    return null; // Also if another thread has reset the flag in between.
  }
}
