/** The documents as the site arranges them: sections, and links that also work on a code host. */
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

interface Section {
  readonly title: string;
  readonly pages: readonly { readonly path: string; readonly label?: string }[];
}

interface Markdown {
  anchorsOf(text: string): ReadonlySet<string>;
  linksOf(text: string): string[];
  nameSamples(text: string): string;
  rewriteLinks(text: string, replace: (target: string) => string): string;
  summaryOf(text: string): string;
}

async function load<T>(file: string): Promise<T> {
  return (await import(new URL(`../../site/${file}`, import.meta.url).href)) as T;
}

const { arrange, PROJECT_PAGES, shortTitle } = await load<{
  shortTitle(section: string, title: string): string;
  arrange(files: readonly string[]): Section[];
  PROJECT_PAGES: Readonly<Record<string, string>>;
}>('sections.mjs');
const { markdownIn } = await load<{ markdownIn(root: string, folder: string): string[] }>(
  'stage.mjs',
);
const { anchorsOf, linksOf, nameSamples, rewriteLinks, summaryOf } =
  await load<Markdown>('markdown.mjs');

const { checkSite } = await load<{
  checkSite(folder: string): { count: number; problems: string[] };
}>('check.mjs');

const documents = [...markdownIn(ROOT, 'docs'), ...Object.keys(PROJECT_PAGES)];
const titles = (files: string[]) => arrange(files).map(({ title }) => title);

describe('the site', () => {
  test('has a section for every page of docs/ and document of the project', () => {
    const placed = arrange(documents).flatMap(({ pages }) => pages.map(({ path }) => path));
    expect(placed.sort()).toEqual([...documents].sort());
  });

  test('rejects a page that belongs to no section, with its name', () => {
    expect(() => arrange(['docs/index.md', 'docs/stray.md', 'docs/net.md'])).toThrow(
      'docs/stray.md: in no section; add it to site/sections.mjs',
    );
  });

  test('arranges the pages of a folder by number, the index first', () => {
    const names = ['10-end', '2-lines', 'index', '1-echo'].map(
      (name) => `docs/tutorial/${name}.md`,
    );
    const order = arrange(names).flatMap(({ pages }) => pages.map(({ path }) => path));
    expect(order.map((path) => posix.basename(path, '.md'))).toEqual([
      'index',
      '1-echo',
      '2-lines',
      '10-end',
    ]);
  });

  test('lists the lesson by the names of its languages, English first', () => {
    const names = ['de', 'en', 'ru', 'zh'].map((name) => `docs/lesson/${name}.md`);
    const labels = arrange(names).flatMap(({ pages }) => pages.map(({ label }) => label));
    expect(labels).toEqual(['English', 'Deutsch', 'Русский', '中文']);
  });

  test.each([
    ['Recipes', 'Recipes: clients', 'Clients'],
    ['Coming from', 'Coming from tokio', 'tokio'],
    ['Guides', 'Net: clients, lines and frames', 'Net'],
    ['Guides', 'Topics', 'Topics'],
  ])('lists in the section %s the page "%s" as %s', (section, title, name) => {
    expect(shortTitle(section, title)).toBe(name);
  });

  test('leaves out a section without pages', () => {
    expect(titles(['docs/net.md'])).toEqual(['Guides']);
  });
});

describe('Markdown for the site', () => {
  test('has the anchors of a code host, numbered if a heading occurs twice', () => {
    const text =
      '# A `Server`: limits, ERR_X\n```sh\n# no heading\n```\n## Ошибки и 错误\n## Ошибки и 错误\n';
    expect([...anchorsOf(text)]).toEqual([
      'a-server-limits-err_x',
      'ошибки-и-错误',
      'ошибки-и-错误-1',
    ]);
  });

  test('keeps links in code and to other servers when links are rewritten', () => {
    const text = '[`a`](a.md#x) `[b](b.md)` [c](https://c.example)\n```md\n[d](d.md)\n```\n';
    expect(rewriteLinks(text, (target) => `/${target}`)).toBe(text.replace('a.md', '/a.md'));
  });

  test('has the name of its file as a link above a sample, and no line to highlight', () => {
    const text = 'A:\n\n```ts file=examples/1-a.ts#name\n`b`\n```\n\n```sh\nc\n```\n';
    expect(nameSamples(text)).toBe(
      'A:\n\n[examples/1-a.ts](/examples/1-a.ts){.file}\n\n```ts\n`b`\n```\n\n```sh\nc\n```\n',
    );
  });

  test('has the first sentence of the first paragraph as its summary', () => {
    const text = '# T\n\n- list\n\n```sh\ncode\n```\n\nThe `a` of [b](b.md) and\nv1.2 run. More.\n';
    expect(summaryOf(text)).toBe('The `a` of b and v1.2 run.');
  });
});

test('the check of the built site reports links that lead nowhere, and what it would load', () => {
  const folder = mkdtempSync(join(tmpdir(), 'coronet-site-'));
  try {
    const links = ['b.html#known', '/b.html#lost', 'c.html', 'https://other.example/'];
    const anchors = links.map((target) => `<a class="x" href="${target}">x</a>`).join('');
    const image = '<img alt="" src="https://other.example/x.png">';
    writeFileSync(join(folder, 'a.html'), `<h1 id="top">A</h1>${anchors}${image}`);
    writeFileSync(join(folder, 'b.html'), '<h2 id="known">B</h2><a href="a.html#top">a</a>');
    writeFileSync(join(folder, 'style.css'), '@import "https://other.example/x.css";');
    expect(checkSite(folder)).toEqual({
      count: 2,
      problems: [
        'a.html loads from another server: https://other.example/x.png',
        'a.html: the link /b.html#lost leads to no heading',
        'a.html: the link c.html leads to no page',
        'style.css loads from another server: @import "https://other.example/x.css"',
      ],
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test.each(documents)('a link in %s leads to a file and a heading that exist', (path) => {
  const text = readFileSync(join(ROOT, path), 'utf8');
  expect(linksOf(text).flatMap((target) => problemOf(path, text, target))).toEqual([]);
});

function problemOf(from: string, text: string, target: string): string[] {
  const [name = '', anchor] = target.split('#');
  const path = name === '' ? from : posix.join(dirname(from), decodeURI(name));
  const found = statSync(join(ROOT, path), { throwIfNoEntry: false });
  if (found === undefined) return [`${target}: there is no file`];
  if (anchor === undefined || !path.endsWith('.md')) return [];
  const page = name === '' ? text : readFileSync(join(ROOT, path), 'utf8');
  return anchorsOf(page).has(decodeURI(anchor)) ? [] : [`${target}: there is no heading`];
}
