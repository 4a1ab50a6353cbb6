/** Memory that is handed in: what it has to be, and that it is still there. */
import { wrongType } from '../support/checks.ts';

/** The bytes of `data`. Errors: TypeError for what has none. */
export function bytesOf(data: Uint8Array | string): Uint8Array {
  if (typeof data === 'string') return Buffer.from(data);
  checkBytes('data', data);
  return data;
}

/** Throws unless `data` is a Uint8Array whose memory is there. */
export function checkBytes(name: string, data: unknown): asserts data is Uint8Array {
  if (!(data instanceof Uint8Array)) throw wrongType(name, 'a Uint8Array', data);
  if (data.length === 0 && isOutOfBounds(data))
    throw wrongType(name, 'a Uint8Array with memory', data);
}

/** Throws unless there is room in `into`. */
export function checkNotEmpty(into: Uint8Array): void {
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
function isOutOfBounds(data: Uint8Array): boolean {
  try {
    data.includes(0);
    return false;
  } catch {
    return true;
  }
}

/** The bytes of a datagram that is to be sent. */

/**
 * `data` itself, or the UTF-8 of a text. An empty datagram is legal, so a buffer that was given
 * away (transferred, detached) has to be told from one: TypeError.
 */
export function datagramBytes(data: Uint8Array | string): Uint8Array {
  if (typeof data === 'string') return Buffer.from(data);
  if (!(data instanceof Uint8Array)) throw wrongType('data', 'a Uint8Array or a string', data);
  if (data.length === 0 && isDetached(data.buffer)) {
    throw wrongType('data', 'a Uint8Array that was not transferred', data);
  }
  return data;
}

/** No view can be made of detached memory. `buffer.detached` came with Node 21. */
function isDetached(memory: ArrayBufferLike): boolean {
  try {
    new Uint8Array(memory);
    return false;
  } catch {
    return true;
  }
}
