/**
 * `npm run build`: TypeScript into dist/, then the native addon where there is a compiler.
 *
 * dist/ is updated in place and stale files are removed from it, so that a program which runs from
 * dist/ never finds it half empty.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const dist = join(root, 'dist');

runNode('node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json');
removeStaleFiles();
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

/** Removes what was compiled from a source file that no longer exists. */
function removeStaleFiles() {
  for (const entry of readdirSync(dist, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const stem = path.slice(dist.length).replace(/(?:\.d)?\.[jt]s(?:\.map)?$/, '');
    if (!existsSync(join(root, 'src', `${stem}.ts`))) rmSync(path);
  }
}
