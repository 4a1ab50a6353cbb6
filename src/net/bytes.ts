/** Memory that is handed in: what it has to be, and that it is still there. */
import { wrongType } from '../kernel/checks.ts';

/** The bytes of `data`. Errors: TypeError for what has none. */
export function bytesOf(data: Uint8Array | string): Uint8Array {
  if (typeof data === 'string') return Buffer.from(data);
  checkBytes('data', data);
  return data;
}

/** Throws unless `data` is a Uint8Array whose memory is there. */
export function checkBytes(name: string, data: unknown): asserts data is Uint8Array {
  if (!(data instanceof Uint8Array)) throw wrongType(name, 'a Uint8Array', data);
  if (data.length === 0 && isGone(data)) throw wrongType(name, 'a Uint8Array with memory', data);
}

/** Throws unless there is room in `into`. */
export function checkRoom(into: Uint8Array): void {
  checkBytes('into', into);
  if (into.length === 0) throw wrongType('into', 'room for at least one byte', into);
}

/**
 * Memory that shrank, grew or went while an operation used it: it was transferred to a worker, or
 * is a part of a resizable ArrayBuffer. Its length is what tells.
 */
export function memoryChanged(name: string, data: unknown): TypeError {
  return wrongType(name, 'left alone until the operation is over (detached or resized)', data);
}

/** Detached, or outside of a resizable buffer: the length is 0, and methods that need none throw
 *  (ECMAScript, ValidateTypedArray). */
function isGone(data: Uint8Array): boolean {
  try {
    data.includes(0);
    return false;
  } catch {
    return true;
  }
}
