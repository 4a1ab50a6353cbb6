/**
 * npm runs this after `npm install` in a clone, and when it installs the package from git, which
 * packs the result. It builds once, if nothing is built: packages from a registry contain dist/,
 * and later changes are built by `npm start` and `npm test`.
 */
import { existsSync } from 'node:fs';
import { arch } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { prebuild, TARGETS } from './prebuild.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));

if (!existsSync(join(root, 'dist/index.js'))) await build();

async function build() {
  if (!existsSync(join(root, 'node_modules/typescript'))) {
    console.error('prepare: not built, because the development dependencies are not installed');
    return;
  }
  await import('./build.mjs');
  if (Object.hasOwn(TARGETS, arch())) prebuild(arch());
}
