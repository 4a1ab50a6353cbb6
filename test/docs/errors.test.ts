/** The error codes in the sources, the catalogue, docs/errors.md and the exported classes agree. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { catalogue } from '../../src/cli/explain.ts';
import * as health from '../../src/health.ts';
import * as coronet from '../../src/index.ts';
import * as inspect from '../../src/inspect.ts';
import * as lowlevel from '../../src/lowlevel.ts';
import * as sim from '../../src/sim.ts';
import type { Catalogue } from '../../src/support/error-catalogue.ts';
import * as topics from '../../src/topics.ts';
import * as workers from '../../src/workers.ts';
import * as ws from '../../src/ws.ts';

interface Generator {
  errorsPage(catalogue: Catalogue): string;
}

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const { href } = new URL('../../scripts/docs-errors.mjs', import.meta.url);
const { errorsPage } = (await import(href)) as Generator;
const codes = Object.keys(catalogue);

/** The codes in the string literals of the sources. Keys of the catalogue have no quotes. */
function usedCodes(): string[] {
  const sources = readdirSync(join(ROOT, 'src'), { recursive: true })
    .map(String)
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
    .map((name) => readFileSync(join(ROOT, 'src', name), 'utf8'));
  const found = sources.flatMap((text) => [...text.matchAll(/'(ERR_[A-Z_]+)'/g)]);
  return [...new Set(found.map((match) => match[1] as string))].sort();
}

describe('the catalogue of error codes', () => {
  test('has exactly the codes that the sources use', () => {
    expect(codes).toEqual(usedCodes());
  });

  test.each(codes)('names a class for %s that an entry point exports', (code) => {
    const { className } = catalogue[code] as { className: string };
    const exported = {
      ...coronet,
      ...health,
      ...inspect,
      ...lowlevel,
      ...sim,
      ...topics,
      ...workers,
      ...ws,
    };
    const known = { ...exported, TypeError, RangeError } as Record<string, unknown>;
    expect(known[className], className).toBeTypeOf('function');
  });
});

test('docs/errors.md is what `npm run docs:errors` generates', () => {
  expect(readFileSync(join(ROOT, 'docs/errors.md'), 'utf8')).toBe(errorsPage(catalogue));
});

test('the sections in which the catalogue names views exist', () => {
  const sections = codes.flatMap((code) => catalogue[code]?.look?.section ?? []);
  expect(sections.length).toBeGreaterThan(5);
  for (const section of new Set(sections)) {
    const [page = '', anchor] = section.split('#');
    const headings = readFileSync(join(ROOT, 'docs', page), 'utf8').match(/^#+ .+$/gm) ?? [];
    const anchors = headings.map((each) => each.replace(/^#+ /, '').toLowerCase());
    expect(anchors.map((each) => each.replaceAll(' ', '-'))).toContain(anchor);
  }
});
