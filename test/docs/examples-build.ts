/** Compiles the examples for a test file. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll } from 'vitest';

export const ROOT: string = fileURLToPath(new URL('../..', import.meta.url));

/**
 * Compiles examples/ to build/`name` before the tests, and returns the folder of the result. Each
 * test file has its own name, because test files run at the same time.
 */
export function buildExamples(name: string): string {
  const outDir = join(ROOT, 'build', name);
  beforeAll(() => {
    const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
    const args = [tsc, '-p', 'examples/tsconfig.json', '--outDir', outDir];
    execFileSync(process.execPath, args, { cwd: ROOT });
  }, 60_000);
  return join(outDir, 'examples');
}
