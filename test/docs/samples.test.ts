/**
 * Samples in the documents that are TypeScript or name a file equal that file in examples/, or the
 * declaration in it that `file=PATH#NAME` names.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

interface Sample {
  readonly document: string;
  /** The text after the three backticks. */
  readonly label: string;
  readonly code: string;
}

function documents(): string[] {
  const docs = existsSync(join(ROOT, 'docs'))
    ? readdirSync(join(ROOT, 'docs'), { recursive: true })
    : [];
  return [
    'README.md',
    'ARCHITECTURE.md',
    'CONTRIBUTING.md',
    ...docs.map((name) => `docs/${name}`),
  ].filter((name) => name.endsWith('.md'));
}

function samplesOf(document: string): Sample[] {
  const text = readFileSync(join(ROOT, document), 'utf8');
  return [...text.matchAll(/^```(ts.*|\w+ file=.*)\n([\s\S]*?)^```$/gm)].map((match) => ({
    document,
    label: match[1] as string,
    code: match[2] as string,
  }));
}

/** The lines between two empty lines that declare `name`. */
function declaration(text: string, name: string): string | undefined {
  const keyword = '(?:export )?(?:async )?(?:function\\*?|class|const|let|type|interface)';
  const shape = new RegExp(`^${keyword} ${name}\\b`, 'm');
  const found = text.split(/\n{2,}/).filter((paragraph) => shape.test(paragraph));
  return found.length === 1 ? `${found[0]?.trimEnd()}\n` : undefined;
}

const samples = documents().flatMap(samplesOf);

test('the documents contain samples', () => {
  expect(samples.length).toBeGreaterThan(0);
});

describe('a sample in the documents equals the file that it names:', () => {
  test.each(samples)('$document, $label', ({ label, code }) => {
    const [, path, name] = /^\w+ file=(examples\/[^\s#]+)(?:#(\w+))?$/.exec(label) ?? [];
    expect(path, 'write ```ts file=examples/NAME.ts').toBeDefined();
    const text = readFileSync(join(ROOT, path as string), 'utf8');
    expect(code).toBe(name === undefined ? text : declaration(text, name));
  });
});

// README.md states that Node 22.18 runs its samples; `using` needs Node 24.
test.each(samples.filter(({ document }) => document === 'README.md'))(
  'a sample in README.md runs on Node 22 without a compiler: $label',
  ({ code }) => {
    expect(code).not.toMatch(/^\s*(?:await )?using /m);
  },
);
