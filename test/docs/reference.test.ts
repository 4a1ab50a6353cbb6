/** docs/reference.md is generated from the entry points and their doc comments. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

interface Generator {
  readonly ENTRIES: Readonly<Record<string, string>>;
  referencePage(): string;
}

const { href } = new URL('../../scripts/docs-reference.mjs', import.meta.url);
const { ENTRIES, referencePage } = (await import(href)) as Generator;

test('docs/reference.md is what `npm run docs:reference` generates', () => {
  const page = readFileSync(join(ROOT, 'docs/reference.md'), 'utf8');
  expect(page).toBe(referencePage());
});

test('every entry point of the package has a section in docs/reference.md', () => {
  const { exports } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  const entries = Object.keys(exports).filter((name) => name !== './package.json');
  expect(Object.values(ENTRIES).sort()).toEqual(entries.map((name) => `coronet${name.slice(1)}`));
});

test('every public name has a doc comment whose first sentence has ten characters or more', () => {
  const lines = [...referencePage().matchAll(/^\| `(\w+)`(?: \(type\))? \| (.*) \|$/gm)];
  expect(lines.length).toBeGreaterThan(200);
  const bare = lines.filter(([, , sentence = '']) => sentence.length < 10);
  expect(bare.map(([, name]) => name)).toEqual([]);
});
