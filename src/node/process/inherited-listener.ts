/**
 * Listening sockets that the process has inherited as descriptors. node:net takes whatever it is
 * given: it would listen on a socket that does not, and close what it cannot use. So what /proc
 * knows of the descriptor is looked at first; elsewhere node:net's answer is the answer.
 */
import { fstatSync, readFileSync, readlinkSync } from 'node:fs';
import { constants } from 'node:os';
import { unsupported } from '../../kernel/errors.ts';
import type { SystemError } from '../../support/system-error.ts';
import type { Endpoint } from '../../world/network.ts';
import { systemError } from '../system-error.ts';

/** TCP_LISTEN of the kernel, as /proc/net/tcp writes states (proc_net_tcp). */
const LISTEN_STATE = '0A';
/** __SO_ACCEPTCON, the flag of a listener in /proc/net/unix. */
const ACCEPTS = 0x10000;

/** The error for a descriptor that no listener can be made of. */
export function adoptError(errno: number, fd: number): SystemError {
  const why = REASONS.find(([code]) => code === -errno)?.[1] ?? 'it cannot be used';
  return systemError(errno, 'listen', { text: `the descriptor ${fd}: ${why}` });
}

const REASONS: readonly (readonly [number, string])[] = [
  [constants.errno.EBADF, 'it is not open'],
  [constants.errno.ENOTSOCK, 'it is no socket'],
  [constants.errno.EINVAL, 'it is no TCP or Unix socket that listens'],
  [constants.errno.EBUSY, 'a listener of this process has it already'],
];

/** Throws ERR_UNSUPPORTED where node:net takes no descriptors. */
export function checkAdoptable(): void {
  if (canAdopt()) return;
  const runtime = runtimeName();
  const what = 'take over a listener that was inherited as a descriptor';
  throw unsupported(`The portable network on ${runtime}`, what, 'Listen at an address there.');
}

/** Whether node:net takes descriptors here. */
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
 * Where the descriptor listens, as far as the system tells: `undefined` where node:net has to say.
 * Throws what adoptError makes: EBADF, ENOTSOCK, EINVAL.
 */
export function inspectListener(fd: number): Endpoint | undefined {
  const { EBADF, ENOTSOCK, EINVAL } = constants.errno;
  if (!isSocket(fd, -EBADF)) throw adoptError(-ENOTSOCK, fd);
  const inode = inodeOf(fd);
  if (inode === undefined) return undefined;
  const path = unixPath(inode);
  if (path !== undefined) return { path };
  // On a machine with many connections the tables are long: the second is read if it has to be.
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

/** The path of the Unix listener; '' if it has no name that can be shown; `undefined`: none. */
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

/** Whether a listener of this table has the inode; `undefined`: there is no table. */
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
