import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ROOT } from './examples-build.ts';

it('the pictures of failing runs are what `npm run docs:pictures` draws', () => {
  const folder = mkdtempSync(join(tmpdir(), 'coronet-pictures-'));
  try {
    execFileSync(process.execPath, ['scripts/docs-pictures.mjs', folder], { cwd: ROOT });
    const drawn = (name: string) => {
      const picture = readFileSync(join(folder, name), 'utf8');
      expect(picture).toBe(readFileSync(join(ROOT, 'docs/pictures', name), 'utf8'));
      expect(/<script|href|url\(/.exec(picture)).toBeNull();
      return picture;
    };
    const leaders = drawn('failing-seed.svg');
    expect(leaders).toContain('at most one node leads');
    expect(leaders.match(/class="message lost/g)).toHaveLength(3);
    expect(drawn('race.svg')).toContain('ben received the lines 1,2,3,4,5,6,7,8,9, and then 11');
  } finally {
    rmSync(folder, { recursive: true });
  }
}, 60_000);
