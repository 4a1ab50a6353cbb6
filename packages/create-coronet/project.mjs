/** Writes a project from a template. Existing files are never changed. */
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const folders = fileURLToPath(new URL('./templates/', import.meta.url));
const { version } = JSON.parse(readFileSync(new URL('./package.json', import.meta.url), 'utf8'));

/** The templates, each with its contents in one line. */
export const TEMPLATES = {
  server: 'a line server, tested in a simulated network and on real sockets',
  websocket: 'a WebSocket gateway: a room for TCP clients and browsers',
  simulation: 'a server and a client, tested with crashes and lost packets',
};

/** Packages that a template needs in addition to Coronet. */
const DEPENDENCIES = { websocket: { ws: '^8.18.0' } };
const DEV_DEPENDENCIES = { '@types/node': '^20.19.43', typescript: '^7.0.2' };

/** npm does not pack files named .gitignore. */
const RENAMED = { gitignore: '.gitignore' };

/** A sentence for the user. */
export class ProjectError extends Error {}

/** Wrong arguments: the usage is printed as well. */
export class UsageError extends ProjectError {}

/**
 * Writes the template into `folder`, an absolute path, and creates the folder if it is absent.
 * Returns the paths in it. Throws a ProjectError, before anything is written, for a name that npm
 * does not accept, an unknown template and files that exist.
 */
export function createProject(folder, template) {
  const name = basename(folder);
  const problem = problemOf(name);
  if (problem !== '') throw new UsageError(`The name '${name}' ${problem}`);
  if (!Object.hasOwn(TEMPLATES, template)) throw new UsageError(`No template '${template}'`);
  if (existsSync(folder) && !statSync(folder).isDirectory()) {
    throw new ProjectError(`${folder} exists, and is not a folder`);
  }
  const files = filesOf(name, template);
  const taken = [...files.keys()].flatMap((path) => takenPath(folder, path));
  if (taken.length > 0)
    throw new ProjectError(`${folder} contains ${[...new Set(taken)].join(', ')} already`);
  for (const [path, text] of files) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text, { flag: 'wx' });
  }
  return [...files.keys()];
}

/** Paths that prevent the creation of `path`: itself, or a file in the place of a folder. */
function takenPath(folder, path) {
  if (existsSync(join(folder, path))) return [path];
  const parents = [];
  for (let at = dirname(path); at !== '.'; at = dirname(at)) parents.push(at);
  return parents.filter((parent) => {
    const stats = statSync(join(folder, parent), { throwIfNoEntry: false });
    return stats !== undefined && !stats.isDirectory();
  });
}

/** The rest of a sentence that begins with the name, or '' if npm accepts the name. */
function problemOf(name) {
  if (name === '') return 'is empty';
  if (name.length > 214) return `has ${name.length} characters, at most 214 are permitted`;
  if (!/^[a-z0-9][a-z0-9._-]*$/.test(name)) {
    return 'is not a package name: use lower-case letters, digits, "-", "." and "_"';
  }
  const isReserved = builtinModules.includes(name) || /^(?:node_modules|favicon\.ico)$/.test(name);
  if (isReserved || name === 'coronet') return 'is reserved: choose another one';
  return '';
}

/** The paths of the new files with their contents. */
function filesOf(name, template) {
  const files = new Map([
    ['package.json', `${JSON.stringify(manifest(name, template), null, 2)}\n`],
  ]);
  for (const source of [join(folders, 'shared'), join(folders, template)]) {
    for (const entry of readdirSync(source, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const path = join(entry.parentPath, entry.name).slice(source.length + 1);
      const text = readFileSync(join(source, path), 'utf8');
      files.set((RENAMED[path] ?? path).replaceAll('\\', '/'), text.replaceAll('{{name}}', name));
    }
  }
  return files;
}

function manifest(name, template) {
  return {
    name,
    version: '0.0.0',
    private: true,
    type: 'module',
    engines: { node: '>=20.19' },
    scripts: {
      build: 'tsc',
      start: 'tsc && node dist/src/main.js',
      test: 'tsc && node --test dist/test/*.test.js',
    },
    dependencies: { coronet: `^${version}`, ...DEPENDENCIES[template] },
    devDependencies: DEV_DEPENDENCIES,
  };
}
