/**
 * `npm run prebuild`: builds the addons that the package contains, prebuilds/linux-x64/ and
 * prebuilds/linux-arm64/, with gcc and the cross compilers of Debian (`apt-get install gcc
 * gcc-aarch64-linux-gnu`). One file serves glibc and musl.
 *
 * A compiler that is not installed is reported, and the package then lacks that file: it works, on
 * the portable backend. A release needs all of them (`npm run release:check`). npm also runs this
 * before `npm run build`, because of its name.
 */
import { arch, platform } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AddonUnavailable, buildAddon } from '../native/build.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Targets of the package, and the prefix of their compilers in Debian. */
export const TARGETS = { x64: 'x86_64-linux-gnu', arm64: 'aarch64-linux-gnu' };

/** The file of a target, below the package root. */
export function prebuildPath(target) {
  return `prebuilds/linux-${target}/coronet.node`;
}

/** The compiler of this machine for its own target, a cross compiler for others. */
export function compilerFor(target) {
  const isOwn = platform() === 'linux' && target === arch();
  return isOwn ? process.env.CC || 'cc' : `${TARGETS[target]}-gcc`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const target of Object.keys(TARGETS)) prebuild(target);
}

export function prebuild(target) {
  const output = join(root, prebuildPath(target));
  try {
    const { built } = buildAddon({ output, compiler: compilerFor(target) });
    if (built) console.error(`prebuild: built ${prebuildPath(target)}`);
  } catch (error) {
    if (!(error instanceof AddonUnavailable)) throw error;
    console.error(`prebuild: without ${prebuildPath(target)}: ${error.message}`);
  }
}
