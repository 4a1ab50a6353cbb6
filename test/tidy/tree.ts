/** The files of the project and the parsed form that the rules check. */
import { readdirSync, readFileSync } from 'node:fs';
import { extname, join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { FoundFunction } from './functions.ts';
import { findFunctions } from './functions.ts';
import type { Import } from './imports.ts';
import { findImports } from './imports.ts';
import type { Scan } from './scan.ts';
import { scan } from './scan.ts';

/** A text file with its path from the root, always with forward slashes. */
export interface TextFile {
  readonly path: string;
  readonly text: string;
}

export interface CodeFile extends TextFile {
  readonly scan: Scan;
  readonly functions: readonly FoundFunction[];
  readonly imports: readonly Import[];
}

export const root: string = fileURLToPath(new URL('../..', import.meta.url));

/** Generated files and folders. In a linked working tree, .git is a file. */
const ignored = new Set('node_modules dist build prebuilds coverage .git .bench'.split(' '));
const textExtensions = new Set('.ts .mjs .js .c .h .md .json .yml .yaml .sh .txt'.split(' '));
const codeExtensions = new Set(['.ts', '.mjs', '.c', '.h']);

/** Every text file of the project, including files without an extension (LICENSE, .ci/run). */
export function readTree(folder = ''): TextFile[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = posix.join(folder, entry.name);
    if (ignored.has(entry.name)) return [];
    if (entry.isDirectory()) return readTree(path);
    const isText = extname(path) === '' || textExtensions.has(extname(path));
    return isText && entry.isFile() ? [{ path, text: readFileSync(join(root, path), 'utf8') }] : [];
  });
}

export function isCode(file: TextFile): boolean {
  return codeExtensions.has(extname(file.path));
}

export function isTest(path: string): boolean {
  return path.endsWith('.test.ts');
}

export function parse(file: TextFile): CodeFile {
  const language = /\.[ch]$/.test(file.path) ? 'c' : 'script';
  try {
    const scanned = scan(file.text, language);
    const functions = findFunctions(scanned, language);
    return { ...file, scan: scanned, functions, imports: findImports(scanned) };
  } catch (error) {
    throw new SyntaxError(`${file.path}: ${(error as Error).message}`, { cause: error });
  }
}
