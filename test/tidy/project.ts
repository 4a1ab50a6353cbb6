/** Rules about the project as a whole: what is reachable, and what no file may say. */
import { resolveImport } from './imports.ts';
import type { Finding } from './rules.ts';
import type { CodeFile, TextFile } from './tree.ts';
import { isTest } from './tree.ts';

/** Where programs enter: the exports of the package and the command. */
export const entryFiles: readonly string[] = [
  'src/index.ts',
  'src/health.ts',
  'src/lowlevel.ts',
  'src/sim.ts',
  'src/workers.ts',
  'src/cli/main.ts',
];

/** Every source file that no entry leads to, over any number of imports. */
export function findDeadFiles(files: readonly CodeFile[]): Finding[] {
  const sources = new Map(files.map((file) => [file.path, file]));
  const missing = entryFiles.filter((path) => !sources.has(path));
  const reached = reachable(sources, entryFiles);
  const dead = [...sources.keys()].filter((path) => isSource(path) && !reached.has(path));
  return [
    ...missing.map((path) => ({ path, line: 1, message: 'is missing: programs enter here' })),
    ...dead.map((path) => ({
      path,
      line: 1,
      message: `no import leads here from ${entryFiles.join(', ')}: use it or delete it`,
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

const privatePlaces = [
  {
    shape: /(?<![\w.~*-])\/(?:home|Users|root|work|workspace)\/[\w.-]+/,
    message: 'a path of one machine: write it relative to the project',
  },
  {
    shape: /\b[A-Za-z]:\\+Users\\/,
    message: 'a path of one machine: write it relative to the project',
  },
  {
    shape: /\/[^\s'"`()]*\/node_modules\/\.bin\b/,
    message: 'an absolute path to a tool: name the npm script that runs it',
  },
  {
    shape: /\bregistry\.(?:npmjs|yarnpkg|npmmirror)\b|:\/\/[^\s'"`()]*(?:registry|artifactory)/,
    message: 'the address of a package registry: npm is configured by whoever runs it',
  },
];

/** Places that exist on one machine or in one network only. */
export function findPrivatePlaces({ path, text }: TextFile): Finding[] {
  return text.split('\n').flatMap((content, index) => {
    return privatePlaces
      .filter(({ shape }) => shape.test(content))
      .map(({ message }) => ({ path, line: index + 1, message }));
  });
}
