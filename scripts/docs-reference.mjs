/**
 * `npm run docs:reference`: writes docs/reference.md, one line for each public name: the first
 * sentence of its doc comment.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { argv } from 'node:process';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const target = join(root, 'docs/reference.md');

/** The entry files in reading order, with the module that users import. */
export const ENTRIES = {
  'src/index.ts': 'coronet',
  'src/topics.ts': 'coronet/topics',
  'src/workers.ts': 'coronet/workers',
  'src/ws.ts': 'coronet/ws',
  'src/health.ts': 'coronet/health',
  'src/inspect.ts': 'coronet/inspect',
  'src/sim.ts': 'coronet/sim',
  'src/lowlevel.ts': 'coronet/lowlevel',
};

const HEAD = `# Public names

One line for each public name. The doc comments, which editors show, state the rest: shapes, units,
errors and the effect of a cancellation. \`npm run docs:reference\` generates this page from them.
`;

/** The text of docs/reference.md. */
export function referencePage() {
  return [HEAD, ...Object.keys(ENTRIES).map(entrySection)].join('\n');
}

function entrySection(path) {
  const text = readFileSync(join(root, path), 'utf8');
  const parts = text.split(/^\/\/ (.+)$/m);
  const tables = [tableOf(path, parts[0])];
  for (let at = 1; at < parts.length; at += 2) {
    tables.push(`### ${parts[at]}\n\n${tableOf(path, parts[at + 1])}`);
  }
  const head = `## ${ENTRIES[path]}\n\n${sentenceOf(text)}\n`;
  return [head, ...tables.filter((table) => table !== '')].join('\n');
}

function tableOf(path, text) {
  const rows = exportsOf(path, text).map(({ name, isType, file }) => {
    const label = isType ? `\`${name}\` (type)` : `\`${name}\``;
    return { name, line: `| ${label} | ${docOf(file, name)} |\n` };
  });
  if (rows.length === 0) return '';
  rows.sort((a, b) => (a.name.toLowerCase() < b.name.toLowerCase() ? -1 : 1));
  return `| name | |\n| --- | --- |\n${rows.map(({ line }) => line).join('')}`;
}

/** The names that a passage of an entry file exports, each with the file that declares it. */
function exportsOf(path, text) {
  const own = [...text.matchAll(/^export const (\w+)/gm)];
  const found = own.map(([, name]) => ({ name, isType: false, file: path }));
  for (const [, type, list, from] of text.matchAll(/^export (type )?\{([^}]*)\} from '(.+)';/gm)) {
    for (const item of list.split(',').map((name) => name.trim())) {
      if (item === '') continue;
      const name = item.replace(/^type /, '');
      const isType = type !== undefined || item !== name;
      found.push({ name, isType, file: join(dirname(path), from) });
    }
  }
  return found;
}

/** The first sentence of the doc comment of `name`, or ''. `file` declares or re-exports it. */
function docOf(file, name) {
  const text = readFileSync(join(root, file), 'utf8');
  const kinds = '(?:abstract |async )?(?:class|function\\*?|const|interface|type)';
  const declaration = new RegExp(
    `/\\*\\*((?:(?!\\*/)[\\s\\S])*)\\*/\\s*export ${kinds} ${name}\\b`,
  );
  const found = declaration.exec(text);
  if (found !== null) return sentenceOf(`/**${found[1]}*/`);
  const again = exportsOf(file, text).find((other) => other.name === name && other.file !== file);
  return again === undefined ? '' : docOf(again.file, name);
}

/** The first sentence of the first doc comment in `text`, on one line. */
function sentenceOf(text) {
  const [, body] = /\/\*\*([\s\S]*?)\*\//.exec(text);
  const prose = body.replace(/^\s*\* ?/gm, '').split(/\n\s*\n|\n@/)[0];
  const line = prose.replace(/\s+/g, ' ').trim().replaceAll('|', '\\|');
  return /^(?:[^.]|\.(?! [A-Z`(]|$))*\.?/.exec(line)[0];
}

if (import.meta.url === pathToFileURL(argv[1] ?? '').href) writeFileSync(target, referencePage());
