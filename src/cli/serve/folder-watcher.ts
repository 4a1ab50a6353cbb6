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
 * The changes in a folder and below since a program was started. A change is counted after QUIET_MS
 * without a further one.
 */
export class FolderChanges {
  /** The number of changes. */
  count = 0;
  /** Called for each change. */
  onChange: () => void = () => {};
  readonly #watched = new Map<string, FSWatcher>();
  readonly #above: FSWatcher | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(folder: string) {
    this.#follow(folder);
    this.#above = watchParent(folder, (event) => {
      if (this.#isRenewed(event, folder)) this.#notify();
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
    clearTimeout(this.#timer);
    this.#above?.close();
    for (const at of [...this.#watched.keys()]) this.#drop(at);
  }

  #notify(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.count++;
      this.onChange();
    }, QUIET_MS);
  }

  #onEvent(at: string, event: string, name: string | null): void {
    // The name may be that of a new folder.
    const isFolder = name !== null && isVisible(name) && this.#isRenewed(event, join(at, name));
    if (name === null || isFolder || SOURCE.test(name)) this.#notify();
  }

  /** After a removal the watcher reports no further events, also if a new folder has its name. */
  #isRenewed(event: string, at: string): boolean {
    if (event === 'rename') this.#drop(at);
    return this.#follow(at);
  }

  #drop(top: string): void {
    for (const [at, watcher] of this.#watched) {
      if (at !== top && !at.startsWith(top + sep)) continue;
      watcher.close();
      this.#watched.delete(at);
    }
  }

  /** Returns true if `at` is a folder that was not watched before. */
  #follow(at: string): boolean {
    if (this.#watched.has(at) || this.#watched.size >= MAX_FOLDERS) return false;
    try {
      const below = foldersIn(at);
      const watcher = watch(at, (event, name) => this.#onEvent(at, event, name));
      watcher.on('error', () => this.#drop(at));
      this.#watched.set(at, watcher);
      for (const each of below) this.#follow(each);
      return true;
    } catch {
      // It is not a folder, or it was removed meanwhile.
      return false;
    }
  }
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
