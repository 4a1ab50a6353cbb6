/**
 * Builds the addon with a C compiler of the machine. Nothing is downloaded. `coronet build`, `npm
 * run build`, `npm run prebuild` and the native tests import it; `node native/build.mjs` does the
 * same as `coronet build`, for a clone that has no dist/ yet.
 */
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));

/**
 * One file serves glibc and musl. Therefore _FORTIFY_SOURCE, which some distributions define, is
 * off: its functions exist in glibc only. Other options have these reasons:
 *
 *   nodelete          Node unloads the addon with its last worker, but libraries may keep pointers
 *                     into it
 *   norelro           RELRO aligns the data to 64 KB pages on arm64, which adds 28 KB of zeros
 *   noseparate-code   code in pages of its own adds 8 KB on x64
 *   common-page-size  without it, the data on arm64 begin at the next 64 KB of the file
 *   no unwind tables  nothing in C is unwound; they add 8 KB
 */
const FLAGS = [
  ...['-std=c11', '-D_GNU_SOURCE', '-U_FORTIFY_SOURCE', '-O2'],
  ...['-fPIC', '-shared', '-fvisibility=hidden', '-Wl,-z,nodelete'],
  ...['-Wall', '-Wextra', '-Werror'],
];
const RELEASE = [
  ...['-s', '-fno-asynchronous-unwind-tables', '-fno-unwind-tables'],
  ...['-Wl,-z,norelro', '-Wl,-z,noseparate-code', '-Wl,-z,common-page-size=65536'],
  '-Wl,--build-id=none',
];
const SANITIZE = ['-g', '-fsanitize=address,undefined', '-fno-omit-frame-pointer'];

/** This machine lacks what the build needs. */
export class AddonUnavailable extends Error {}

/**
 * Builds `output` if a source is newer. `compiler` may contain arguments, as in "zig cc". Returns
 * the file, and whether it was built now. Throws AddonUnavailable, or an Error after the compiler
 * has printed its own messages; both have one sentence.
 */
export function buildAddon({
  sanitize = false,
  output = join(here, 'build', sanitize ? 'coronet-asan.node' : 'coronet.node'),
  compiler = process.env.CC || 'cc',
} = {}) {
  const sources = sourceFiles();
  if (process.platform !== 'linux') throw new AddonUnavailable('the addon requires Linux');
  if (upToDate(output, sources)) return { file: output, built: false };
  const [command, ...args] = compiler.trim().split(/\s+/);
  if (spawnSync(command, ['--version']).error) {
    throw new AddonUnavailable(missingCompiler(command));
  }
  const headers = headersFolder();
  const flags = [...args, ...FLAGS, ...(sanitize ? SANITIZE : RELEASE), `-I${headers}`];
  compile(command, [...flags, ...sources.filter((file) => file.endsWith('.c'))], output);
  return { file: output, built: true };
}

/** In a fixed order, so that two builds have the same bytes. */
function sourceFiles() {
  const names = readdirSync(here).filter((name) => /\.[ch]$/.test(name));
  return names.sort().map((name) => join(here, name));
}

/** This file is also a source: its flags determine the result. */
function upToDate(output, sources) {
  if (!existsSync(output)) return false;
  const built = statSync(output).mtimeMs;
  const inputs = [...sources, fileURLToPath(import.meta.url)];
  return inputs.every((file) => statSync(file).mtimeMs < built);
}

function missingCompiler(command) {
  const install = 'apt-get install gcc libc6-dev, apk add build-base, or dnf install gcc';
  return `the C compiler "${command}" is not installed; install one: ${install}`;
}

/** The headers of this Node installation, or else the package node-api-headers. */
function headersFolder() {
  const folder = join(dirname(dirname(process.execPath)), 'include', 'node');
  if (existsSync(join(folder, 'node_api.h'))) return folder;
  try {
    const main = createRequire(import.meta.url).resolve('node-api-headers');
    return join(dirname(main), 'include');
  } catch {
    const install = 'npm install --no-save node-api-headers';
    throw new AddonUnavailable(`the Node-API headers are not installed; install them: ${install}`);
  }
}

/**
 * Compiles into a temporary file and renames it, so that a running process never sees half a file.
 */
function compile(command, args, output) {
  mkdirSync(dirname(output), { recursive: true });
  const partial = `${output}.${process.pid}.tmp`;
  const { status, signal } = spawnSync(command, [...args, '-o', partial], { stdio: 'inherit' });
  if (status !== 0) {
    rmSync(partial, { force: true });
    throw new Error(`"${command}" ended with ${status ?? signal}`);
  }
  renameSync(partial, output);
}

const [, program = ''] = process.argv;
if (existsSync(program) && realpathSync(program) === fileURLToPath(import.meta.url)) {
  try {
    const { file, built } = buildAddon();
    console.log(built ? `built ${file}` : `${file} is up to date`);
  } catch (error) {
    console.error(`coronet: The addon was not built: ${error.message}`);
    process.exitCode = 1;
  }
}
