/** Checks of the memory that a program passes to an operation. */
import { wrongType } from '../support/checks.ts';

/**
 * `data` itself, or the UTF-8 bytes of a text. Errors: TypeError for any other value, and for
 * memory that was transferred.
 */
export function bytesOf(data: Uint8Array | string): Uint8Array {
  if (typeof data === 'string') return Buffer.from(data);
  checkData('data', data);
  return data;
}

const encoder = new TextEncoder();

/**
 * Writes `text` as UTF-8 to the beginning of `memory`, which has room for it. Returns the number of
 * bytes. `memory.write` takes longer, and so does `Buffer.byteLength` before it.
 */
export function writeText(memory: Uint8Array, text: string): number {
  return encoder.encodeInto(text, memory).written;
}

/** As `checkBytes`, for an argument that may be a text, and is none. */
export function checkData(name: string, data: unknown): asserts data is Uint8Array {
  if (!(data instanceof Uint8Array)) throw wrongType(name, 'a string or a Uint8Array', data);
  if (data.byteLength === 0) checkBytes(name, data);
}

/**
 * Throws unless `data` is a Uint8Array whose memory is attached. Reads `byteLength`: in optimized
 * code of Node 20, `length` of detached memory is not 0 if the code was also used for a view of a
 * resizable buffer.
 */
export function checkBytes(name: string, data: unknown): asserts data is Uint8Array {
  if (!(data instanceof Uint8Array)) throw wrongType(name, 'a Uint8Array', data);
  if (data.byteLength === 0 && isOutOfBounds(data))
    throw wrongType(name, 'a Uint8Array with memory', data);
}

/**
 * The error for memory that was detached or resized while an operation used it: it was transferred
 * to a worker, or is part of a resizable ArrayBuffer. A changed `byteLength` reveals it.
 */
export function memoryChanged(name: string, data: unknown): TypeError {
  return wrongType(name, 'left alone until the operation is over (detached or resized)', data);
}

const { fill } = Uint8Array.prototype;

/**
 * True for detached memory and for a view outside of a resizable buffer. Their length is 0, and
 * the methods of a Uint8Array throw (ECMAScript, ValidateTypedArray), but not those of a Buffer.
 * `buffer.detached` needs Node 21.
 */
function isOutOfBounds(data: Uint8Array): boolean {
  try {
    fill.call(data, 0, 0, 0);
    return false;
  } catch {
    return true;
  }
}
