// The programs of the comparison: the relays with their commands, and the load.

import { buildC, buildGo, installed } from '../lib/build.mjs';
import { choose, compiled, node, overDist, path } from '../lib/programs.mjs';

// In the order of the table: the lower limits, Coronet, the others.
const RELAYS = {
  c: () => compiled(buildC('servers/c-relay.c', 'c-relay')),
  'c-splice': () => compiled(buildC('servers/c-relay.c', 'c-relay'), 'splice'),
  'coronet-epoll': () => overDist('servers/relay-coronet.mjs', 'epoll'),
  'coronet-portable': () => overDist('servers/relay-coronet.mjs', 'portable'),
  'node-net': () => ({ command: node(process.execPath, path('servers/relay-node.mjs')) }),
  go: () => compiled(buildGo('peers/relay.go', 'go-relay')),
};

const PEERS = {
  node: (program) => node(program, path('servers/relay-node.mjs')),
  coronet: (entry) => node(process.execPath, path('servers/relay-coronet.mjs'), 'epoll', entry),
};

function defaults(quick) {
  const names = Object.keys(RELAYS).filter((name) => name !== 'go');
  return !quick && installed('go', 'version') ? [...names, 'go'] : names;
}

/** `ready`: [{ name, command }]; `absent`: [{ name, missing }]. */
export function chooseRelays({ servers, peers, quick }) {
  return choose({ names: servers ?? defaults(quick), peers }, RELAYS, PEERS);
}

export function chooseLoad({ jsLoad, loadSleeps }) {
  const c = jsLoad ? { missing: '--js-load' } : buildC('bulk.c', 'bulk');
  if (c.missing) {
    const why = `${c.missing}: the load is in JavaScript and is the bottleneck; compare CPU only`;
    return { command: [process.execPath, path('bulk.mjs')], tail: [], note: why };
  }
  return { command: [c.path], tail: loadSleeps ? [] : ['spin'] };
}
