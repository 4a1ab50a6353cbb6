/**
 * Collections of young garbage, for received memory.
 *
 * The memory of large messages is outside the heap of V8, but counts as a part of it. Since version
 * 12 (Node 22), V8 marks the whole heap after 8 to 55 MB of it, although nearly all of it is young
 * garbage. For an echo of 16 KB over 1,000 connections, this takes more processor time than the
 * echo. A scavenge, which releases young garbage only, takes half a millisecond. So one is
 * requested before V8 begins to mark. (Older versions do so themselves, after 32 MB.)
 *
 * The only function for it is `gc`, which only contexts have that were created while the flag
 * --expose-gc was set. One context is created for it, and the flag is reset at once.
 */

/** Received bytes between two requests. */
export const COLLECT_BYTES: number = 6 << 20;

/** The first major version of V8 that has to be asked. */
const FIRST_VERSION = 12;

type Collect = (options: { readonly type: 'minor' }) => void;

/** `undefined`: not searched yet. */
let collect: Collect | null | undefined;

/** Requests a collection of young garbage. Without effect where it is not needed or possible. */
export function collectYoungGarbage(): void {
  if (collect === undefined) collect = isUseful() ? findCollector() : null;
  collect?.({ type: 'minor' });
}

/** Electron protects the flags of V8: changing one ends the process. */
function isUseful(): boolean {
  const { v8, electron } = process.versions;
  return Number.parseInt(v8, 10) >= FIRST_VERSION && electron === undefined;
}

/** Null: this runtime does not have the function. */
export function findCollector(): Collect | null {
  const { setFlagsFromString } = process.getBuiltinModule('node:v8');
  const { runInNewContext } = process.getBuiltinModule('node:vm');
  const isExposed = 'gc' in globalThis;
  try {
    if (!isExposed) setFlagsFromString('--expose-gc');
    return runInNewContext('gc') as Collect;
  } catch {
    return null;
  } finally {
    if (!isExposed) setFlagsFromString('--no-expose-gc');
  }
}
