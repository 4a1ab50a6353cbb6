/** The configuration of VitePress: the menus from build/site/menu.json, which the build writes. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { slugOf } from '../markdown.mjs';
import { languageOf } from '../sections.mjs';

const output = fileURLToPath(new URL('../../build/site/', import.meta.url));
const { sections, modules } = JSON.parse(readFileSync(`${output}menu.json`, 'utf8'));

const pageItem = ({ title, link }) => ({ text: title, link });
const apiItem = ({ module }) => ({ text: module, link: `/api/${module}/index.md` });

/** Five entries at the top: more do not fit on a tablet. */
function menu() {
  const pages = sections.flatMap((section) => section.pages);
  const inspect = pages.find(({ path }) => path === 'docs/inspect.md');
  const api = { text: 'API', items: modules.map(apiItem) };
  return [
    { text: 'Learn', items: ['The lesson', 'Tutorial', 'Coming from'].map(menuOf) },
    menuOf('Guides'),
    menuOf('Recipes'),
    { text: 'Reference', items: [...menuOf('Reference').items, api] },
    { text: 'Inspect', link: inspect.link },
  ];
}

function menuOf(title) {
  const { pages } = sections.find((section) => section.title === title);
  return { text: title, items: pages.map(pageItem) };
}

function sidebar() {
  const items = sections.map(({ title, pages }) => ({
    text: title,
    collapsed: false,
    items: pages.map(pageItem),
  }));
  const api = { text: 'API', collapsed: true, items: modules.map(apiItem) };
  const at = sections.findIndex(({ title }) => title === 'Reference');
  const ofModules = modules.map(({ module }) => [`/api/${module}/`, apiSidebar(module)]);
  return { ...Object.fromEntries(ofModules), '/': items.toSpliced(at + 1, 0, api) };
}

/** All modules, and the names of one: with all names each page would be much larger. */
function apiSidebar(current) {
  return modules.map((entry) => ({
    ...apiItem(entry),
    collapsed: entry.module === current ? false : undefined,
    items: entry.module === current ? entry.groups.flatMap(groupItems) : undefined,
  }));
}

function groupItems({ title, names }) {
  const items = names.map(({ name, link }) => ({ text: name, link }));
  return title === '' ? items : [{ text: title, collapsed: true, items }];
}

/** The text of a page for the search. Highlighting its code would take a third of the build. */
function searchText(source, env, markdown) {
  if (env.relativePath.startsWith('source/')) return '';
  return markdown.render(source.replace(/^(`{3,})\w+.*$/gm, '$1txt'), env);
}

export default {
  srcDir: '../build/site/pages',
  outDir: `${output}dist`,
  cacheDir: `${output}cache`,
  lang: 'en',
  title: 'Coronet',
  description: 'A runtime for network programs in TypeScript',
  lastUpdated: false,
  metaChunk: true,
  head: [['link', { rel: 'icon', type: 'image/svg+xml', href: '/logo.svg' }]],
  markdown: {
    anchor: { slugify: slugOf },
    languageAlias: { haproxy: 'ini' },
    theme: { light: 'github-light-high-contrast', dark: 'github-dark' },
  },
  transformHtml(html, _id, { page }) {
    return html.replace('<html lang="en"', `<html lang="${languageOf(page)}"`);
  },
  themeConfig: {
    logo: '/logo.svg',
    nav: menu(),
    sidebar: sidebar(),
    outline: { level: [2, 3] },
    search: {
      provider: 'local',
      options: {
        _render: searchText,
        miniSearch: {
          options: {
            // Chinese has no spaces: each character is a word. Names of errors stay whole.
            tokenize: (text) =>
              text.split(/[\s\-"'`“”‘’«»„()[\]{}<>,.;:!?/|=+*&#]+|(?<=\p{sc=Han})|(?=\p{sc=Han})/u),
          },
          searchOptions: { boost: { title: 4, text: 2, titles: 1 }, fuzzy: 0.2, prefix: true },
        },
      },
    },
  },
};
