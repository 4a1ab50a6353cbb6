/** The files of Unix listeners: telling one from its successor under the same name. */
import { linkSync, lstatSync, renameSync, unlinkSync } from 'node:fs';
import { constants } from 'node:os';
import { resolve } from 'node:path';
import { unsupported } from '../../kernel/errors.ts';
import { SystemError } from '../../support/system-error.ts';
import type { Endpoint } from '../../world/network.ts';

/**
 * A socket's file, as it was when it was looked at. The number of an inode is used again, often at
 * once: the time of birth tells it from its successor. (0 where the file system keeps none.)
 */
export interface SocketFile {
  readonly path: string;
  readonly device: bigint;
  readonly inode: bigint;
  readonly bornNs: bigint;
}

/** A claim is held for a few system calls; an older one was left by a process that was killed. */
const MAX_CLAIM_MS = 5000;

/** The socket at `path`; `undefined` for other files, abstract names and Windows pipes. */
export function socketFileAt(path: string): SocketFile | undefined {
  if (path.startsWith('\0')) return undefined;
  const absolute = resolve(path);
  const stat = lstatSync(absolute, { bigint: true, throwIfNoEntry: false });
  if (!stat?.isSocket()) return undefined;
  return { path: absolute, device: stat.dev, inode: stat.ino, bornNs: stat.birthtimeNs };
}

/** Removes `file`, unless it has gone or another one has taken its place (nodejs/node#19729). */
export function removeSocketFile(file: SocketFile | undefined): void {
  const now = file && socketFileAt(file.path);
  if (file === undefined || now === undefined || !isSame(file, now)) return;
  try {
    unlinkSync(file.path);
  } catch {
    // The directory is gone or not ours to change: the address stays in use, and listening says so.
  }
}

/**
 * Removes the file of a server that is dead, so that its path can be bound. Several servers may be
 * at it at once, and what stands at the path a moment after it was looked at may be the file of the
 * one that was quicker. So it is claimed first: it gets a second name, made of its identity, which
 * only one process can make. While the claim is held no one else removes the path, and the claimed
 * inode is not given to another file. Whoever has no claim leaves the path alone; its bind says
 * EADDRINUSE, or succeeds.
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

/** link(2) is the claim: it fails where the name is there. */
function takeClaim(file: SocketFile, claim: string): boolean {
  removeStaleClaim(claim);
  try {
    linkSync(file.path, claim);
    return true;
  } catch (error) {
    // A file of another user's may be removed, but not linked (fs.protected_hardlinks, proc(5)):
    // then looking and removing are two steps, as close together as they can be.
    if ((error as NodeJS.ErrnoException).code === 'EPERM') removeSocketFile(file);
    return false;
  }
}

/** Making a name changes the inode's ctime: it says how old the claim is. */
function removeStaleClaim(claim: string): void {
  const stat = lstatSync(claim, { throwIfNoEntry: false });
  if (stat !== undefined && Date.now() - stat.ctimeMs > MAX_CLAIM_MS) unlinkSync(claim);
}

/**
 * Runs `close`, in which libuv unlinks the path of `ours`, whoever's file is there by then. In a
 * restart that is the successor's, and it would listen on where nobody can reach it. So a file that
 * is not ours gets a second name meanwhile. For two system calls the successor has no path; nothing
 * shorter can be had without closing the descriptor ourselves.
 */
export function closeKeepingSuccessor(ours: SocketFile | undefined, close: () => void): void {
  const now = ours && socketFileAt(ours.path);
  if (ours === undefined || now === undefined || isSame(ours, now)) return close();
  const aside = `${now.path}.${process.pid}.${now.inode}`;
  linkSync(now.path, aside);
  close();
  renameSync(aside, now.path);
}

function isSame(a: SocketFile, b: SocketFile): boolean {
  return a.inode === b.inode && a.device === b.device && a.bornNs === b.bornNs;
}

/** What can be the path of a Unix socket here. Both real networks look before they ask. */

/**
 * Names without a file are Linux's own (unix(7)). libuv has them since 1.46, but before 1.48 it
 * binds them filled up with NUL bytes, where no other program finds them (libuv pull request 4266).
 * Bun and Deno are left alone: what they do with such a path has changed more than once.
 */
export const ABSTRACT_NAMES: boolean = process.platform === 'linux' && libuvSince(48);

/**
 * The bytes of sun_path: 108 on Linux (unix(7)), 104 on the BSDs and macOS (unix(4)). The NUL byte
 * that ends a path is one of them, as is the one that begins an abstract name.
 */
const PATH_SIZE = process.platform === 'linux' ? 108 : 104;

/**
 * Throws ENAMETOOLONG for a path that is too long: the system would say EINVAL or, where libuv asks
 * it, have a path that was cut. Windows has pipes instead, with limits of their own.
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
 * The path from the root, if that is not too long. libuv unlinks the path of a listener when it is
 * closed: one from the current directory would be another file's once the process has moved on.
 */
export function absolutePath({ path }: { readonly path: string }): string {
  if (path.startsWith('\0')) return path;
  const absolute = resolve(path);
  return Buffer.byteLength(absolute) < PATH_SIZE ? absolute : path;
}

/** Throws ERR_UNSUPPORTED for an abstract name where node:net has none. */
export function checkAbstract(at: Endpoint): void {
  if (ABSTRACT_NAMES || !('path' in at) || !at.path.startsWith('\0')) return;
  const who = `The portable network on ${process.platform} with libuv ${process.versions.uv}`;
  const instead =
    'Use a path of a file, or on Linux the epoll network or a Node with libuv 1.48 (Node 22).';
  throw unsupported(who, `use the abstract name ${at.path.replace('\0', '@')}`, instead);
}

function libuvSince(minor: number): boolean {
  const { uv, bun, deno } = process.versions as Record<string, string | undefined>;
  return bun === undefined && deno === undefined && Number(uv?.split('.')[1]) >= minor;
}
