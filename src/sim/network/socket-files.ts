/**
 * The names of Unix sockets on one host. Files outlive the listener that has made them if its
 * host crashes, as on a disk; abstract names do not (unix(7)).
 */
import { systemError } from './errors.ts';
import type { SimListener } from './listener.ts';

/** sun_path of Linux (unix(7)), the NUL byte at its end or the front of a name included. */
const MAX_PATH_SIZE = 108;

export class SocketFiles {
  readonly #files = new Map<string, SimListener>();

  /** Who has bound `path`; it may be closed long since. */
  at(path: string): SimListener | undefined {
    return this.#files.get(nameOf(path));
  }

  add(path: string, listener: SimListener): void {
    this.#files.set(nameOf(path), listener);
  }

  /** Removes the file that `listener` has made, and none that has taken its place meanwhile. */
  remove(path: string, listener: SimListener): void {
    if (this.at(path) === listener) this.#files.delete(nameOf(path));
  }

  /** The host has crashed. */
  crash(): void {
    for (const name of [...this.#files.keys()]) {
      if (name.startsWith('\0')) this.#files.delete(name);
    }
  }
}

/** Every program of the host runs in the same folder. */
function nameOf(path: string): string {
  return path.startsWith('./') ? path.slice(2) : path;
}

/** Throws ENAMETOOLONG for a path that no system would take. */
export function checkPath(path: string, syscall: 'listen' | 'connect'): void {
  const size = Buffer.byteLength(path) + (path.startsWith('\0') ? 0 : 1);
  if (size <= MAX_PATH_SIZE) return;
  const shown = path.replace(/^\0/, '@');
  const text = `${shown}: a path of a Unix socket has up to ${MAX_PATH_SIZE - 1} bytes here`;
  throw systemError('ENAMETOOLONG', syscall, { path, text });
}
