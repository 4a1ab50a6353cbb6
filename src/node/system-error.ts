/** Errors of the operating system, with the properties of Node's own system errors. */
import { getSystemErrorName } from 'node:util';
import type { ErrorPeer } from '../support/system-error.ts';
import { SystemError } from '../support/system-error.ts';

/**
 * Creates the error for a failed system call: `systemError(-111, 'connect', peer)` is `connect
 * ECONNREFUSED 127.0.0.1:1`. `errno` is negative, as libuv and Node report it.
 */
export function systemError(errno: number, syscall: string, peer?: ErrorPeer): SystemError {
  return new SystemError(getSystemErrorName(errno), errno, syscall, peer);
}
