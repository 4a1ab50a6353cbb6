/** What can be the path of a Unix socket here. Both real networks look before they ask. */
import { constants } from 'node:os';
import { resolve } from 'node:path';
import { SystemError } from '../kernel/errors.ts';
import { unsupported } from '../kernel/unsupported.ts';
import type { Endpoint } from '../world/network.ts';

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
