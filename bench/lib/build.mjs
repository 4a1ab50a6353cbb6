// Compiles the programs of a benchmark into bench/build/ (ignored by git) when it runs.

import { spawnSync } from 'node:child_process';
import { mkdirSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const path = (name) => fileURLToPath(new URL(`../${name}`, import.meta.url));

/** The header file of the C programs. */
const CONTROL = 'servers/control.h';

const modified = (file) => statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;

export const installed = (program, ...args) => !spawnSync(program, args).error;

/** { path } of the program, or { missing } with the reason. */
function build(source, output, command, env) {
  const from = path(source);
  const to = path(`build/${output}`);
  if (modified(to) > Math.max(modified(from), modified(path(CONTROL)))) return { path: to };
  mkdirSync(path('build'), { recursive: true });
  const [program, ...args] = command(to, from);
  const { error, status, stderr } = spawnSync(program, args, {
    encoding: 'utf8',
    env: { ...process.env, ...env },
  });
  if (error) return { missing: `${program} is not installed` };
  if (status !== 0) return { missing: `${source}: ${stderr.trim().split('\n')[0]}` };
  return { path: to };
}

export function buildC(source, output) {
  return build(source, output, (to, from) => ['cc', '-O2', '-Wall', '-Wextra', '-o', to, from]);
}

export function buildGo(source, output) {
  const command = (to, from) => ['go', 'build', '-o', to, from];
  return build(source, output, command, { CGO_ENABLED: '0', GO111MODULE: 'off' });
}
