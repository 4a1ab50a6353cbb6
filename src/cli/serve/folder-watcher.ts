/** `--watch`: watches the folder of a program for changes. */
import type { FSWatcher } from 'node:fs';
import { readdirSync, watch } from 'node:fs';
import { basename, dirname, join, sep } from 'node:path';
import { callback } from '../../interop/callback.ts';
import type { Operation } from '../../kernel/operation.ts';

/**
 * Changes are reported after a pause of this length: an editor writes a file in several steps, and
 * a build writes many files.
 */
const QUIET_MS = 100;
/** The most folders that are watched: a program may be in a folder with a whole disk below it. */
const MAX_FOLDERS = 500;
/** Folders without sources of the program. */
const SKIPPED = /^(?:node_modules|\..*)$/;
/** Files that can be a part of a program. */
const SOURCE = /\.(?:[cm]?[jt]s|json|node|wasm)$/;

/**
 * Calls `changed` when a source file in `folder` or below has changed, after QUIET_MS without a
 * further change. The returned function ends that.
 */
function watchFolder(folder: string, changed: () => void): () => void {
  const watched = new Map<string, FSWatcher>();
  let timer: NodeJS.Timeout | undefined;
  const notify = (): void => {
    clearTimeout(timer);
    timer = setTimeout(changed, QUIET_MS);
  };
  const onEvent = (at: string, event: string, name: string | null): void => {
    // The name may be that of a new folder.
    const isFolder = name !== null && isVisible(name) && isRenewed(event, join(at, name));
    if (name === null || isFolder || SOURCE.test(name)) notify();
  };
  /**
   * The watcher of a removed folder reports no further events, also if a new folder has its name.
   */
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
  /** Returns true if `at` is a folder that was not watched before. */
  const follow = (at: string): boolean => {
    if (watched.has(at) || watched.size >= MAX_FOLDERS) return false;
    try {
      const below = foldersIn(at);
      const watcher = watch(at, (event, name) => onEvent(at, event, name));
      watcher.on('error', () => drop(at));
      watched.set(at, watcher);
      for (const each of below) follow(each);
      return true;
    } catch {
      // It is not a folder, or it was removed meanwhile.
      return false;
    }
  };
  follow(folder);
  const above = watchParent(folder, (event) => {
    if (isRenewed(event, folder)) notify();
  });
  return () => {
    clearTimeout(timer);
    above?.close();
    for (const at of [...watched.keys()]) drop(at);
  };
}

/** Watches the folder itself, which a build or a deployment may replace. */
function watchParent(folder: string, onEvent: (event: string) => void): FSWatcher | undefined {
  try {
    const watcher = watch(dirname(folder), (event, name) => {
      if (name === basename(folder)) onEvent(event);
    });
    return watcher.on('error', () => watcher.close());
  } catch {
    // The parent folder is not readable.
    return undefined;
  }
}

/** False for names that cannot be a folder with sources. */
function isVisible(name: string): boolean {
  return !SKIPPED.test(name) && !SOURCE.test(name);
}

function foldersIn(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !SKIPPED.test(entry.name))
    .map((entry) => join(folder, entry.name));
}

/** The changes in a folder since a program was started. */
export class FolderChanges {
  /** The number of changes. */
  count = 0;
  /** Called for each change. */
  onChange: () => void = () => {};
  readonly #unwatch: () => void;

  constructor(folder: string) {
    this.#unwatch = watchFolder(folder, () => {
      this.count++;
      this.onChange();
    });
  }

  /** Waits until there are more than `count` changes. */
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
