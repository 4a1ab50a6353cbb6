/**
 * Listening sockets that are open here and on which nobody here accepts: a supervisor of processes
 * keeps them, so that a queue of connections survives the process that serves it.
 *
 * The addon opens them. Without it they come from the function of node:net by which node:cluster
 * opens the sockets of its workers: a handle that is bound and does not listen. For that a process
 * is run that calls listen(2) on the descriptor that it inherits and is gone before it could accept
 * anything: the socket goes on listening, since whether it does is kept with the socket and not
 * with the process.
 */
import { spawnSync } from 'node:child_process';
import { closeSync } from 'node:fs';
import * as net from 'node:net';
import { constants } from 'node:os';
import { unsupported } from '../kernel/unsupported.ts';
import type { Endpoint } from '../world/network.ts';
import type { HeldListeners } from '../world/workers.ts';
import type { Addon } from './addon.ts';
import { loadAddon } from './addon.ts';
import { familyOf, hostOf, portOf } from './endpoint.ts';
import type { SocketFile } from './socket-file.ts';
import { closeKeepingSuccessor, removeSocketFile, socketFileAt } from './socket-file.ts';
import { systemError } from './system-error.ts';
import { absolutePath, checkAbstract, checkPath } from './unix-path.ts';

/** The kernel cuts the backlog to somaxconn. */
const LONGEST_BACKLOG = 0x7fffffff;
/** A flag of the addon's listen. */
const REUSE_PORT = 1;

/**
 * Listens at `at`: with the addon on `most` sockets that share a port (one for a Unix socket), each
 * with a queue of its own; otherwise on one. Errors: EADDRINUSE, EACCES, …; ERR_UNSUPPORTED.
 */
export function holdListeners(at: Endpoint, most: number): HeldListeners {
  checkPath(at, 'listen');
  const { addon } = loadAddon();
  if (addon === undefined) return heldByNode(at);
  return 'path' in at ? heldAtPath(addon, at) : heldAtPort(addon, at, most);
}

/**
 * Sockets that share a port do not mind others of the same user's that share it as well: a second
 * program at the same address would take a part of the connections in silence. So the address is
 * taken alone first, which fails where anybody has it.
 */
function heldAtPort(addon: Addon, at: Endpoint, most: number): HeldListeners {
  const alone = openHeld(addon, at, 0);
  const local = boundOf(addon, alone, at);
  if (most === 1) return heldBy([alone], local);
  closeSync(alone);
  const descriptors: number[] = [];
  try {
    while (descriptors.length < most) descriptors.push(openHeld(addon, local, REUSE_PORT));
  } catch (error) {
    for (const fd of descriptors) closeSync(fd);
    throw error;
  }
  return heldBy(descriptors, local);
}

function heldAtPath(addon: Addon, at: Endpoint & { readonly path: string }): HeldListeners {
  return heldBy([openHeld(addon, at, 0)], at, socketFileAt(at.path));
}

function openHeld(addon: Addon, at: Endpoint, flags: number): number {
  const fd = addon.hold(familyOf(at), hostOf(at), portOf(at), LONGEST_BACKLOG, flags);
  if (fd < 0) throw systemError(fd, 'listen', at);
  return fd;
}

function boundOf(addon: Addon, fd: number, at: Endpoint): Endpoint {
  const bound = addon.bound(fd);
  return typeof bound === 'number' ? at : bound;
}

function heldBy(
  descriptors: readonly number[],
  local: Endpoint,
  file?: SocketFile | undefined,
): HeldListeners {
  let open = true;
  const close = (): void => {
    if (!open) return;
    open = false;
    removeSocketFile(file);
    for (const fd of descriptors) closeSync(fd);
  };
  return { local, descriptors, close };
}

// ---- without the addon ----

/** What node:net makes for node:cluster. Not documented, and there since Node 0.8. */
interface BoundHandle {
  readonly fd?: number;
  getsockname?(out: { port?: number }): number;
  close(): void;
}

type MakeHandle = (host: string, port: number, family: number) => BoundHandle | number;

/** As holdListeners, without the addon: one for all. */
export function heldByNode(at: Endpoint): HeldListeners {
  checkAbstract(at);
  const { _createServerHandle: make } = net as { _createServerHandle?: MakeHandle };
  const handle = make === undefined ? undefined : boundHandle(make, at);
  if (handle?.fd === undefined || handle.fd < 0) {
    handle?.close();
    throw unsupported(
      'This system, or this runtime, without the addon,',
      'hand a listener down to a process',
      'Run one process without workers.',
    );
  }
  const file = 'path' in at ? socketFileAt(at.path) : undefined;
  const close = (): void => closeKeepingSuccessor(file, () => handle.close());
  try {
    const local = localOf(handle, at);
    listenBehind(handle.fd, at);
    return { local, descriptors: [handle.fd], close };
  } catch (error) {
    close();
    throw error;
  }
}

function boundHandle(make: MakeHandle, at: Endpoint): BoundHandle {
  const handle = 'path' in at ? make(absolutePath(at), -1, -1) : make(at.host, at.port, at.family);
  if (typeof handle === 'number') throw systemError(handle, 'listen', at);
  return handle;
}

/** Two sockets may be bound to one address; which of them may listen comes out here. */
function listenBehind(fd: number, at: Endpoint): void {
  const script = `
    const server = require('node:net').createServer();
    server.on('error', ({ errno }) => process.exit(Math.min(-errno, 255)));
    server.listen({ fd: 3, backlog: ${LONGEST_BACKLOG} });
    if (server.listening) process.exit(0);`;
  const { status, error } = spawnSync(process.execPath, ['-e', script], {
    stdio: ['ignore', 'ignore', 'ignore', fd],
    timeout: 10_000,
  });
  if (error !== undefined) throw error;
  if (status === 0) return;
  throw systemError(-(status || constants.errno.EIO), 'listen', at);
}

/** libuv keeps an address that is in use to itself at bind(2), and tells it when it is asked. */
function localOf(handle: BoundHandle, at: Endpoint): Endpoint {
  if ('path' in at) return at;
  const name: { port?: number } = {};
  const error = handle.getsockname?.(name) ?? 0;
  if (error < 0) throw systemError(error, 'listen', at);
  return { ...at, port: name.port ?? at.port };
}
