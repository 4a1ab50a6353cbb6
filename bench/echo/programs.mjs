// The programs of the comparison: which servers there are, how to start them, and the load.

import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { buildC, buildGo, installed } from '../lib/build.mjs';
import { UsageError } from './options.mjs';

const path = (name) => fileURLToPath(new URL(`../${name}`, import.meta.url));
const node = (program, ...args) => [program, '--expose-gc', ...args];

function compiled({ path: program, missing }) {
  return program ? { command: [program] } : { missing };
}

function coronet(backend) {
  if (!existsSync(path('../dist/index.js'))) {
    return { missing: 'dist/index.js is not built: npm run build' };
  }
  return { command: node(process.execPath, path('servers/coronet.mjs'), backend) };
}

// In the order of the table: the limit, ours, what we are compared with.
const SERVERS = {
  c: () => compiled(buildC('servers/c-epoll.c', 'c-epoll')),
  'coronet-epoll': () => coronet('epoll'),
  'coronet-portable': () => coronet('portable'),
  'node-net': () => ({ command: node(process.execPath, path('servers/node-net.mjs')) }),
  go: () => compiled(buildGo('peers/echo.go', 'go-echo')),
};

const PEERS = {
  bun: (program) => ({ command: [program, path('peers/bun.mjs')] }),
  node: (program) => ({ command: node(program, path('servers/node-net.mjs')) }),
  coronet: (entry) => ({
    command: node(process.execPath, path('servers/coronet.mjs'), 'epoll', entry),
  }),
};

function defaults(quick) {
  const names = Object.keys(SERVERS).filter((name) => name !== 'go');
  return !quick && installed('go', 'version') ? [...names, 'go'] : names;
}

function named(name) {
  if (!Object.hasOwn(SERVERS, name)) {
    throw new UsageError(`Unknown server '${name}': one of ${Object.keys(SERVERS).join(', ')}`);
  }
  return { name, ...SERVERS[name]() };
}

function peer({ name, path: given }, index) {
  if (!Object.hasOwn(PEERS, name)) {
    throw new UsageError(`Unknown peer '${name}': one of ${Object.keys(PEERS).join(', ')}`);
  }
  const label = index === 0 ? `${name} (peer)` : `${name} (peer ${index + 1})`;
  if (!existsSync(given)) return { name: label, missing: `no such file: ${given}` };
  return { name: label, ...PEERS[name](given) };
}

/** Those that can run: [{ name, command }]; those that cannot: [{ name, missing }]. */
export function chooseServers({ servers, peers, quick }) {
  const all = [...(servers ?? defaults(quick)).map(named), ...peers.map(peer)];
  return { ready: all.filter((one) => one.command), absent: all.filter((one) => one.missing) };
}

export function chooseLoad({ jsLoad, loadSleeps }) {
  const c = jsLoad ? { missing: 'asked for JavaScript' } : buildC('load.c', 'load');
  if (c.missing) {
    const why = `${c.missing}: the load is JavaScript and is the limit itself; compare CPU only`;
    return { command: [process.execPath, path('load.mjs')], tail: [], note: why };
  }
  return { command: [c.path], tail: loadSleeps ? [] : ['spin'] };
}
