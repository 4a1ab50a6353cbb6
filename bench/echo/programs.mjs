// The programs of the comparison: the servers with their commands, and the load.

import { buildC, buildGo, installed } from '../lib/build.mjs';
import { choose, compiled, node, overDist, path } from '../lib/programs.mjs';

// In the order of the table: the lower limit, Coronet, the others.
const SERVERS = {
  c: () => compiled(buildC('servers/c-epoll.c', 'c-epoll')),
  'coronet-epoll': () => overDist('servers/coronet.mjs', 'epoll'),
  'coronet-portable': () => overDist('servers/coronet.mjs', 'portable'),
  'node-net': () => ({ command: node(process.execPath, path('servers/node-net.mjs')) }),
  go: () => compiled(buildGo('peers/echo.go', 'go-echo')),
};

const PEERS = {
  bun: (program) => [program, path('peers/bun.mjs')],
  node: (program) => node(program, path('servers/node-net.mjs')),
  coronet: (entry) => node(process.execPath, path('servers/coronet.mjs'), 'epoll', entry),
};

function defaults(quick) {
  const names = Object.keys(SERVERS).filter((name) => name !== 'go');
  return !quick && installed('go', 'version') ? [...names, 'go'] : names;
}

/** `ready`: [{ name, command }]; `absent`: [{ name, missing }]. */
export function chooseServers({ servers, peers, quick }) {
  return choose({ names: servers ?? defaults(quick), peers }, SERVERS, PEERS);
}

export function chooseLoad({ jsLoad, loadSleeps }) {
  const c = jsLoad ? { missing: '--js-load' } : buildC('load.c', 'load');
  if (c.missing) {
    const why = `${c.missing}: the load is in JavaScript and is the bottleneck; compare CPU only`;
    return { command: [process.execPath, path('load.mjs')], tail: [], note: why };
  }
  return { command: [c.path], tail: loadSleeps ? [] : ['spin'] };
}
