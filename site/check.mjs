/** Checks the pages of the built site: links, anchors, references to other servers. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join, posix } from 'node:path';

/** Tags that a browser loads without a click. */
const LOADED = /<(?:img|script|link|iframe|source|video|object)\b[^>]*?\s(?:src|href)="([^"]*)"/g;
const LINK = /<(?:a|area)\b[^>]*?\bhref="([^"]*)"/g;
const ID = /\sid="([^"]+)"/g;

/** Returns the number of pages, and a sentence for each problem. */
export function checkSite(dist) {
  const files = readdirSync(dist, { recursive: true })
    .map((name) => name.replaceAll('\\', '/'))
    .filter((name) => statSync(join(dist, name)).isFile());
  const pages = new Map();
  for (const name of files.filter((file) => file.endsWith('.html'))) {
    pages.set(name, pageOf(readFileSync(join(dist, name), 'utf8')));
  }
  const problems = [...pages].flatMap(([name, page]) => problemsOf(name, page, { dist, pages }));
  for (const name of files.filter((file) => file.endsWith('.css'))) {
    const [foreign] =
      /url\(["']?https?:[^)]*\)|@import[^;]*https?:[^;]*/.exec(
        readFileSync(join(dist, name), 'utf8'),
      ) ?? [];
    if (foreign !== undefined) problems.push(`${name} loads from another server: ${foreign}`);
  }
  return { count: pages.size, problems };
}

function pageOf(html) {
  return {
    ids: new Set([...html.matchAll(ID)].map(([, id]) => decode(id))),
    links: [...html.matchAll(LINK)].map(([, target]) => decode(target)),
    loaded: [...html.matchAll(LOADED)].map(([, target]) => decode(target)),
  };
}

function problemsOf(name, { links, loaded, ids }, { dist, pages }) {
  const foreign = loaded.filter((target) => /^(?:[a-z]+:)?\/\//i.test(target));
  const problems = foreign.map((target) => `${name} loads from another server: ${target}`);
  for (const target of new Set([...links, ...loaded])) {
    if (/^[a-z]+:/i.test(target) || target.startsWith('//')) continue;
    const [path, anchor = ''] = target.split('#');
    const file = fileOf(name, decodeURI(path));
    const known = file === name ? { ids } : pages.get(file);
    if (known === undefined && !existsSync(join(dist, file))) {
      problems.push(`${name}: the link ${target} leads to no page`);
    } else if (anchor !== '' && known?.ids.has(decodeURIComponent(anchor)) !== true) {
      problems.push(`${name}: the link ${target} leads to no heading`);
    }
  }
  return problems;
}

function fileOf(from, path) {
  if (path === '') return from;
  const target = path.startsWith('/') ? path.slice(1) : posix.join(posix.dirname(from), path);
  return target === '' || target.endsWith('/') ? `${target}index.html` : target;
}

function decode(text) {
  return text.replaceAll('&quot;', '"').replaceAll('&#39;', "'").replaceAll('&amp;', '&');
}
