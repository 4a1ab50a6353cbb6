/**
 * `--watch`: watches the folder of a program for changes of its sources.
 *
 * A program may write into its own folder, and a file that it writes must not start it again. So an
 * event only causes a comparison: a change is a source file with another content than before, a new
 * one, or a removed one. Files of other kinds, JSON included, are data of the program.
 */
import { createHash } from 'node:crypto';
import type { FSWatcher } from 'node:fs';
import { readdirSync, readFileSync, statSync, watch } from 'node:fs';
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
/** The most source files that are compared. */
const MAX_FILES = 10_000;
/** Files with code. */
const SOURCE = /\.(?:[cm]?[jt]s|node|wasm)$/;

/** A source file when it was last read. */
interface SourceFile {
  /** Changes whenever the file is written. */
  readonly stamp: string;
  readonly hash: string;
}

type Sources = ReadonlyMap<string, SourceFile>;

/**
 * The changes of sources in a folder and below since a program was started. Files are compared
 * after QUIET_MS without an event.
 */
export class FolderChanges {
  /** The number of changes. */
  count = 0;
  /** Called for each change. */
  onChange: () => void = () => {};
  readonly #watched = new Map<string, FSWatcher>();
  readonly #above: FSWatcher | undefined;
  #timer: NodeJS.Timeout | undefined;
  #sources: Sources = new Map();

  constructor(folder: string) {
    this.#follow(folder);
    this.#sources = this.#readSources();
    this.#above = watchParent(folder, (event) => {
      if (this.#isRenewed(event, folder)) this.#compareLater();
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

  #compareLater(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#compare(), QUIET_MS);
  }

  #compare(): void {
    const before = this.#sources;
    this.#sources = this.#readSources();
    if (haveEqualContent(before, this.#sources)) return;
    this.count++;
    this.onChange();
  }

  #readSources(): Sources {
    const sources = new Map<string, SourceFile>();
    for (const folder of this.#watched.keys()) {
      for (const file of sourcesIn(folder)) {
        if (sources.size >= MAX_FILES) return sources;
        const source = readSource(file, this.#sources.get(file));
        if (source !== undefined) sources.set(file, source);
      }
    }
    return sources;
  }

  #onEvent(at: string, event: string, name: string | null): void {
    // The name may be that of a new folder.
    const isFolder = name !== null && isVisible(name) && this.#isRenewed(event, join(at, name));
    if (name === null || isFolder || SOURCE.test(name)) this.#compareLater();
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

function sourcesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => SOURCE.test(name))
      .map((name) => join(folder, name));
  } catch {
    // It was removed meanwhile.
    return [];
  }
}

/** Reads a file unless it was not written since `before`. `undefined`: it is not a file. */
function readSource(path: string, before: SourceFile | undefined): SourceFile | undefined {
  try {
    const { mtimeMs, ctimeMs, size, ino } = statSync(path);
    const stamp = [mtimeMs, ctimeMs, size, ino].join();
    if (before?.stamp === stamp) return before;
    return { stamp, hash: createHash('sha256').update(readFileSync(path)).digest('base64') };
  } catch {
    return undefined;
  }
}

function haveEqualContent(before: Sources, after: Sources): boolean {
  if (before.size !== after.size) return false;
  for (const [path, { hash }] of after) if (before.get(path)?.hash !== hash) return false;
  return true;
}
