/** The pages of the documentation: their links, and the languages of the lesson. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ROOT } from './examples-build.ts';

const FOLDERS = ['', 'docs', 'examples', 'bench', 'native'];

/** Paths of the pages, relative to the root. */
function pages(): string[] {
  return FOLDERS.flatMap((folder) => {
    const names = readdirSync(join(ROOT, folder), { recursive: folder !== '' });
    return names.map((name) => join(folder, `${name}`));
  }).filter((path) => path.endsWith('.md') && !path.includes('node_modules'));
}

function read(page: string): string {
  return readFileSync(join(ROOT, page), 'utf8');
}

function withoutCode(text: string): string {
  return text.replace(/^```[\s\S]*?^```$/gm, '').replace(/`[^`\n]*`/g, 'code');
}

function links(text: string): string[] {
  const found = withoutCode(text).matchAll(/\]\(([^()\s]+)\)/g);
  return [...found].map((match) => match[1] as string);
}

/** The anchors of a page: its headings in the form that code hosts use. */
function anchors(page: string): Set<string> {
  const text = read(page).replace(/^```[\s\S]*?^```$/gm, '');
  const headings = [...text.matchAll(/^#{1,6} (.*)$/gm)].map((match) => match[1] as string);
  const found = new Set<string>();
  for (const heading of headings) {
    const plain = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase();
    const slug = plain.replace(/[^\p{L}\p{N}\p{M}\s_-]/gu, '').replace(/\s/g, '-');
    let unique = slug;
    for (let count = 1; found.has(unique); count++) unique = `${slug}-${count}`;
    found.add(unique);
  }
  return found;
}

/** Why a link leads nowhere; '' if it does not. Links to other sites are not followed. */
function problem(page: string, link: string): string {
  if (/^[a-z]+:/.test(link)) return '';
  const [path, anchor] = link.split('#') as [string, string | undefined];
  const target = path === '' ? page : relative(ROOT, join(ROOT, dirname(page), path));
  if (!existsSync(join(ROOT, target))) return `${page}: ${link}: the file does not exist`;
  if (anchor === undefined || statSync(join(ROOT, target)).isDirectory()) return '';
  const isFound = anchors(target).has(decodeURIComponent(anchor));
  return isFound ? '' : `${page}: ${link}: ${target} has no such heading`;
}

test('a link between pages leads to a file, and its anchor to a heading', () => {
  const problems = pages().flatMap((page) => links(read(page)).map((link) => problem(page, link)));
  expect(problems.length).toBeGreaterThan(100);
  expect(problems.filter((text) => text !== '')).toEqual([]);
});

describe('the recipes', () => {
  const recipes = pages().filter((page) => page.startsWith('docs/recipes/'));
  const text = recipes.map(read).join('');

  test.each(readdirSync(join(ROOT, 'examples/recipes')))(
    '%s has at most 60 lines, and a page shows it',
    (name) => {
      expect(read(`examples/recipes/${name}`).split('\n').length - 1).toBeLessThanOrEqual(60);
      expect(text).toContain(`\n\`\`\`ts file=examples/recipes/${name}\n`);
    },
  );

  test('the index links to every section', () => {
    const sections = recipes
      .filter((page) => page !== 'docs/recipes/index.md')
      .flatMap((page) =>
        [...anchors(page)].slice(1).map((anchor) => `${basename(page)}#${anchor}`),
      );
    expect(links(read('docs/recipes/index.md'))).toEqual(expect.arrayContaining(sections));
  });
});

test('the trace that task-switch.md explains is the output of its program', () => {
  const fences = read('docs/task-switch.md').matchAll(/^```(.*)\n([\s\S]*?)^```$/gm);
  const blocks = [...fences].filter(([, label]) => label === '').map((match) => match[2]);
  const program = read('examples/lesson/switch.ts');
  const output = program.split('\n// Output:\n')[1]?.replace(/^\/\/ ?/gm, '');
  expect(blocks.join('')).toBe(output);
});

interface Section {
  readonly level: number;
  /** The code blocks with their first lines. */
  readonly code: readonly string[];
  readonly links: readonly string[];
  readonly tableRows: number;
}

const LANGUAGES = ['en', 'de', 'ru', 'zh'];

function sections(language: string): Section[] {
  const blocks: string[] = [];
  const text = read(`docs/lesson/${language}.md`).replace(/^```[\s\S]*?^```$/gm, (block) => {
    blocks.push(block);
    return '<code block>';
  });
  return text.split(/^(?=#)/m).map((section) => ({
    level: /^#*/.exec(section)?.[0].length ?? 0,
    code: blocks.splice(0, section.split('<code block>').length - 1),
    links: links(section)
      .filter((link) => !/^\w+\.md$/.test(link))
      .sort(),
    tableRows: section.split('\n').filter((line) => line.startsWith('|')).length,
  }));
}

describe('the lesson in another language has the sections, code and links of en.md:', () => {
  test.each(LANGUAGES.slice(1))('%s.md', (language) => {
    expect(sections(language)).toEqual(sections('en'));
  });

  test.each(LANGUAGES)('%s.md links to the other languages', (language) => {
    const others = LANGUAGES.filter((name) => name !== language).map((name) => `${name}.md`);
    expect(links(read(`docs/lesson/${language}.md`))).toEqual(expect.arrayContaining(others));
  });
});
