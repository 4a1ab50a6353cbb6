// The candidates: Coronet, the installed peers, and other builds of Coronet.

import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { UsageError } from '../lib/options.mjs';

const path = (name) => fileURLToPath(new URL(`../${name}`, import.meta.url));

const child = (runtime, entry) => (work) => {
  const command = [process.execPath, '--expose-gc', path('micro/child.mjs'), runtime];
  return [...command, JSON.stringify(work), ...(entry ? [entry] : [])];
};

function installed(runtime) {
  if (existsSync(path(`node_modules/${runtime}/package.json`))) return {};
  return { missing: 'not installed: npm install --prefix bench' };
}

function built(entry) {
  return existsSync(entry) ? {} : { missing: 'dist/index.js is not built: npm run build' };
}

const RUNTIMES = {
  coronet: () => built(path('../dist/index.js')),
  promise: () => ({}),
  effect: () => installed('effect'),
  effection: () => installed('effection'),
};

function named(name) {
  if (!Object.hasOwn(RUNTIMES, name)) {
    const known = Object.keys(RUNTIMES).join(', ');
    throw new UsageError(`Unknown runtime '${name}': one of ${known}`);
  }
  return { name, runtime: name, command: child(name), ...RUNTIMES[name]() };
}

function other(entry, index) {
  const name = index === 0 ? 'coronet (peer)' : `coronet (peer ${index + 1})`;
  return { name, runtime: 'coronet', command: child('coronet', entry), ...built(entry) };
}

/** `ready`: [{ name, runtime, command(work) }]; `absent`: the others, with `missing`. */
export function chooseCandidates({ runtimes = Object.keys(RUNTIMES), builds }) {
  const all = [...runtimes.map(named), ...builds.map(other)];
  return {
    ready: all.filter(({ missing }) => !missing),
    absent: all.filter(({ missing }) => missing),
  };
}
