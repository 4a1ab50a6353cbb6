/** Errors of the operating system, with the properties of Node's own system errors. */
import { getSystemErrorName } from 'node:util';
import { debug } from '../kernel/debug.ts';
import type { ErrorPeer } from '../support/system-error.ts';
import { SystemError } from '../support/system-error.ts';

/**
 * Creates the error for a failed system call: `systemError(-111, 'connect', peer)` is `connect
 * ECONNREFUSED 127.0.0.1:1`. `errno` is negative, as libuv and Node report it.
 */
export function systemError(errno: number, syscall: string, peer?: ErrorPeer): SystemError {
  return new SystemError(getSystemErrorName(errno), errno, syscall, peer);
}

/**
 * As `systemError`, for an error that a client has caused: without stack frames, except in debug
 * mode. Clients can reset connections as often as they connect, and the frames would cost more than
 * everything else that JavaScript does for a short connection.
 */
export function clientError(errno: number, syscall: string): SystemError {
  const { stackTraceLimit } = Error;
  if (debug.tracker === null) Error.stackTraceLimit = 0;
  try {
    return systemError(errno, syscall);
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}
