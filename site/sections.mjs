/**
 * The sections of the site. A new page in one of the folders needs no change here; a new page
 * directly in docs/ is named in the section that it belongs to.
 */

/**
 * `pages` are files in docs/ (without .md) in reading order, or files of the repository; those that
 * do not exist are left out. `folder` is a folder in docs/: its index first, then the names in
 * `first`, then the others in the order of their names. `labels` replace the title of a page.
 */
const SECTIONS = [
  { title: 'Coronet', pages: ['index'], labels: { index: 'Overview' } },
  {
    title: 'The lesson',
    folder: 'lesson',
    first: ['en', 'de', 'ru', 'zh'],
    labels: { en: 'English', de: 'Deutsch', ru: 'Русский', zh: '中文' },
  },
  { title: 'Tutorial', folder: 'tutorial' },
  {
    title: 'Guides',
    pages: [
      'concurrency',
      'task-switch',
      'net',
      'messages',
      'server',
      'websocket',
      'topics',
      'interop',
      'simulation',
      'inspect',
      'deploy',
      'when-not',
    ],
  },
  { title: 'Recipes', folder: 'recipes', labels: { index: 'All recipes' } },
  {
    title: 'Coming from',
    folder: 'coming-from',
    first: ['node-net-and-ws', 'effect-and-effection', 'go', 'trio-and-asyncio', 'tokio'],
  },
  { title: 'Reference', pages: ['reference', 'errors', 'glossary', 'bench/README.md'] },
  {
    title: 'Project',
    pages: ['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'native/README.md', 'CHANGELOG.md'],
    labels: { 'README.md': 'Readme', 'native/README.md': 'The addon' },
  },
];

/** Pages of the repository outside of docs/, with their names on the site. */
export const PROJECT_PAGES = {
  'README.md': 'project/readme.md',
  'ARCHITECTURE.md': 'project/architecture.md',
  'CONTRIBUTING.md': 'project/contributing.md',
  'CHANGELOG.md': 'project/changelog.md',
  'native/README.md': 'project/native.md',
  'bench/README.md': 'benchmarks.md',
};

/**
 * The sections that have pages, each with its files in reading order. `files` are all Markdown
 * files in docs/, as paths from the root, and those of PROJECT_PAGES. Throws an error that names
 * the files that belong to no section.
 */
export function arrange(files) {
  const sections = SECTIONS.map((section) => ({
    title: section.title,
    pages: pathsOf(section, files).map((path) => ({
      path,
      label: section.labels?.[nameOf(section, path)],
    })),
  }));
  const placed = new Set(sections.flatMap(({ pages }) => pages.map(({ path }) => path)));
  const homeless = files.filter((path) => !placed.has(path));
  if (homeless.length > 0) {
    throw new Error(`${homeless.join(', ')}: in no section; add it to site/sections.mjs`);
  }
  return sections.filter(({ pages }) => pages.length > 0);
}

/** The place of a Markdown file on the site. */
export function pageOf(path) {
  return PROJECT_PAGES[path] ?? path.replace(/^docs\//, '');
}

/**
 * The title of a page in the menus: without the name of its section, and of a long title the part
 * before its colon.
 */
export function shortTitle(section, title) {
  if (title.startsWith(`${section} `)) return title.slice(section.length + 1);
  if (!title.startsWith(`${section}: `)) return title.replace(/: .+/, '');
  const rest = title.slice(section.length + 2);
  return `${rest.charAt(0).toUpperCase()}${rest.slice(1)}`;
}

/** The language of a page, by its place on the site. */
export function languageOf(page) {
  return /^lesson\/(de|ru|zh)\b/.exec(page)?.[1] ?? 'en';
}

function pathsOf({ pages, folder, first = [] }, files) {
  if (pages !== undefined) {
    const paths = pages.map((name) => (name.endsWith('.md') ? name : `docs/${name}.md`));
    return paths.filter((path) => files.includes(path));
  }
  const names = files
    .filter((path) => path.startsWith(`docs/${folder}/`) || path === `docs/${folder}.md`)
    .map((path) => ({ path, name: path.slice(`docs/${folder}/`.length, -'.md'.length) }));
  const rank = ({ path, name }) => {
    if (path === `docs/${folder}.md` || name === 'index') return -1;
    return first.includes(name) ? first.indexOf(name) : first.length;
  };
  const byName = (a, b) => a.name.localeCompare(b.name, 'en', { numeric: true });
  return names.sort((a, b) => rank(a) - rank(b) || byName(a, b)).map(({ path }) => path);
}

function nameOf({ folder }, path) {
  if (!path.startsWith('docs/')) return path;
  const start = folder === undefined ? 'docs/' : `docs/${folder}/`;
  return path.slice(start.length, -'.md'.length);
}
