/** docs/reference.md has a line for every public name, and for nothing else. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** What users import from: 'coronet' and 'coronet/sim'. */
const ENTRIES = ['src/index.ts', 'src/sim.ts'];

/** The names in the braces of an entry file's exports, and the constants it makes itself. */
function namesOf(path: string): string[] {
  const entry = readFileSync(join(ROOT, path), 'utf8');
  const names = [...entry.matchAll(/^export const (\w+)/gm)].map((match) => match[1] as string);
  for (const match of entry.matchAll(/^export (?:type )?\{([^}]*)\}/gm)) {
    const list = (match[1] as string).split(',').map((name) => name.trim().replace('type ', ''));
    names.push(...list.filter((name) => name !== ''));
  }
  return names;
}

test('every public name has a line that says what it is', () => {
  const reference = readFileSync(join(ROOT, 'docs/reference.md'), 'utf8');
  const lines = [...reference.matchAll(/^\| `(\w+)`(?: \(type\))? \| (.*) \|$/gm)];
  expect(lines.map((line) => line[1] as string).sort()).toEqual(ENTRIES.flatMap(namesOf).sort());
  expect(lines.filter((line) => (line[2] as string).length < 10)).toEqual([]);
});
