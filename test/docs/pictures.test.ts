import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ROOT } from './examples-build.ts';

it('the picture of a failing seed is what `npm run docs:pictures` draws', () => {
  const folder = mkdtempSync(join(tmpdir(), 'coronet-pictures-'));
  try {
    const file = join(folder, 'failing-seed.svg');
    execFileSync(process.execPath, ['scripts/docs-pictures.mjs', file], { cwd: ROOT });
    const drawn = readFileSync(file, 'utf8');
    expect(drawn).toBe(readFileSync(join(ROOT, 'docs/pictures/failing-seed.svg'), 'utf8'));
    expect(drawn).toContain('at most one node leads');
    expect(drawn.match(/class="message lost/g)).toHaveLength(3);
    expect(/<script|href|url\(/.exec(drawn)).toBeNull();
  } finally {
    rmSync(folder, { recursive: true });
  }
}, 60_000);
