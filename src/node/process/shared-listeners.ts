/**
 * Listening sockets that this process keeps open without accepting on them. A supervisor opens them
 * for its workers, so that the queue of connections outlives the worker that serves it.
 *
 * The addon opens them. Without the addon they are created by the function of node:net that
 * node:cluster uses (undocumented, in Node since 0.8). Its handle is bound but does not listen. So
 * a child process inherits the descriptor, calls listen(2) and exits before it accepts a
 * connection. The socket continues to listen, because that state belongs to the socket and not to
 * the process.
 *
 * A process that has itself inherited a listener can pass it on. Its address is read without
 * changing the socket. Node cannot do that in this process, because a handle owns its descriptor
 * and closes it; so without the addon a child process inherits the descriptor and reports the
 * address.
 */

import { closeSync } from 'node:fs';
import * as net from 'node:net';
import { constants } from 'node:os';
import type { UsageError } from '../../kernel/errors.ts';
import { unsupported } from '../../kernel/errors.ts';
import type { Endpoint } from '../../world/network.ts';
import type { SharedListeners } from '../../world/platform.ts';
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

/** The kernel limits the backlog to somaxconn. */
const MAX_BACKLOG = 0x7fffffff;

/**
 * Listens at `at`. With the addon this opens `count` sockets that share a port (one for a Unix
 * socket), each with its own queue; otherwise one socket. Errors: EADDRINUSE, EACCES, …;
 * ERR_UNSUPPORTED.
 */
export function shareListeners(at: Endpoint, count: number): SharedListeners {
  checkPath(at, 'listen');
  const { addon } = loadAddon();
  if (addon === undefined) return shareByNode(at);
  return 'path' in at ? shareAtPath(addon, at) : shareAtPort(addon, at, count);
}

/**
 * With SO_REUSEPORT another program of the same user can listen at the same address and silently
 * take a part of the connections. So the address is first bound without it, which fails if the
 * address is in use.
 */
function shareAtPort(addon: Addon, at: Endpoint, count: number): SharedListeners {
  const alone = openShared(addon, at, 0);
  const bound = addon.bound(alone);
  const local = typeof bound === 'number' ? at : bound;
  if (count === 1) return sharedListeners([alone], local);
  closeSync(alone);
  const descriptors: number[] = [];
  try {
    while (descriptors.length < count)
      descriptors.push(openShared(addon, local, addon.constants.REUSE_PORT));
  } catch (error) {
    for (const fd of descriptors) closeSync(fd);
    throw error;
  }
  return { ...sharedListeners(descriptors, local), separateQueues: true };
}

function shareAtPath(addon: Addon, at: Endpoint & { readonly path: string }): SharedListeners {
  return sharedListeners([openShared(addon, at, 0)], at, socketFileAt(at.path));
}

function openShared(addon: Addon, at: Endpoint, flags: number): number {
  const fd = addon.listenShared(...addressArguments(at), MAX_BACKLOG, flags);
  if (fd < 0) throw systemError(fd, 'listen', at);
  return fd;
}

function sharedListeners(
  descriptors: readonly number[],
  local: Endpoint,
  file?: SocketFile,
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

/** The handle that node:net creates for node:cluster. */
interface BoundHandle {
  readonly fd?: number;
  getsockname?(out: { port?: number }): number;
  close(): void;
}

type MakeHandle = (host: string, port: number, family: number) => BoundHandle | number;

/** As shareListeners without the addon: one socket for all workers. */
export function shareByNode(at: Endpoint): SharedListeners {
  checkAbstract(at);
  const { _createServerHandle: make } = net as { _createServerHandle?: MakeHandle };
  const handle = make === undefined ? undefined : boundHandle(make, at);
  if (handle?.fd === undefined || handle.fd < 0) {
    handle?.close();
    throw cannotShare('This system or runtime, without the addon,');
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

/** Two sockets can be bound to one address, but only one can listen. */
function listenInChild(fd: number, at: Endpoint): void {
  const script = `
    const server = require('node:net').createServer();
    server.on('error', ({ errno }) => process.exit(Math.min(-errno, 255)));
    server.listen({ fd: 3, backlog: ${MAX_BACKLOG} });
    if (server.listening) process.exit(0);`;
  const { spawnSync } = process.getBuiltinModule('node:child_process');
  const { status, error } = spawnSync(process.execPath, ['-e', script], {
    stdio: ['ignore', 'ignore', 'ignore', fd],
    timeout: 10_000,
  });
  if (error !== undefined) throw error;
  if (status === 0) return;
  throw systemError(-(status || constants.errno.EIO), 'listen', at);
}

/** libuv stores the error EADDRINUSE of bind(2) and reports it in getsockname. */
function localEndpoint(handle: BoundHandle, at: Endpoint): Endpoint {
  if ('path' in at) return at;
  const name: { port?: number } = {};
  const error = handle.getsockname?.(name) ?? 0;
  if (error < 0) throw systemError(error, 'listen', at);
  return { ...at, port: name.port ?? at.port };
}

/** The address is not known. */
const UNKNOWN_ENDPOINT: Endpoint = { path: '' };

/** See `Platform.shareInherited`. Errors: EBADF, ENOTSOCK, EINVAL; ERR_UNSUPPORTED. */
export function shareInherited(fd: number): SharedListeners {
  if (!canAdopt()) throw cannotShare('This system or runtime');
  const path = inspectListener(fd);
  return { local: path ?? boundByAddon(fd) ?? boundByNode(fd), descriptors: [fd], close: () => {} };
}

/** See `Platform.duplicateDescriptor`. */
export function duplicateDescriptor(fd: number): number | undefined {
  const second = loadAddon().addon?.duplicate(fd) ?? -1;
  return second < 0 ? undefined : second;
}

function cannotShare(subject: string): UsageError {
  const action = 'pass a listener to a child process';
  return unsupported(subject, action, 'Run one process without workers.');
}

function boundByAddon(fd: number): Endpoint | undefined {
  const bound = loadAddon().addon?.bound(fd);
  return typeof bound === 'object' ? bound : undefined;
}

/**
 * The function also accepts a descriptor. Its handles for Unix sockets do not report their path.
 */
const GETSOCKNAME_SCRIPT = `
  const handle = require('node:net')._createServerHandle(null, null, null, 3);
  const name = {};
  if (handle.getsockname?.(name) === 0) process.stdout.write(JSON.stringify(name));`;

/** The address of an inherited listener, read without the addon. */
export function boundByNode(fd: number): Endpoint {
  const { spawnSync } = process.getBuiltinModule('node:child_process');
  const { stdout } = spawnSync(process.execPath, ['-e', GETSOCKNAME_SCRIPT], {
    stdio: ['ignore', 'pipe', 'ignore', fd],
    encoding: 'utf8',
    timeout: 10_000,
  });
  if (!stdout) return UNKNOWN_ENDPOINT;
  const { address, port, family } = JSON.parse(stdout) as net.AddressInfo;
  return { host: address, port, family: family === 'IPv6' ? 6 : 4 };
}
