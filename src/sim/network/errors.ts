/** Errors of the simulated system, in the shape and with the numbers of Linux. */

import { ClosedError } from '../../kernel/errors.ts';
import type { ErrorPeer } from '../../support/system-error.ts';
import { SystemError } from '../../support/system-error.ts';

/** The error numbers of Linux (errno(3)), negative as Node reports them. */
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
  /** Not of the system but of the resolver (uv.h: UV__EAI_NONAME). */
  ENOTFOUND: -3008,
} as const;

export type ErrorCode = keyof typeof NUMBERS;

/** The error of a failed system call: `connect ECONNREFUSED 10.0.0.2:80`. */
export function systemError(code: ErrorCode, syscall: string, peer?: ErrorPeer): SystemError {
  return new SystemError(code, NUMBERS[code], syscall, peer);
}

/** What node:dns says of a name that nobody has: `getaddrinfo ENOTFOUND nobody`. */
export function unknownName(hostname: string): SystemError {
  const error = systemError('ENOTFOUND', 'getaddrinfo', { text: hostname });
  return Object.assign(error, { hostname });
}

export function closedHere(what: string): ClosedError {
  return new ClosedError('ERR_CLOSED', `${what} was closed here`);
}
