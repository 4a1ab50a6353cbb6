/**
 * Collections of young garbage, for received memory.
 *
 * The memory of large messages is outside the heap of V8, but counts as a part of it: after 8 to 55
 * MB of it, V8 marks the whole heap, although nearly all of it is young garbage. For an echo of 16
 * KB over 1,000 connections, this takes more processor time than the echo. A scavenge, which
 * releases young garbage only, takes half a millisecond. So one is requested before V8 begins to
 * mark. (Node 20 does so itself after 32 MB, unless it has begun to mark.)
 *
 * The only function for it is `gc`, which only contexts have that were created while the flag
 * --expose-gc was set. One context is created for it, and the flag is reset at once.
 */

/** Bytes of large messages between two requests. */
export const COLLECT_BYTES: number = 6 << 20;

/** Smaller messages make as much garbage in the heap, so that V8 collects often enough. */
const LARGE_MESSAGE = 4096;

/** Counts the received memory of one network. */
export class ReceivedMemory {
  #large = 0;
  readonly #collect: () => void;

  /** `collect` requests a collection of young garbage. */
  constructor(collect: () => void = collectYoungGarbage) {
    this.#collect = collect;
  }

  /** `length` bytes were received into memory that is new. */
  add(length: number): void {
    if (length < LARGE_MESSAGE) return;
    this.#large += length;
    if (this.#large < COLLECT_BYTES) return;
    this.#large = 0;
    this.#collect();
  }
}

type Collect = (options: { readonly type: 'minor' }) => void;

/** `undefined`: not searched yet. */
let collect: Collect | null | undefined;

/** Without effect where the runtime does not have the function. */
function collectYoungGarbage(): void {
  if (collect === undefined) collect = findCollector();
  collect?.({ type: 'minor' });
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
