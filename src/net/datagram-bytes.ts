/** The bytes of a datagram that is to be sent. */
import { wrongType } from '../kernel/checks.ts';

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
