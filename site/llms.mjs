/** Writes the pages as text for programs that read them. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { summaryOf } from './markdown.mjs';

/** Writes llms.txt, the list of the pages, llms-full.txt, all their texts, and each text. */
export function writeTexts(dist, sections) {
  const pages = sections.flatMap((section) => section.pages);
  const head = `# Coronet\n\n> ${summaryOf(pages[0].text)}\n`;
  const lists = sections.map(({ title, pages: entries }) => {
    return `## ${title}\n\n${entries.map(lineOf).join('')}`;
  });
  const full = 'The text of all pages: [llms-full.txt](/llms-full.txt)\n';
  write(join(dist, 'llms.txt'), [head, full, ...lists].join('\n'));
  const texts = pages.map(({ link, text }) => `<!-- ${link} -->\n\n${text}`);
  write(join(dist, 'llms-full.txt'), texts.join('\n'));
  for (const { link, text } of pages) write(join(dist, link), text);
}

function lineOf({ title, link, text }) {
  const summary = summaryOf(text);
  return `- [${title}](${link})${summary === '' ? '' : `: ${summary}`}\n`;
}

function write(path, text) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}
