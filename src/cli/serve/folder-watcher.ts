/** `--watch`: hears of changes in the folder of a program. */
import type { FSWatcher } from 'node:fs';
import { readdirSync, watch } from 'node:fs';
import { basename, dirname, join, sep } from 'node:path';
import { callback } from '../../interop/callback.ts';
import type { Operation } from '../../kernel/operation.ts';

/** An editor writes a file in several steps, and a build many files. */
const QUIET_MS = 100;
/** Folders that are watched at most: a program may lie in a folder that holds a whole disk. */
const MAX_FOLDERS = 500;
/** Where no program is written by hand. */
const SKIPPED = /^(?:node_modules|\..*)$/;
/** What can be a part of a program. */
const SOURCE = /\.(?:[cm]?[jt]s|json|node|wasm)$/;

/**
 * Calls `changed` whenever a source file in `folder` or below has changed and nothing has changed
 * for a moment, until the returned function is called.
 */
function watchFolder(folder: string, changed: () => void): () => void {
  const watched = new Map<string, FSWatcher>();
  let timer: NodeJS.Timeout | undefined;
  const tell = (): void => {
    clearTimeout(timer);
    timer = setTimeout(changed, QUIET_MS);
  };
  const heard = (at: string, event: string, name: string | null): void => {
    // It may be the name of a new folder.
    const isFolder = name !== null && isVisible(name) && isRenewed(event, join(at, name));
    if (name === null || isFolder || SOURCE.test(name)) tell();
  };
  /** A folder that is removed takes its watcher along, also where another one has its name now. */
  const isRenewed = (event: string, at: string): boolean => {
    if (event === 'rename') drop(at);
    return follow(at);
  };
  const drop = (top: string): void => {
    for (const [at, watcher] of watched) {
      if (at !== top && !at.startsWith(top + sep)) continue;
      watcher.close();
      watched.delete(at);
    }
  };
  /** True if that is a folder which was not watched before. */
  const follow = (at: string): boolean => {
    if (watched.has(at) || watched.size >= MAX_FOLDERS) return false;
    try {
      const below = foldersIn(at);
      const watcher = watch(at, (event, name) => heard(at, event, name));
      watcher.on('error', () => drop(at));
      watched.set(at, watcher);
      for (const each of below) follow(each);
      return true;
    } catch {
      // It is no folder, or has gone meanwhile.
      return false;
    }
  };
  follow(folder);
  const above = watchParent(folder, (event) => {
    if (isRenewed(event, folder)) tell();
  });
  return () => {
    clearTimeout(timer);
    above?.close();
    for (const at of [...watched.keys()]) drop(at);
  };
}

/** Hears of the folder itself, which a build or a deployment may make anew. */
function watchParent(folder: string, heard: (event: string) => void): FSWatcher | undefined {
  try {
    const watcher = watch(dirname(folder), (event, name) => {
      if (name === basename(folder)) heard(event);
    });
    return watcher.on('error', () => watcher.close());
  } catch {
    // The folder above is not ours to read.
    return undefined;
  }
}

/** False for what cannot be a folder with sources. */
function isVisible(name: string): boolean {
  return !SKIPPED.test(name) && !SOURCE.test(name);
}

function foldersIn(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !SKIPPED.test(entry.name))
    .map((entry) => join(folder, entry.name));
}

/** The changes in a folder since a program began to be served. */
export class FolderChanges {
  /** How many there were. */
  count = 0;
  /** Called for each one. */
  onChange: () => void = () => {};
  readonly #unwatch: () => void;

  constructor(folder: string) {
    this.#unwatch = watchFolder(folder, () => {
      this.count++;
      this.onChange();
    });
  }

  /** Waits until there were more than `count`. */
  after(count: number): Operation<void> {
    return callback<void>((resume) => {
      if (this.count > count) resume();
      this.onChange = resume;
    });
  }

  close(): void {
    this.#unwatch();
  }
}
