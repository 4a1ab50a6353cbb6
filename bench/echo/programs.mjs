// The programs of the comparison: the servers with their commands.

import { buildC, buildGo } from '../lib/build.mjs';
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

/** `ready`: [{ name, command }]; `absent`: [{ name, missing }]. */
export const chooseServers = (options) => choose(options, SERVERS, PEERS);
