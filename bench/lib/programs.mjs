// The programs of a comparison: those that are here, those that are not, and why.

import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { UsageError } from './options.mjs';

/** A file of this folder's parent, by its path there. */
export const path = (name) => fileURLToPath(new URL(`../${name}`, import.meta.url));

/** A program in Node that obeys `gc`. */
export const node = (program, ...args) => [program, '--expose-gc', ...args];

/** What `buildC` and `buildGo` gave, as a program to start with `args`. */
export function compiled({ path: program, missing }, ...args) {
  return program ? { command: [program, ...args] } : { missing };
}

/** `script` over the dist/ of this checkout. */
export function overDist(script, backend) {
  if (!existsSync(path('../dist/index.js'))) {
    return { missing: 'dist/index.js is not built: npm run build' };
  }
  return { command: node(process.execPath, path(script), backend) };
}

function named(name, programs) {
  if (!Object.hasOwn(programs, name)) {
    throw new UsageError(`Unknown server '${name}': one of ${Object.keys(programs).join(', ')}`);
  }
  return { name, ...programs[name]() };
}

function peer({ name, path: given }, index, makers) {
  if (!Object.hasOwn(makers, name)) {
    throw new UsageError(`Unknown peer '${name}': one of ${Object.keys(makers).join(', ')}`);
  }
  const label = index === 0 ? `${name} (peer)` : `${name} (peer ${index + 1})`;
  if (!existsSync(given)) return { name: label, missing: `no such file: ${given}` };
  return { name: label, command: makers[name](given) };
}

/**
 * `programs` makes each by name, `makers` a peer's command from its path. Those that can run:
 * [{ name, command }]; those that cannot: [{ name, missing }].
 */
export function choose({ names, peers }, programs, makers) {
  const all = [
    ...names.map((name) => named(name, programs)),
    ...peers.map((one, index) => peer(one, index, makers)),
  ];
  return { ready: all.filter((one) => one.command), absent: all.filter((one) => one.missing) };
}
