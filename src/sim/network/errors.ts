/** Errors of the simulated system, with the form and the numbers of Linux. */

import { ClosedError } from '../../kernel/errors.ts';
import type { ErrorPeer } from '../../support/system-error.ts';
import { SystemError } from '../../support/system-error.ts';

/** Error numbers of Linux (errno(3)), negative as in Node. */
const NUMBERS = {
  ENOENT: -2,
  EAGAIN: -11,
  EACCES: -13,
  ENODEV: -19,
  EINVAL: -22,
  EMFILE: -24,
  EPIPE: -32,
  ENAMETOOLONG: -36,
  EMSGSIZE: -90,
  EAFNOSUPPORT: -97,
  EADDRINUSE: -98,
  EADDRNOTAVAIL: -99,
  ENETUNREACH: -101,
  ECONNRESET: -104,
  ETIMEDOUT: -110,
  ECONNREFUSED: -111,
  EHOSTUNREACH: -113,
  /** From the resolver, not the system (uv.h: UV__EAI_NONAME). */
  ENOTFOUND: -3008,
} as const;

export type ErrorCode = keyof typeof NUMBERS;

/** The error of a failed system call: `connect ECONNREFUSED 10.0.0.2:80`. */
export function systemError(code: ErrorCode, syscall: string, peer?: ErrorPeer): SystemError {
  return new SystemError(code, NUMBERS[code], syscall, peer);
}

/** The error of node:dns for an unknown name: `getaddrinfo ENOTFOUND missing`. */
export function unknownName(hostname: string): SystemError {
  const error = systemError('ENOTFOUND', 'getaddrinfo', { text: hostname });
  return Object.assign(error, { hostname });
}

export function closedHere(resource: string): ClosedError {
  return new ClosedError('ERR_CLOSED', `${resource} was closed by this program`);
}
