/**
 * The names of Unix sockets on one host. Socket files survive a crash of the host, as on a disk;
 * abstract names do not (unix(7)).
 */
import { systemError } from './errors.ts';
import type { SimListener } from './listener.ts';

/** The size of sun_path on Linux (unix(7)), with the NUL byte of a path or an abstract name. */
const MAX_PATH_SIZE = 108;

export class SocketFiles {
  readonly #files = new Map<string, SimListener>();

  /** The listener that has bound `path`. It may be closed. */
  at(path: string): SimListener | undefined {
    return this.#files.get(nameOf(path));
  }

  add(path: string, listener: SimListener): void {
    this.#files.set(nameOf(path), listener);
  }

  /** Removes the file if `listener` has created it and no other has replaced it. */
  remove(path: string, listener: SimListener): void {
    if (this.at(path) === listener) this.#files.delete(nameOf(path));
  }

  /** Removes the abstract names when the host crashes. */
  crash(): void {
    for (const name of [...this.#files.keys()]) {
      if (name.startsWith('\0')) this.#files.delete(name);
    }
  }
}

/** All programs of the host have the same working directory. */
function nameOf(path: string): string {
  return path.startsWith('./') ? path.slice(2) : path;
}

/** Throws ENAMETOOLONG for a path that is too long for a Unix socket. */
export function checkPath(path: string, syscall: 'listen' | 'connect'): void {
  const size = Buffer.byteLength(path) + (path.startsWith('\0') ? 0 : 1);
  if (size <= MAX_PATH_SIZE) return;
  const shown = path.replace(/^\0/, '@');
  const text = `${shown}: the path of a Unix socket has at most ${MAX_PATH_SIZE - 1} bytes here`;
  throw systemError('ENAMETOOLONG', syscall, { path, text });
}
