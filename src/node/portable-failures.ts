/** How the failure of a socket, which node:net reports once, looks to each direction. */
import { constants } from 'node:os';
import { SystemError } from '../kernel/errors.ts';

/**
 * What receivers see of a socket's failure. A reset that a write has met is EPIPE there, yet to a
 * reader it is the reset that it is.
 */
export function recvFailure(error: NodeJS.ErrnoException): Error {
  return isReset(error) && error.syscall !== 'read' ? peerReset() : error;
}

/** What senders see: after a reset there is nobody to send to. */
export function sendFailure(error: NodeJS.ErrnoException): Error {
  return isReset(error) && error.code !== 'EPIPE' ? brokenPipe() : error;
}

function isReset({ code }: NodeJS.ErrnoException): boolean {
  return code === 'ECONNRESET' || code === 'EPIPE';
}

export function peerReset(): SystemError {
  return new SystemError('ECONNRESET', -constants.errno.ECONNRESET, 'read');
}

export function brokenPipe(): SystemError {
  return new SystemError('EPIPE', -constants.errno.EPIPE, 'write');
}
