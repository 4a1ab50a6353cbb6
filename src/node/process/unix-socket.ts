/** Unix sockets: the files of listeners, and the limits of paths. */
import type { BigIntStats } from 'node:fs';
import { linkSync, lstatSync, renameSync, unlinkSync } from 'node:fs';
import { constants } from 'node:os';
import { resolve } from 'node:path';
import { unsupported } from '../../kernel/errors.ts';
import { SystemError } from '../../support/system-error.ts';
import type { Endpoint } from '../../world/network.ts';
import { wallClock } from '../timers.ts';

/**
 * The identity of a socket's file. The number of an inode is reused, often at once, so the time of
 * birth distinguishes a file from its successor (0 if the file system does not record it).
 */
export interface SocketFile {
  readonly path: string;
  readonly device: bigint;
  readonly inode: bigint;
  readonly bornNs: bigint;
}

/** A claim lasts for a few system calls. An older one was left by a killed process. */
const MAX_CLAIM_MS = 5000;

/** The socket file at `path`; `undefined` for other files, abstract names and Windows pipes. */
export function socketFileAt(path: string): SocketFile | undefined {
  if (path.startsWith('\0')) return undefined;
  const absolute = resolve(path);
  const stat = lstatSync(absolute, { bigint: true, throwIfNoEntry: false });
  if (!stat?.isSocket()) return undefined;
  return identityOf(absolute, stat);
}

/**
 * Removes `file`, unless it no longer exists or another file has replaced it (nodejs/node#19729).
 */
export function removeSocketFile(file: SocketFile | undefined): void {
  if (file === undefined) return;
  try {
    const now = socketFileAt(file.path);
    if (now !== undefined && isSame(file, now)) unlinkSync(file.path);
  } catch {
    // The directory is not accessible or not writable, or the file belongs to another user. The
    // address stays in use, and listen reports that.
  }
}

/**
 * Removes the file of a server that has exited, so that its path can be bound.
 *
 * Several servers may do this at the same time, and between the check and the removal the file at
 * the path may become that of another server. So the file is claimed first: it gets a second name,
 * made of its identity, which only one process can create. While the claim exists, no other process
 * removes the path, and the inode is not reused. A process without a claim does not touch the path;
 * its bind succeeds or reports EADDRINUSE.
 */
export function removeStaleFile(file: SocketFile): void {
  const claim = `${file.path}.${file.inode}.stale`;
  if (!takeClaim(file, claim)) return;
  try {
    const claimed = socketFileAt(claim);
    if (claimed !== undefined && isSame(file, claimed)) unlinkSync(file.path);
  } finally {
    unlinkSync(claim);
  }
}

/** link(2) is the claim: it fails if the name exists. */
function takeClaim(file: SocketFile, claim: string): boolean {
  removeStaleClaim(claim);
  try {
    linkSync(file.path, claim);
    return true;
  } catch (error) {
    // The file of another user can be removed, but not linked (fs.protected_hardlinks, proc(5)).
    // Then check and removal are two steps, as close together as possible.
    if ((error as NodeJS.ErrnoException).code === 'EPERM') removeSocketFile(file);
    return false;
  }
}

/** Creating the name has changed the ctime of the inode, which is the age of the claim. */
function removeStaleClaim(claim: string): void {
  const stat = lstatSync(claim, { throwIfNoEntry: false });
  if (stat !== undefined && wallClock() - stat.ctimeMs > MAX_CLAIM_MS) unlinkSync(claim);
}

/**
 * Runs `close`, in which libuv unlinks the path of `ours`, whatever is there. During a restart that
 * is the file of the successor, which would then listen at no path. So a file of any kind that is
 * not ours has another name meanwhile. For two system calls its path is missing; this cannot be
 * shortened without closing the descriptor here. A file that cannot be renamed cannot be unlinked
 * either.
 */
