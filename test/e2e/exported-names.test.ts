/** The built package: few files, and classes with their exported names. */
import { execFileSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';

const ENTRIES = ['index', 'lowlevel', 'sim', 'topics', 'ws'];

function entry(name: string): string {
  return new URL(`../../dist/${name}.js`, import.meta.url).href;
}

describe('the package', () => {
  test.skipIf(process.platform === 'win32')('is imported with few descriptors', () => {
    const program = `for (const entry of process.argv.slice(1)) await import(entry);
      console.log('done');`;
    const shell = 'ulimit -n 40 && exec "$@"';
    const node = [process.execPath, '--input-type=module', '-e', program];
    const given = ['-c', shell, 'sh', ...node, ...ENTRIES.map(entry)];
    expect(String(execFileSync('/bin/sh', given))).toBe('done\n');
  });

  test.each(ENTRIES)('exports classes in %s under their own names', async (name) => {
    const exported = (await import(entry(name))) as Readonly<Record<string, unknown>>;
    const classes = Object.entries(exported).filter(([key, value]) => {
      return typeof value === 'function' && /^[A-Z]/.test(key);
    });
    expect(classes.length).toBeGreaterThan(0);
    for (const [key, value] of classes) expect((value as { name: string }).name).toBe(key);
  });
});
