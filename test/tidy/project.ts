/** Rules about the whole project: dead files, crowded folders and machine-specific paths. */
import { posix } from 'node:path';
import { resolveImport } from './imports.ts';
import type { Finding } from './rules.ts';
import type { CodeFile, TextFile } from './tree.ts';
import { isTest } from './tree.ts';

/** The entry points: the exports of the package and the command. */
export const entryFiles: readonly string[] = [
  'src/index.ts',
  'src/health.ts',
  'src/inspect.ts',
  'src/lowlevel.ts',
  'src/sim.ts',
  'src/topics.ts',
  'src/workers.ts',
  'src/ws.ts',
  'src/cli/main.ts',
];

/** Source files that no entry file imports, directly or indirectly. */
export function findDeadFiles(files: readonly CodeFile[]): Finding[] {
  const sources = new Map(files.map((file) => [file.path, file]));
  const missing = entryFiles.filter((path) => !sources.has(path));
  const reached = reachable(sources, entryFiles);
  const dead = [...sources.keys()].filter((path) => isSource(path) && !reached.has(path));
  return [
    ...missing.map((path) => ({
      path,
      line: 1,
      message: 'is missing, but is listed as an entry file',
    })),
    ...dead.map((path) => ({
      path,
      line: 1,
      message: 'no entry file imports this file: use it or delete it',
    })),
  ];
}

function isSource(path: string): boolean {
  return path.startsWith('src/') && !isTest(path);
}

function reachable(sources: ReadonlyMap<string, CodeFile>, from: readonly string[]): Set<string> {
  const reached = new Set<string>();
  const queue = [...from];
  for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
    if (reached.has(path)) continue;
    reached.add(path);
    for (const { specifier } of sources.get(path)?.imports ?? []) {
      if (specifier.startsWith('.')) queue.push(resolveImport(path, specifier));
    }
  }
  return reached;
}

/** The highest number of files in one folder: sources in src/, all modules in test/. */
const folderLimits = { src: 16, test: 18 };

/** Folders with more files than fit on one screen. */
export function findCrowdedFolders(files: readonly TextFile[]): Finding[] {
  const counts = new Map<string, number>();
  for (const { path } of files) {
    if (!/\.(?:ts|mjs)$/.test(path) || (path.startsWith('src/') && isTest(path))) continue;
    const folder = posix.dirname(path);
    counts.set(folder, (counts.get(folder) ?? 0) + 1);
  }
  return [...counts].flatMap(([path, count]) => {
    const limit = folderLimits[path.split('/')[0] as keyof typeof folderLimits] ?? Infinity;
    const message = `${count} files, at most ${limit}: move files of one subject to a subfolder`;
    return count > limit ? [{ path, line: 1, message }] : [];
  });
}

const machineSpecific = [
  {
    shape: /(?<![\w.~*-])\/(?:home|Users|root|work|workspace)\/[\w.-]+/,
    message: 'a path that exists on one machine: write it relative to the project',
  },
  {
    shape: /\b[A-Za-z]:\\+Users\\/,
    message: 'a path that exists on one machine: write it relative to the project',
  },
  {
    shape: /\/[^\s'"`()]*\/node_modules\/\.bin\b/,
    message: 'an absolute path of a tool: name the npm script that runs it',
  },
  {
    shape: /\bregistry\.(?:npmjs|yarnpkg|npmmirror)\b|:\/\/[^\s'"`()]*(?:registry|artifactory)/,
    message: 'the address of a package registry: it belongs in the configuration of npm',
  },
];

/** Paths and addresses that exist on one machine or in one network only. */
export function findMachineSpecificPaths({ path, text }: TextFile): Finding[] {
  return text.split('\n').flatMap((content, index) => {
    return machineSpecific
      .filter(({ shape }) => shape.test(content))
      .map(({ message }) => ({ path, line: index + 1, message }));
  });
}
