/** Sockets of node:net: how they are closed, their addresses, and their errors. */
import type { Server, Socket } from 'node:net';
import { constants } from 'node:os';
import type { SystemError } from '../../support/system-error.ts';
import type { Endpoint } from '../../world/network.ts';
import { isWildcard } from '../endpoint.ts';
import type { Failure } from '../stream/stream-transport.ts';
import { clearTimeout, setTimeout } from '../timers.ts';

/** A closed connection may deliver its last bytes for at most this many linger periods. */
const LINGER_PERIODS = 12;

function destroy(this: Socket): void {
  this.destroy();
}

/**
 * Closes `socket` when the kernel has its last bytes, when the peer takes none of them for
 * `lingerMs`, or after LINGER_PERIODS periods. The kernel would retry for minutes, but these bytes
 * are in our memory and delay the end of the process.
 *
 * Node restarts the timer of a socket whenever a part of a pending write is sent. So a slow peer
 * receives everything, and an unreachable one delays the close for one to two periods. The limit
 * for all periods is for a peer that takes a byte now and then, and for Bun, whose timer does not
 * fire during a blocked write.
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

/** Closes `socket`, with RST if it is a TCP socket. */
export function resetSocket(socket: Socket): void {
  if (socket.destroyed) return;
  // During a pending shutdown(2), libuv cannot reset and would leak the descriptor.
  if (isFinPending(socket)) socket.once('finish', resetOrDestroy);
  else resetOrDestroy.call(socket);
}

function isFinPending(socket: Socket): boolean {
  return socket.writableEnded && !socket.writableFinished && socket.writableLength === 0;
}

/** Only TCP has RST. Node throws for a pipe, and delays the reset of a connection attempt until it
 *  succeeds. */
function resetOrDestroy(this: Socket): void {
  const isTcp = this.remoteAddress !== undefined;
  if (isTcp && !this.connecting && 'resetAndDestroy' in this) this.resetAndDestroy();
  else this.destroy();
}

/**
 * The descriptor of a socket; `undefined` if there is none, and after close. The handle is
 * undocumented, but `child_process` uses it too.
 */
export function descriptorOf(socket: Socket | Server): number | undefined {
  const { _handle: handle } = socket as { _handle?: { readonly fd?: number } | null };
  return handle?.fd === undefined || handle.fd < 0 ? undefined : handle.fd;
}

/** The open connections that `server` has accepted. Undocumented: `getConnections`, which returns
 *  this number, calls back in a later tick. 0: not known. */
export function connectionsOf(server: Server): number {
  return (server as { _connections?: number })._connections ?? 0;
}

/** The endpoint of a Unix client, or one that is not known yet. */
export const UNNAMED: Endpoint = { path: '' };

export interface ConnectionEndpoints {
  readonly local: Endpoint;
  readonly remote: Endpoint;
}

/** The local address of a TCP socket; `undefined` after the connection is gone. */
export function localEndpoint(socket: Socket): Endpoint | undefined {
  return ipEndpoint(socket.localAddress, socket.localPort, socket.localFamily);
}

/** The remote address of a TCP socket; `undefined` after the peer has disconnected. */
export function remoteEndpoint(socket: Socket): Endpoint | undefined {
  return ipEndpoint(socket.remoteAddress, socket.remotePort, socket.remoteFamily);
}

/** The address on which `server` listens; `undefined` while it does not listen. */
export function boundEndpoint(server: Server): Endpoint | undefined {
  const bound = server.address();
  if (bound === null) return undefined;
  if (typeof bound === 'string') return { path: bound };
  return ipEndpoint(bound.address, bound.port, bound.family);
}

/** The addresses of a connection that a listener at `at` has accepted; `undefined` if the peer has
 *  already disconnected. */
export function acceptedEndpoints(socket: Socket, at: Endpoint): ConnectionEndpoints | undefined {
  if (socket.destroyed) return undefined;
  if ('path' in at) return { local: at, remote: UNNAMED };
  const local = isWildcard(at) ? localEndpoint(socket) : at;
  const remote = remoteEndpoint(socket);
  return local === undefined || remote === undefined ? undefined : { local, remote };
}

function ipEndpoint(host?: string, port?: number, family?: string): Endpoint | undefined {
  if (host === undefined || port === undefined) return undefined;
  return { host, port, family: family === 'IPv6' ? 6 : 4 };
}

/**
 * libuv before 1.52 takes a hang-up after a short read for the end of file, although it also comes
 * with every reset. A truncated stream would look complete. (libuv pull request 4997)
 */
export const HIDES_RESETS: boolean = libuvBefore(52);

/** The failures of receives and of sends after an error, which node:net reports once. */
export interface Failures {
  readonly recv: Failure;
  readonly send: Failure;
}

/**
 * The failures after `error`. As the system does, they report a reset to every receive, and to a
 * send if no receive was first: a send after that is EPIPE. `create` makes the errors.
 */
export function failuresAfter(
  error: NodeJS.ErrnoException,
  create: (errno: number, syscall: string) => SystemError,
): Failures {
  const { ECONNRESET, EPIPE } = constants.errno;
  if (error.code !== 'ECONNRESET' && error.code !== 'EPIPE') {
    return { recv: () => error, send: () => error };
  }
  let isReported = error.code === 'EPIPE';
  let recvError: SystemError | undefined;
  let sendError: SystemError | undefined;
  return {
    recv: () => {
      isReported = true;
      recvError ??= create(-ECONNRESET, 'read');
      return recvError;
    },
    send: () => {
      sendError ??= create(isReported ? -EPIPE : -ECONNRESET, 'write');
      return sendError;
    },
  };
}

function libuvBefore(minor: number): boolean {
  const { uv, bun, deno } = process.versions;
  return bun === undefined && deno === undefined && Number(uv.split('.')[1]) < minor;
}
