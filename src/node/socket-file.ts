/** The files of Unix listeners: telling one from its successor under the same name. */
import { linkSync, lstatSync, renameSync, unlinkSync } from 'node:fs';
import { resolve } from 'node:path';

/** A socket's file, as it was when it was looked at. */
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
  return a.inode === b.inode && a.device === b.device;
}