export function closeKeepingSuccessor(ours: SocketFile | undefined, close: () => void): void {
  const aside = ours && moveAside(ours);
  close();
  if (ours !== undefined && aside !== undefined) moveBack(aside, ours.path);
}

/** Renames the file at the path of `ours`, unless it is ours, and returns the new name. */
function moveAside(ours: SocketFile): string | undefined {
  try {
    const now = lstatSync(ours.path, { bigint: true });
    if (isSame(ours, identityOf(ours.path, now))) return undefined;
    const aside = `${ours.path}.${process.pid}.${now.ino}`;
    renameSync(ours.path, aside);
    return aside;
  } catch {
    return undefined;
  }
}

/** Leaves the path alone if another server has bound it meanwhile. */
function moveBack(aside: string, path: string): void {
  try {
    if (lstatSync(path, { throwIfNoEntry: false }) === undefined) renameSync(aside, path);
  } catch {
    // The directory has changed meanwhile. A close does not throw.
  }
}

function identityOf(path: string, { dev, ino, birthtimeNs }: BigIntStats): SocketFile {
  return { path, device: dev, inode: ino, bornNs: birthtimeNs };
}

function isSame(a: SocketFile, b: SocketFile): boolean {
  return a.inode === b.inode && a.device === b.device && a.bornNs === b.bornNs;
}

/**
 * Abstract names exist only on Linux (unix(7)). libuv supports them since 1.46, but before 1.48 it
 * binds them padded with NUL bytes, where other programs do not find them (libuv pull request
 * 4266). They are not used on Bun and Deno, whose behaviour has changed more than once.
 */
export const ABSTRACT_NAMES: boolean = process.platform === 'linux' && libuvSince(48);

/**
 * The size of sun_path in bytes: 108 on Linux (unix(7)), 104 on the BSDs and macOS (unix(4)). It
 * includes the NUL byte that ends a path or begins an abstract name.
 */
const PATH_SIZE = process.platform === 'linux' ? 108 : 104;

/**
 * Throws ENAMETOOLONG for a path that is too long. The system would report EINVAL, and libuv would
 * truncate the path. Windows pipes have other limits.
 */
export function checkPath(at: Endpoint, syscall: 'listen' | 'connect'): void {
  if (!('path' in at) || process.platform === 'win32') return;
  const isAbstract = at.path.startsWith('\0');
  const size = Buffer.byteLength(at.path) + (isAbstract ? 0 : 1);
  if (size <= PATH_SIZE) return;
  const path = at.path.replace(/^\0/, '@');
  const text = `${path}: a path of a Unix socket has up to ${PATH_SIZE - 1} bytes here`;
  const { ENAMETOOLONG } = constants.errno;
  throw new SystemError('ENAMETOOLONG', -ENAMETOOLONG, syscall, { path: at.path, text });
}

/**
 * The absolute path, unless it is too long. libuv unlinks the path of a listener when it is closed;
 * a relative path would name another file after a change of the working directory.
 */
export function absolutePath({ path }: { readonly path: string }): string {
  if (path.startsWith('\0')) return path;
  const absolute = resolve(path);
  return Buffer.byteLength(absolute) < PATH_SIZE ? absolute : path;
}

/** Throws ERR_UNSUPPORTED for an abstract name that node:net cannot use. */
export function checkAbstract(at: Endpoint): void {
  if (ABSTRACT_NAMES || !('path' in at) || !at.path.startsWith('\0')) return;
  const network = `The portable network on ${process.platform} with libuv ${process.versions.uv}`;
  const instead = 'Use a file path, or on Linux the epoll backend or Node 22 (libuv 1.48).';
  throw unsupported(network, `use the abstract name ${at.path.replace('\0', '@')}`, instead);
}

function libuvSince(minor: number): boolean {
  const { uv, bun, deno } = process.versions as Record<string, string | undefined>;
  return bun === undefined && deno === undefined && Number(uv?.split('.')[1]) >= minor;
}
