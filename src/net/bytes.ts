/** What the operations of this room accept as bytes. */
import { wrongType } from '../kernel/checks.ts';

/** The bytes of `data`; a text as UTF-8. */
export function bytesOf(data: Uint8Array | string): Uint8Array {
  if (typeof data === 'string') return Buffer.from(data);
  checkBytes('data', data);
  return data;
}

export function checkBytes(name: string, data: unknown): void {
  if (!(data instanceof Uint8Array)) throw wrongType(name, 'a Uint8Array', data);
}
