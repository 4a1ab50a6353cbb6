/** The two ways in which a node:net socket is let go: with its last bytes, or with RST. */
import type { Server, Socket } from 'node:net';
import type { Endpoint } from '../../world/network.ts';
import type { Failure } from '../stream/stream-transport.ts';
import { brokenPipe, connectionReset } from '../stream/stream-transport.ts';

/** A closed connection delivers its last bytes for so many linger periods at most. */
const LINGER_PERIODS = 12;

function destroy(this: Socket): void {
  this.destroy();
}

/**
 * Closes `socket` once the kernel has its last bytes, or the peer takes none of them for
 * `lingerMs`, or altogether too long. The kernel would try for minutes, but these bytes are in our
 * memory and hold the process up.
 *
 * Node restarts its timer whenever some of a pending write has gone: a slow peer gets everything, a
 * dead one is given up after one to two periods. The limit for the whole is for peers that take a
 * byte now and then, and for Bun, whose timer does not fire behind a blocked write.
 */
export function lingerAndClose(socket: Socket, lingerMs: number): void {
  if (socket.writableLength === 0 || socket.destroyed) {
    socket.destroy();
    return;
  }
  socket.pause();
  socket.ref();
  socket.once('finish', destroy);
  socket.setTimeout(lingerMs, destroy);
  const limit = setTimeout(() => socket.destroy(), LINGER_PERIODS * lingerMs);
  socket.once('close', () => clearTimeout(limit));
  socket.end();
}

/** Closes `socket` with RST where there is such a thing. */
export function resetSocket(socket: Socket): void {
  if (socket.destroyed) return;
  // libuv cannot reset while its shutdown(2) is under way, and would leak the descriptor.
  if (isFinPending(socket)) socket.once('finish', resetOrDestroy);
  else resetOrDestroy.call(socket);
}

function isFinPending(socket: Socket): boolean {
  return socket.writableEnded && !socket.writableFinished && socket.writableLength === 0;
}

/** Only TCP knows RST: for a pipe Node throws, and an attempt it would first let succeed. */
function resetOrDestroy(this: Socket): void {
  const isTcp = this.remoteAddress !== undefined;
  if (isTcp && !this.connecting && 'resetAndDestroy' in this) this.resetAndDestroy();
  else this.destroy();
}

/** Addresses of node:net's sockets and servers, as endpoints. */

/** An end that has no name: a Unix client's, or one that is not known yet. */
export const UNNAMED: Endpoint = { path: '' };

/** Both ends of a connection. */
export interface ConnectionEndpoints {
  readonly local: Endpoint;
  readonly remote: Endpoint;
}

/** The near end of a TCP socket; `undefined` once the system no longer knows it. */
export function localEndpoint(socket: Socket): Endpoint | undefined {
  return ipEndpoint(socket.localAddress, socket.localPort, socket.localFamily);
}

/** The far end of a TCP socket; `undefined` once the peer has gone. */
export function remoteEndpoint(socket: Socket): Endpoint | undefined {
  return ipEndpoint(socket.remoteAddress, socket.remotePort, socket.remoteFamily);
}

/** Where `server` listens; `undefined` before and after. */
export function boundEndpoint(server: Server): Endpoint | undefined {
  const bound = server.address();
  if (bound === null) return undefined;
  if (typeof bound === 'string') return { path: bound };
  return ipEndpoint(bound.address, bound.port, bound.family);
}

/** Both ends of an accepted connection; `undefined` when the peer has gone already. */
export function acceptedEndpoints(socket: Socket, at: Endpoint): ConnectionEndpoints | undefined {
  if (socket.destroyed) return undefined;
  if ('path' in at) return { local: at, remote: UNNAMED };
  const local = localEndpoint(socket);
  const remote = remoteEndpoint(socket);
  return local === undefined || remote === undefined ? undefined : { local, remote };
}

function ipEndpoint(host?: string, port?: number, family?: string): Endpoint | undefined {
  if (host === undefined || port === undefined) return undefined;
  return { host, port, family: family === 'IPv6' ? 6 : 4 };
}

/** How the failure of a socket, which node:net reports once, looks to each direction. */

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
  return isReset(error) && error.syscall !== 'read' ? connectionReset : () => error;
}

/** What senders see: after a reset there is nobody to send to. */
export function sendFailure(error: NodeJS.ErrnoException): Failure {
  return isReset(error) ? brokenPipe : () => error;
}

function isReset({ code }: NodeJS.ErrnoException): boolean {
  return code === 'ECONNRESET' || code === 'EPIPE';
}

function libuvBefore(minor: number): boolean {
  const { uv, bun, deno } = process.versions;
  return bun === undefined && deno === undefined && Number(uv.split('.')[1]) < minor;
}
