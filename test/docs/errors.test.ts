/** The catalogue of error codes, the code, docs/errors.md and the exported classes agree. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { catalogue } from '../../src/cli/explain.ts';
import * as coronet from '../../src/index.ts';
import * as sim from '../../src/sim.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const codes = Object.keys(catalogue);
const document = readFileSync(join(ROOT, 'docs/errors.md'), 'utf8');
const sources = readdirSync(join(ROOT, 'src'), { recursive: true })
  .map(String)
  .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
  .map((name) => readFileSync(join(ROOT, 'src', name), 'utf8'));

/**
 * Codes that the sources give to errors: the words in quotes, without the keys of the catalogue.
 */
function usedCodes(): Set<string> {
  const used = new Set<string>();
  for (const text of sources) {
    for (const match of text.matchAll(/'(ERR_[A-Z_]+)'/g)) used.add(match[1] as string);
  }
  return used;
}

describe('the catalogue', () => {
  test('has an entry for every code that the sources use', () => {
    expect([...usedCodes()].filter((code) => !codes.includes(code))).toEqual([]);
  });

  test('has no entry that the sources do not use', () => {
    const used = usedCodes();
    expect(codes.filter((code) => !used.has(code))).toEqual([]);
  });

  test.each(codes)('names an exported class for %s', (code) => {
    const { className } = catalogue[code] as { className: string };
    const known = { ...coronet, ...sim, TypeError, RangeError } as Record<string, unknown>;
    expect(known[className], className).toBeTypeOf('function');
  });

  test.each(codes)('stands in docs/errors.md: %s', (code) => {
    const entry = catalogue[code] as (typeof catalogue)[string];
    expect(document).toContain(section(code, entry));
  });
});

test('docs/errors.md has no section that is not in the catalogue', () => {
  const sections = [...document.matchAll(/^## (ERR_[A-Z_]+)$/gm)].map((match) => match[1]);
  expect(sections).toEqual(codes);
});

function section(code: string, entry: (typeof catalogue)[string]): string {
  return [
    `## ${code}`,
    '',
    `${entry.sentence} (\`${entry.className}\`)`,
    '',
    `*Likely cause:* ${entry.cause}`,
    '',
    `*Way out:* ${entry.remedy}`,
  ].join('\n');
}
