// The programs of a comparison: those that can run, and the others with the reason.

import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { buildC } from './build.mjs';
import { UsageError } from './options.mjs';

/** The path of a file in bench/. */
export const path = (name) => fileURLToPath(new URL(`../${name}`, import.meta.url));

/** The command line of a Node program that supports the command `gc`. */
export const node = (program, ...args) => [program, '--expose-gc', ...args];

/** The result of `buildC` or `buildGo` as a program with `args`. */
export function compiled({ path: program, missing }, ...args) {
  return program ? { command: [program, ...args] } : { missing };
}

/** `script` with the dist/ of this checkout. */
export function overDist(script, ...args) {
  if (!existsSync(path('../dist/index.js'))) {
    return { missing: 'dist/index.js is not built: npm run build' };
  }
  return { command: node(process.execPath, path(script), ...args) };
}

function named(name, programs) {
  if (!Object.hasOwn(programs, name)) {
    throw new UsageError(`Unknown server '${name}': one of ${Object.keys(programs).join(', ')}`);
  }
  return { name, kind: name, ...programs[name]() };
}

function peer({ name, path: given }, index, makers) {
  if (!Object.hasOwn(makers, name)) {
    throw new UsageError(`Unknown peer '${name}': one of ${Object.keys(makers).join(', ')}`);
  }
  const label = index === 0 ? `${name} (peer)` : `${name} (peer ${index + 1})`;
  const common = { name: label, kind: name };
  if (!existsSync(given)) return { ...common, missing: `no such file: ${given}` };
  return { ...common, command: makers[name](given) };
}

/** All programs, except those that a peer replaces. */
const defaults = (programs, peers) =>
  Object.keys(programs).filter((name) => !peers.some((one) => one.name === name));

/**
 * `programs` creates a program by name, `makers` the command of a peer from its path. Returns
 * `ready`, [{ name, kind, command }], and `absent`, [{ name, kind, missing }]. The kind is the name
 * without the label of a peer.
 */
export function choose({ servers, peers }, programs, makers) {
  const all = [
    ...(servers ?? defaults(programs, peers)).map((name) => named(name, programs)),
    ...peers.map((one, index) => peer(one, index, makers)),
  ];
  return { ready: all.filter((one) => one.command), absent: all.filter((one) => one.missing) };
}

/**
 * The load `name` in C, or, if `script` exists, in JavaScript where there is no compiler:
 * { command, tail, note? } or { missing }.
 */
export function chooseLoad(name, { jsLoad, loadSleeps, tls = false, script = true }) {
  const c = jsLoad ? { missing: '--js-load' } : buildC(`${name}.c`, name, { tls });
  if (!c.path && !script) return { missing: `the load is a C program: ${c.missing}` };
  if (c.path) return { command: [c.path], tail: loadSleeps ? [] : ['spin'] };
  const why = `${c.missing}: the load is in JavaScript and is the bottleneck; compare CPU only`;
  return { command: [process.execPath, path(`${name}.mjs`)], tail: [], note: why };
}
