/**
 * Listening sockets that the process has inherited as descriptors. node:net does not check a
 * descriptor: it would listen on a socket that is not a listener, and close one that it cannot use.
 * So the descriptor is checked in /proc first. On other systems only node:net can decide.
 */
import { fstatSync, readFileSync, readlinkSync } from 'node:fs';
import { constants } from 'node:os';
import { unsupported } from '../../kernel/errors.ts';
import type { SystemError } from '../../support/system-error.ts';
import type { Endpoint } from '../../world/network.ts';
import { systemError } from '../system-error.ts';

/** TCP_LISTEN in /proc/net/tcp (proc_net_tcp). */
const LISTEN_STATE = '0A';
/** __SO_ACCEPTCON, the flag of a listener in /proc/net/unix. */
const ACCEPTS = 0x10000;

/** The error for a descriptor that cannot become a listener. */
export function adoptError(errno: number, fd: number): SystemError {
  const why = REASONS.find(([code]) => code === -errno)?.[1] ?? 'it cannot be used';
  return systemError(errno, 'listen', { text: `the descriptor ${fd}: ${why}` });
}

const REASONS: readonly (readonly [number, string])[] = [
  [constants.errno.EBADF, 'it is not open'],
  [constants.errno.ENOTSOCK, 'it is not a socket'],
  [constants.errno.EINVAL, 'it is not a listening TCP or Unix socket'],
  [constants.errno.EBUSY, 'a listener of this process already uses it'],
];

/** Throws ERR_UNSUPPORTED if node:net does not accept descriptors here. */
export function checkAdoptable(): void {
  if (canAdopt()) return;
  const runtime = runtimeName();
  const action = 'adopt a listener that was inherited as a descriptor';
  throw unsupported(`The portable network on ${runtime}`, action, 'Listen at an address there.');
}

/** Whether node:net accepts descriptors here. */
export function canAdopt(): boolean {
  const runtime = runtimeName();
  return runtime === process.platform && runtime !== 'win32';
}

function runtimeName(): string {
  const { bun, deno } = process.versions as Record<string, string | undefined>;
  if (bun !== undefined) return 'Bun';
  return deno !== undefined ? 'Deno' : process.platform;
}

/**
 * The address of a listening descriptor; `undefined` if the system does not show it. Throws EBADF,
 * ENOTSOCK, EINVAL (see adoptError).
 */
export function inspectListener(fd: number): Endpoint | undefined {
  const { EBADF, ENOTSOCK, EINVAL } = constants.errno;
  if (!isSocket(fd, -EBADF)) throw adoptError(-ENOTSOCK, fd);
  const inode = inodeOf(fd);
  if (inode === undefined) return undefined;
  const path = unixPath(inode);
  if (path !== undefined) return { path };
  // These tables are long on a machine with many connections, so the second is read only if
  // necessary.
  for (const table of ['tcp', 'tcp6']) {
    if (tcpListens(table, inode) !== false) return undefined;
  }
  throw adoptError(-EINVAL, fd);
}

function isSocket(fd: number, closed: number): boolean {
  try {
    return fstatSync(fd).isSocket();
  } catch {
    throw adoptError(closed, fd);
  }
}

function inodeOf(fd: number): string | undefined {
  try {
    return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/self/fd/${fd}`))?.[1];
  } catch {
    return undefined;
  }
}

/**
 * The path of the Unix listener; '' if it is unnamed; `undefined` if this is not a Unix listener.
 */
function unixPath(inode: string): string | undefined {
  for (const line of linesOf('unix') ?? []) {
    // Num: RefCount Protocol Flags Type St Inode Path
    const fields = /^\S+ \S+ \S+ (\S+) 0001 \S+ +(\d+)(?: (.*))?$/.exec(line);
    if (fields?.[2] !== inode || (Number.parseInt(fields[1] as string, 16) & ACCEPTS) === 0)
      continue;
    return (fields[3] ?? '').replace(/^@/, '\0');
  }
  return undefined;
}

/** Whether the table has a listener with this inode; `undefined` if the table does not exist. */
function tcpListens(table: string, inode: string): boolean | undefined {
  return linesOf(table)?.some((line) => {
    const fields = line.trim().split(/\s+/);
    return fields[9] === inode && fields[3] === LISTEN_STATE;
  });
}

function linesOf(table: string): string[] | undefined {
  try {
    return readFileSync(`/proc/self/net/${table}`, 'utf8').split('\n');
  } catch {
    return undefined;
  }
}
