/** The files of Unix listeners: telling one from its successor under the same name. */
import { linkSync, lstatSync, renameSync, unlinkSync } from 'node:fs';
import { resolve } from 'node:path';

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
const LONGEST_CLAIM_MS = 5000;

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
export function removeAbandoned(file: SocketFile): void {
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
  dropForgotten(claim);
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
function dropForgotten(claim: string): void {
  const stat = lstatSync(claim, { throwIfNoEntry: false });
  if (stat !== undefined && Date.now() - stat.ctimeMs > LONGEST_CLAIM_MS) unlinkSync(claim);
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
