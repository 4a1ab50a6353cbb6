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
import { unsupported } from '../../kernel/errors.ts';
import type { Endpoint } from '../../world/network.ts';
import type { SharedListeners } from '../../world/worker-messages.ts';
import type { Addon } from '../addon.ts';
import { loadAddon } from '../addon.ts';
import { addressArguments } from '../endpoint.ts';
import { systemError } from '../system-error.ts';
import { canAdopt, inspectListener } from './inherited-listener.ts';
import type { SocketFile } from './unix-socket.ts';
import {
  absolutePath,
  checkAbstract,
  checkPath,
  closeKeepingSuccessor,
  removeSocketFile,
  socketFileAt,
} from './unix-socket.ts';

/** The kernel cuts the backlog to somaxconn. */
const MAX_BACKLOG = 0x7fffffff;

/**
 * Listens at `at`: with the addon on `most` sockets that share a port (one for a Unix socket), each
 * with a queue of its own; otherwise on one. Errors: EADDRINUSE, EACCES, …; ERR_UNSUPPORTED.
 */
export function shareListeners(at: Endpoint, most: number): SharedListeners {
  checkPath(at, 'listen');
  const { addon } = loadAddon();
  if (addon === undefined) return shareByNode(at);
  return 'path' in at ? shareAtPath(addon, at) : shareAtPort(addon, at, most);
}

/**
 * Sockets that share a port do not mind others of the same user's that share it as well: a second
 * program at the same address would take a part of the connections in silence. So the address is
 * taken alone first, which fails where anybody has it.
 */
function shareAtPort(addon: Addon, at: Endpoint, most: number): SharedListeners {
  const alone = openShared(addon, at, 0);
  const local = boundEndpoint(addon, alone, at);
  if (most === 1) return sharedListeners([alone], local);
  closeSync(alone);
  const descriptors: number[] = [];
  try {
    while (descriptors.length < most)
      descriptors.push(openShared(addon, local, addon.constants.REUSE_PORT));
  } catch (error) {
    for (const fd of descriptors) closeSync(fd);
    throw error;
  }
  return sharedListeners(descriptors, local);
}

function shareAtPath(addon: Addon, at: Endpoint & { readonly path: string }): SharedListeners {
  return sharedListeners([openShared(addon, at, 0)], at, socketFileAt(at.path));
}

function openShared(addon: Addon, at: Endpoint, flags: number): number {
  const fd = addon.listenShared(...addressArguments(at), MAX_BACKLOG, flags);
  if (fd < 0) throw systemError(fd, 'listen', at);
  return fd;
}

function boundEndpoint(addon: Addon, fd: number, at: Endpoint): Endpoint {
  const bound = addon.bound(fd);
  return typeof bound === 'number' ? at : bound;
}

function sharedListeners(
  descriptors: readonly number[],
  local: Endpoint,
  file?: SocketFile | undefined,
): SharedListeners {
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

/** As shareListeners, without the addon: one for all. */
export function shareByNode(at: Endpoint): SharedListeners {
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
    const local = localEndpoint(handle, at);
    listenInChild(handle.fd, at);
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
function listenInChild(fd: number, at: Endpoint): void {
  const script = `
    const server = require('node:net').createServer();
    server.on('error', ({ errno }) => process.exit(Math.min(-errno, 255)));
    server.listen({ fd: 3, backlog: ${MAX_BACKLOG} });
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
function localEndpoint(handle: BoundHandle, at: Endpoint): Endpoint {
  if ('path' in at) return at;
  const name: { port?: number } = {};
  const error = handle.getsockname?.(name) ?? 0;
  if (error < 0) throw systemError(error, 'listen', at);
  return { ...at, port: name.port ?? at.port };
}

/**
 * A listener that this process has inherited itself and hands down: where it is bound is asked
 * without touching it. The addon does so in this process. Node has no way to: what takes a
 * descriptor owns it from then on, and closes it. So without the addon a process is run that
 * inherits it in its turn, looks, and is gone.
 */

/** For people: neither a name nor a path. */
const UNKNOWN_ENDPOINT: Endpoint = { path: '' };

/** See `Platform.shareInherited`. Errors: EBADF, ENOTSOCK, EINVAL; ERR_UNSUPPORTED. */
export function shareInherited(fd: number): SharedListeners {
  if (!canAdopt()) {
    throw unsupported(
      'This system, or this runtime,',
      'hand a listener down to a process',
      'Run one process without workers.',
    );
  }
  const path = inspectListener(fd);
  return { local: path ?? boundByAddon(fd) ?? boundByNode(fd), descriptors: [fd], close: () => {} };
}

function boundByAddon(fd: number): Endpoint | undefined {
  const bound = loadAddon().addon?.bound(fd);
  return typeof bound === 'object' ? bound : undefined;
}

/** What getsockname of node:net's handles gives. */
interface SocketName {
  readonly address: string;
  readonly port: number;
  readonly family: string;
}

/**
 * The function by which node:cluster opens sockets takes a descriptor as well (not documented, and
 * there since Node 0.8). Its handles for Unix sockets do not tell their path.
 */
const GETSOCKNAME_SCRIPT = `
  const handle = require('node:net')._createServerHandle(null, null, null, 3);
  const name = {};
  if (handle.getsockname?.(name) === 0) process.stdout.write(JSON.stringify(name));`;

/** As shareInherited finds it out without the addon. */
export function boundByNode(fd: number): Endpoint {
  const { stdout } = spawnSync(process.execPath, ['-e', GETSOCKNAME_SCRIPT], {
    stdio: ['ignore', 'pipe', 'ignore', fd],
    encoding: 'utf8',
    timeout: 10_000,
  });
  if (!stdout) return UNKNOWN_ENDPOINT;
  const { address, port, family } = JSON.parse(stdout) as SocketName;
  return { host: address, port, family: family === 'IPv6' ? 6 : 4 };
}
