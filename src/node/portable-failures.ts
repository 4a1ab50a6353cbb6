/** How the failure of a socket, which node:net reports once, looks to each direction. */
import { constants } from 'node:os';
import { SystemError } from '../kernel/errors.ts';

/** Makes the error when a try throws it: ends that nobody notices cost nothing. */
export type Failure = () => unknown;

/**
 * libuv before 1.52 takes a hang-up behind a short read for the end of file, although it comes with
 * every reset too. A stream cut off in the middle would look complete. (libuv pull request 4997)
 */
export const HIDES_RESETS: boolean = libuvBefore(52);

/**
 * What receivers see of a socket's failure. A reset that a write has met is EPIPE there, yet to a
 * reader it is the reset that it is.
 */
export function recvFailure(error: NodeJS.ErrnoException): Failure {
  return isReset(error) && error.syscall !== 'read' ? peerReset : () => error;
}

/** What senders see: after a reset there is nobody to send to. */
export function sendFailure(error: NodeJS.ErrnoException): Failure {
  return isReset(error) ? brokenPipe : () => error;
}

export function peerReset(): SystemError {
  return new SystemError('ECONNRESET', -constants.errno.ECONNRESET, 'read');
}

export function brokenPipe(): SystemError {
  return new SystemError('EPIPE', -constants.errno.EPIPE, 'write');
}

function isReset({ code }: NodeJS.ErrnoException): boolean {
  return code === 'ECONNRESET' || code === 'EPIPE';
}

function libuvBefore(minor: number): boolean {
  const { uv, bun, deno } = process.versions;
  return bun === undefined && deno === undefined && Number(uv.split('.')[1]) < minor;
}
