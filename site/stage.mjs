/**
 * Copies the pages into build/site/pages, the input of VitePress: docs/, the documents of the
 * project, and a page for every source file that a page links to. Links become links between those
 * pages, so the site needs no other server.
 */
import {
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, extname, join, posix } from 'node:path';
import { linkNames, nameSamples, rewriteLinks, titleOf } from './markdown.mjs';
import { arrange, PROJECT_PAGES, pageOf, shortTitle } from './sections.mjs';

/** Code blocks on the pages of source files. */
const LANGUAGES = {
  '.ts': 'ts',
  '.mjs': 'js',
  '.c': 'c',
  '.h': 'c',
  '.json': 'json',
  '.yaml': 'yaml',
};
const PICTURES = new Set(['.svg']);

/**
 * Writes the pages to the folder `pages`. Returns the sections, and in them the title, the link and
 * the text of each page. `links` leads from `module name` to the page of a public name.
 */
export function stagePages({ root, pages, links }) {
  const files = [...markdownIn(root, 'docs'), ...Object.keys(PROJECT_PAGES)];
  const stage = new Stage(root, pages, links);
  const sections = arrange(files).map(({ title, pages: entries }) => ({
    title,
    pages: entries.map(({ path, label }) => {
      const text = stage.addDocument(path);
      return {
        path,
        title: label ?? shortTitle(title, titleOf(text)),
        link: `/${pageOf(path)}`,
        text,
      };
    }),
  }));
  stage.addSources();
  return sections;
}

/** The Markdown files below `folder`, as paths from the root. */
export function markdownIn(root, folder) {
  return readdirSync(join(root, folder), { recursive: true })
    .map((name) => posix.join(folder, name.replaceAll('\\', '/')))
    .filter((path) => path.endsWith('.md'))
    .sort();
}

class Stage {
  #root;
  #pages;
  #links;
  /** The files and folders that pages link to; true for a folder. */
  #sources = new Map();

  constructor(root, pages, links) {
    this.#root = root;
    this.#pages = pages;
    this.#links = links;
  }

  /** Returns the text of the page. */
  addDocument(path) {
    const named = nameSamples(this.#read(path));
    const resolved = rewriteLinks(named, (target) => this.#resolve(path, target));
    const text = path === 'docs/reference.md' ? linkNames(resolved, this.#links) : resolved;
    this.#write(pageOf(path), path === 'docs/index.md' ? asHome(text) : text);
    return text;
  }

  /** Pages of folders add the files in them, so this continues until no new one is found. */
  addSources() {
    for (const [path, isFolder] of this.#sources) {
      if (isFolder) this.#addFolder(path);
      else this.#addSource(path);
    }
  }

  /** The link on the site for a link in the file `from`. */
  #resolve(from, target) {
    if (target.startsWith('#')) return target;
    const [name, anchor] = target.split('#');
    const start = name.startsWith('/') ? '' : dirname(from);
    const path = posix.join(start, name).replace(/^\/|\/$/g, '');
    const suffix = anchor === undefined ? '' : `#${anchor}`;
    const isFolder = this.#stat(path)?.isDirectory();
    if (isFolder === undefined) throw new Error(`${from}: the link ${target} leads to no file`);
    if (path.endsWith('.md') && this.#isDocument(path)) return `/${pageOf(path)}${suffix}`;
    if (PICTURES.has(extname(path))) return this.#copy(path);
    this.#sources.set(path, isFolder);
    return `/${sourcePage(path, isFolder)}${suffix}`;
  }

  #addSource(path) {
    const text = this.#read(path).trimEnd();
    const page = sourcePage(path, false);
    if (page === `source/${path}`) {
      this.#write(
        page,
        rewriteLinks(text, (target) => this.#resolve(path, target)),
      );
      return;
    }
    const language = LANGUAGES[extname(path)] ?? '';
    const fence = '`'.repeat(Math.max(2, ...[...text.matchAll(/`+/g)].map(([t]) => t.length)) + 1);
    const block = `${fence}${language}\n${text}\n${fence}\n`;
    this.#write(page, `${SOURCE_HEAD}# ${path}\n\n${block}`);
  }

  #addFolder(path) {
    const names = sourcesIn(join(this.#root, path));
    const rows = names.map((name) => {
      const target = this.#resolve(`${path}/index`, name);
      const isFolder = this.#stat(posix.join(path, name)).isDirectory();
      const about = isFolder ? '' : headerOf(this.#read(posix.join(path, name)));
      return `- [${name}](${target})${about === '' ? '' : `: ${about}`}`;
    });
    const page = `${SOURCE_HEAD}# ${path}/\n\n${rows.join('\n')}\n`;
    this.#write(sourcePage(path, true), page);
  }

  #isDocument(path) {
    return path.startsWith('docs/') || Object.hasOwn(PROJECT_PAGES, path);
  }

  #copy(path) {
    const target = join(this.#pages, 'public', path);
    mkdirSync(dirname(target), { recursive: true });
    copyFileSync(join(this.#root, path), target);
    return `/${path}`;
  }

  #stat(path) {
    return statSync(join(this.#root, path), { throwIfNoEntry: false });
  }

  #read(path) {
    return readFileSync(join(this.#root, path), 'utf8');
  }

  #write(page, text) {
    const target = join(this.#pages, page);
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, text);
  }
}

/**
 * The entry page: its title, first paragraph and first list become the banner and the cards of the
 * home page; the buttons are the first pages of its numbered list.
 */
function asHome(text) {
  const [, name, tagline, list, rest] = /^# (.+)\n\n([\s\S]+?)\n\n(- [\s\S]+?)\n\n([\s\S]*)$/.exec(
    text,
  );
  const features = list
    .split(/^- /m)
    .slice(1)
    .map((item) => {
      const [, title, details] = /^\*\*(.+?)\.?\*\* ([\s\S]*)$/.exec(inLine(item));
      return { title, details };
    });
  const links = [...rest.matchAll(/^\d+\. \[([^\]]+)\]\(([^)]+)\)/gm)].slice(0, 3);
  const actions = links.map(([, label, link], index) => ({
    theme: index === 0 ? 'brand' : 'alt',
    text: label,
    link: link.replace(/\.md$/, '.html'),
  }));
  const page = { layout: 'home', hero: { name, tagline: inLine(tagline), actions }, features };
  return `---\n${JSON.stringify(page, null, 2)}\n---\n\n${rest}`;
}

function inLine(text) {
  return text.replace(/\s+/g, ' ').trim();
}

/** The first sentence of the comment at the beginning of a file. */
function headerOf(text) {
  const comment = /^(?:#![^\n]*\n)?(?:\/\*\*?([\s\S]*?)\*\/|((?:\/\/[^\n]*\n)+))/.exec(text);
  const prose = (comment?.[1] ?? comment?.[2] ?? '').replace(/^\s*(?:\*|\/\/) ?/gm, '');
  return /^[\s\S]*?(?=\.\s|\n\s*\n|:?\s*$)/.exec(prose.trim())[0].replace(/\s+/g, ' ');
}

function sourcePage(path, isFolder) {
  if (isFolder) return `source/${path}/index.md`;
  return `source/${path}${path.endsWith('.md') ? '' : '.md'}`;
}

function sourcesIn(folder) {
  const names = readdirSync(folder).filter((name) => !/^(?:\.|node_modules$|build$)/.test(name));
  return names.sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
}

/** Pages of sources are wide, and neither searched nor read in an order. */
const SOURCE_HEAD = `---
${['search', 'sidebar', 'aside', 'prev', 'next'].map((name) => `${name}: false`).join('\n')}
---

`;
