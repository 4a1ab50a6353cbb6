/**
 * `npm run build`: TypeScript into build/compiled/, bundled into dist/ with the declarations beside
 * it, then the native addon where there is a compiler.
 *
 * dist/ is updated in place and stale files are removed from it, so that a program which runs from
 * dist/ never finds it half empty.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, readdirSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundle } from './bundle.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const dist = join(root, 'dist');
const compiled = join(root, 'build/compiled');

runNode('node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json');
removeStaleFiles(await bundle(compiled, dist));
chmodSync(join(dist, 'cli/main.js'), 0o755);
runNode('native/build.mjs');

/** Runs a script of this checkout with the Node that runs the build; its failure is ours. */
function runNode(script, ...args) {
  const { status, error } = spawnSync(process.execPath, [join(root, script), ...args], {
    cwd: root,
    stdio: 'inherit',
  });
  if (error !== undefined) throw error;
  if (status !== 0) process.exit(status ?? 1);
}

/** Removes what is not of this build: neither bundled now, nor declared by a source file. */
function removeStaleFiles(bundled) {
  for (const entry of readdirSync(dist, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const file = relative(dist, path);
    const source = join(root, 'src', file.replace(/\.d\.ts$/, '.ts'));
    const declares = file.endsWith('.d.ts') && existsSync(source);
    if (!declares && !bundled.includes(file)) rmSync(path);
  }
}
