/**
 * The files of Unix listeners on node:net: a dead predecessor's is removed, a successor's is kept.
 */
import { linkSync, lstatSync, renameSync, unlinkSync } from 'node:fs';
import { connect } from 'node:net';
import { resolve } from 'node:path';

/** Tells one socket file from its successor under the same name. */
export interface SocketFile {
  readonly path: string;
  readonly device: bigint;
  readonly inode: bigint;
}

/** The socket at `path`; `undefined` for other files, abstract names and Windows pipes. */
export function socketFileAt(path: string): SocketFile | undefined {
  if (path.startsWith('\0')) return undefined;
  const absolute = resolve(path);
  const stat = lstatSync(absolute, { bigint: true, throwIfNoEntry: false });
  if (!stat?.isSocket()) return undefined;
  return { path: absolute, device: stat.dev, inode: stat.ino };
}

/**
 * Removes the socket at `path` if nobody listens behind it, and says whether it did. Only a refusal
 * proves that: a live server that is too busy answers EAGAIN.
 */
export function removeStale(path: string, done: (removed: boolean) => void): void {
  const file = socketFileAt(path);
  if (file === undefined) return done(false);
  const probe = connect({ path });
  probe.unref();
  probe.on('connect', () => {
    probe.destroy();
    done(false);
  });
  probe.on('error', (error: NodeJS.ErrnoException) => {
    done(error.code === 'ECONNREFUSED' && removed(file));
  });
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

/** Removes `file` unless another one has taken its place; false if it is still in the way. */
function removed(file: SocketFile): boolean {
  const now = socketFileAt(file.path);
  if (now === undefined || !isSame(file, now)) return now === undefined;
  try {
    unlinkSync(file.path);
    return true;
  } catch {
    return false; // Not ours to remove: the address stays in use.
  }
}

function isSame(a: SocketFile, b: SocketFile): boolean {
  return a.inode === b.inode && a.device === b.device;
}
