/** A simulated host has no other processes, and no descriptors to give them or to get from them. */
import type { UsageError } from '../kernel/errors.ts';
import { unsupported } from '../kernel/unsupported.ts';

export function withoutProcesses(what: string): UsageError {
  return unsupported('A simulated host', what, 'Give every program a host of its own.');
}
