/**
 * Received bytes on loan (`socket.borrow`).
 *
 * A backend may receive them into memory that its connections share. The loan ends with the next
 * receive, or when the task waits: from then on another task may overwrite the bytes.
 *
 * In debug mode the program gets a copy, which is overwritten when the loan has ended. A use after
 * that fails in the same way on every backend and in every run.
 */
import { debug } from '../../kernel/debug.ts';
import type { Transport } from '../../world/network.ts';

/** The bytes of the latest loan. Null: there was none in shared memory. */
let lent: Buffer | null = null;

/** One attempt to receive on loan; `undefined`: would block. */
export function borrow(transport: Transport, max: number): Buffer | undefined {
  if (debug.tracker !== null) return borrowCopy(transport, max);
  if (transport.tryBorrow === undefined) return transport.tryRecv(max);
  const data = transport.tryBorrow(max);
  if (data !== undefined) lent = data;
  return data;
}

/** `data`, or a copy if it is on loan. For operations that keep `data` while their task waits. */
export function keep(data: Uint8Array): Uint8Array {
  return isLent(data) ? Buffer.from(data) : data;
}

export function isLent(data: Uint8Array): boolean {
  return lent !== null && data.buffer === lent.buffer;
}

function borrowCopy(transport: Transport, max: number): Buffer | undefined {
  const received = transport.tryRecv(max);
  if (received === undefined) return undefined;
  const copy = Buffer.allocUnsafeSlow(received.length);
  copy.set(received);
  debug.tracker?.lend(copy);
  lent = copy;
  return copy;
}
