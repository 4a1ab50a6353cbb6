/** The parts of Markdown that the site changes: titles, links, anchors, names of files. */

const FENCE = /^(`{3,})([^\n]*)\n[\s\S]*?^\1`*[ \t]*$/gm;
const INLINE = /`+[^`]*`+|\]\(([^)\s]+)\)|\b(?:src|href|srcset)="([^"]+)"/g;

/** The first sentence of the first paragraph, in one line and without links. */
export function summaryOf(text) {
  const paragraph = /^(?!```|[#<|]|- | {4}|!\[)(.[\s\S]*?)(?:\n\n|(?![\s\S]))/m.exec(
    text.replace(FENCE, ''),
  )?.[1];
  const line = (paragraph ?? '').replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').replace(/\s+/g, ' ');
  return /^.*?[.。](?=\s|$)|^.*/.exec(line.trim())[0].replace(/:$/, '.');
}

/** The text of the first heading, without marks. */
export function titleOf(text) {
  const heading = /^# (.+)$/m.exec(text)?.[1] ?? '';
  return heading.replace(/[`*]/g, '').trim();
}

/** The anchor of a heading, as code hosts make it: the same link works there and on the site. */
export function slugOf(heading) {
  return heading
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{M}\p{N}\p{Pc}\s-]/gu, '')
    .replace(/\s/g, '-');
}

/** The headings of a page, outside of its code blocks. */
export function headingsOf(text) {
  return [...text.replace(FENCE, '').matchAll(/^#{1,6} (.+)$/gm)].map(([, heading]) => heading);
}

/** The anchors of a page in Markdown; the second heading of the same text has `-1`. */
export function anchorsOf(text) {
  const counts = new Map();
  const headings = headingsOf(text).map((heading) => {
    const slug = slugOf(heading.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1'));
    const count = counts.get(slug) ?? 0;
    counts.set(slug, count + 1);
    return count === 0 ? slug : `${slug}-${count}`;
  });
  return new Set([...headings, ...[...text.matchAll(/<a id="([^"]+)"/g)].map(([, id]) => id)]);
}

/** The targets of all links and pictures outside of code. */
export function linksOf(text) {
  const links = [];
  rewriteLinks(text, (target) => {
    links.push(target);
    return target;
  });
  return links;
}

/** Replaces the target of every link and picture outside of code. */
export function rewriteLinks(text, replace) {
  return outsideFences(text, (prose) =>
    prose.replace(INLINE, (all, link, attribute) => {
      const target = link ?? attribute;
      if (target === undefined || /^[a-z][a-z+.-]*:/i.test(target)) return all;
      return all.replace(target, () => replace(target));
    }),
  );
}

/** Writes the name of its file above each code block that is a copy of one, as a link. */
export function nameSamples(text) {
  return text.replace(FENCE, (block, fence, label) => {
    const path = /\bfile=([^\s#]+)/.exec(label)?.[1];
    if (path === undefined) return block;
    // VitePress takes a number in the label for a line to highlight.
    const [language] = label.trim().split(' ');
    const rest = block.slice(fence.length + label.length);
    return `[${path}](/${path}){.file}\n\n${fence}${language}${rest}`;
  });
}

/** Makes the names in the tables of docs/reference.md links; `links` has them by `module name`. */
export function linkNames(text, links) {
  let module = '';
  return text.replace(/^## (\S+)$|^\| `(\w+)`/gm, (all, heading, name) => {
    module = heading ?? module;
    const link = links.get(`${module} ${name}`);
    return link === undefined ? all : `| [\`${name}\`](${link})`;
  });
}

function outsideFences(text, change) {
  const blocks = [...text.matchAll(FENCE)];
  let from = 0;
  const parts = [];
  for (const { 0: block, index } of blocks) {
    parts.push(change(text.slice(from, index)), block);
    from = index + block.length;
  }
  return [...parts, change(text.slice(from))].join('');
}
