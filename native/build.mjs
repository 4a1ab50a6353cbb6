/**
 * Builds the addon with the C compiler of the machine. Nothing is downloaded.
 *
 *   node native/build.mjs              native/build/coronet.node
 *   node native/build.mjs --sanitize   native/build/coronet-asan.node (AddressSanitizer, UBSan)
 *
 * If the addon cannot be built (no Linux, no compiler, no headers) the script prints one line and
 * succeeds: the portable backend does not need the addon.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const sanitize = process.argv.includes('--sanitize');
/** CC may contain arguments, as in "zig cc". */
const [compiler, ...compilerArgs] = (process.env.CC || 'cc').trim().split(/\s+/);
const output = join(here, 'build', sanitize ? 'coronet-asan.node' : 'coronet.node');

const FLAGS = [
  ...['-std=c11', '-D_GNU_SOURCE', '-O2', '-fPIC', '-shared', '-fvisibility=hidden'],
  ...['-Wall', '-Wextra', '-Werror'],
];
const SANITIZE = [
  ...['-g', '-fsanitize=address,undefined', '-fno-omit-frame-pointer', '-Wl,-z,nodelete'],
];

function main() {
  const sources = sourceFiles();
  if (process.platform !== 'linux') return skip('the system is not Linux');
  if (upToDate(sources)) return;
  if (spawnSync(compiler, ['--version']).error) return skip(`"${compiler}" is not installed`);
  const headers = headersFolder();
  if (headers === undefined) return skip('the Node-API headers are not installed');
  compile(sources, headers);
}

function sourceFiles() {
  return readdirSync(here)
    .filter((name) => /\.[ch]$/.test(name))
    .map((name) => join(here, name));
}

/** This file is also a source: its flags determine the result. */
function upToDate(sources) {
  if (!existsSync(output)) return false;
  const built = statSync(output).mtimeMs;
  const inputs = [...sources, fileURLToPath(import.meta.url)];
  return inputs.every((file) => statSync(file).mtimeMs < built);
}

/** The headers of this Node installation, or else the package node-api-headers. */
function headersFolder() {
  const candidates = [
    join(dirname(dirname(process.execPath)), 'include', 'node'),
    join(here, '..', 'node_modules', 'node-api-headers', 'include'),
  ];
  return candidates.find((folder) => existsSync(join(folder, 'node_api.h')));
}

/**
 * Compiles into a temporary file and renames it, so that a running process never sees half a file.
 */
function compile(sources, headers) {
  mkdirSync(dirname(output), { recursive: true });
  const partial = `${output}.${process.pid}.tmp`;
  const units = sources.filter((file) => file.endsWith('.c'));
  const flags = sanitize ? [...FLAGS, ...SANITIZE] : FLAGS;
  const args = [...compilerArgs, ...flags, `-I${headers}`, '-o', partial, ...units];
  const result = spawnSync(compiler, args, { stdio: 'inherit' });
  if (result.status !== 0) {
    process.exitCode = result.status || 1;
    return;
  }
  renameSync(partial, output);
}

function skip(why) {
  console.error(
    `coronet: the epoll addon was not built (${why}); the portable backend will be used`,
  );
}

main();
