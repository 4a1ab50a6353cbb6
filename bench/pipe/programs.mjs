// The programs of the comparison: the relays with their commands.

import { buildC, buildGo } from '../lib/build.mjs';
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

/** `ready`: [{ name, command }]; `absent`: [{ name, missing }]. */
export const chooseRelays = (options) => choose(options, RELAYS, PEERS);
