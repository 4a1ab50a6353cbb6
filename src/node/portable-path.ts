/**
 * The file of a Unix listener on node:net.
 *
 * libuv unlinks the path when the listener closes, whoever's file is there by then. In a restart that
 * is the successor's: it would listen on, and nobody could reach it. So a file that is not ours gets
 * a second name while libuv unlinks the first. For the time of two system calls the successor cannot
 * be reached; nothing shorter can be had without closing the descriptor ourselves.
 */
import { linkSync, lstatSync, renameSync } from 'node:fs';
import { resolve } from 'node:path';

/** Tells one file from its successor under the same name. */
export interface PathFile {
  readonly path: string;
  readonly device: bigint;
  readonly inode: bigint;
}

/** The file at `path`; `undefined` where there is none, as for abstract names and Windows pipes. */
export function fileAt(path: string): PathFile | undefined {
  if (path.startsWith('\0')) return undefined;
  const absolute = resolve(path);
  const stat = lstatSync(absolute, { bigint: true, throwIfNoEntry: false });
  return stat && { path: absolute, device: stat.dev, inode: stat.ino };
}

/** Runs `close`, which unlinks the path of `ours`, and leaves a successor's file in its place. */
export function closeKeepingSuccessor(ours: PathFile | undefined, close: () => void): void {
  const now = ours && fileAt(ours.path);
  const isOurs = now?.inode === ours?.inode && now?.device === ours?.device;
  if (now === undefined || isOurs) return close();
  const aside = `${now.path}.${process.pid}.${now.inode}`;
  linkSync(now.path, aside);
  close();
  renameSync(aside, now.path);
}
