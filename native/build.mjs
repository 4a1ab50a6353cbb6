/**
 * Builds the addon with the C compiler of the machine. Nothing is downloaded.
 *
 *   node native/build.mjs              native/build/coronet.node
 *   node native/build.mjs --sanitize   native/build/coronet-asan.node (AddressSanitizer, UBSan)
 *
 * Where the addon cannot be built (no Linux, no compiler, no headers) this is not an error: one
 * line says so, and the portable backend carries everything.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const sanitize = process.argv.includes('--sanitize');
/** CC may carry arguments, as in "zig cc". */
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
  if (process.platform !== 'linux') return portable('this is not Linux');
  if (upToDate(sources)) return;
  if (spawnSync(compiler, ['--version']).error) return portable(`there is no "${compiler}" here`);
  const headers = headersFolder();
  if (headers === undefined) return portable('there are no Node-API headers here');
  compile(sources, headers);
}

function sourceFiles() {
  return readdirSync(here)
    .filter((name) => /\.[ch]$/.test(name))
    .map((name) => join(here, name));
}

/** This file counts as a source: its flags are part of the result. */
function upToDate(sources) {
  if (!existsSync(output)) return false;
  const built = statSync(output).mtimeMs;
  const inputs = [...sources, fileURLToPath(import.meta.url)];
  return inputs.every((file) => statSync(file).mtimeMs < built);
}

/** Node's own headers where they are installed beside it, else the package with the stable ones. */
function headersFolder() {
  const candidates = [
    join(dirname(dirname(process.execPath)), 'include', 'node'),
    join(here, '..', 'node_modules', 'node-api-headers', 'include'),
  ];
  return candidates.find((folder) => existsSync(join(folder, 'node_api.h')));
}

/** Compiles beside the output and renames, so that a running process never sees half a file. */
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

function portable(why) {
  console.error(`coronet: no epoll addon (${why}); the portable backend will be used`);
}

main();
