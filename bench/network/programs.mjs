// The servers of the comparison: one definition for each implementation, with the handler and the
// transport as arguments.

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { buildC, buildGo, buildIdentity } from '../lib/build.mjs';
import { choose, chooseLoad, compiled, node, overDist, path } from '../lib/programs.mjs';

const PLAIN = '-';

/** The last argument of a server: the folder of its certificate. */
const transport = (tls) => (tls ? buildIdentity().path : PLAIN);

/** Bun in the PATH; another one is a peer. */
function findBun() {
  const how = '`npm install --prefix DIR bun`, then --peer bun=DIR/node_modules/bun/bin/bun.exe';
  const { error } = spawnSync('bun', ['--version']);
  return error ? { missing: `bun is not in the PATH: ${how}` } : { path: 'bun' };
}

/** Coronet's servers, { name: program }. `variants`: further handlers, { name: handler }. */
function coronet({ handler, variants = {} }, program) {
  const handlers = { 'coronet-epoll': handler, ...variants, 'coronet-portable': handler };
  return Object.fromEntries(
    Object.entries(handlers).map(([name, chosen]) => {
      const backend = name.startsWith('coronet-portable') ? 'portable' : 'epoll';
      return [name, () => program(backend, chosen)];
    }),
  );
}

const byteServer = (tls) => (backend, handler) =>
  overDist('servers/coronet.mjs', backend, handler, transport(tls));

function webSocketServer(backend, handler) {
  if (!existsSync(path('../dist/ws.js'))) return { missing: 'dist/ws.js is not built' };
  return overDist('servers/ws-coronet.mjs', backend, handler);
}

/** The makers of another build's servers: `coronet`, and the variants under their own names. */
function builds({ handler, variants = {}, tls }) {
  const server = (chosen) => (entry) => {
    const args = ['epoll', chosen, transport(tls), entry];
    return node(process.execPath, path('servers/coronet.mjs'), ...args);
  };
  const entries = Object.entries({ coronet: handler, ...variants });
  return Object.fromEntries(entries.map(([name, chosen]) => [name, server(chosen)]));
}

function bytes(cell) {
  const { handler, tls } = cell;
  const script = (name) => [path(name), handler, transport(tls)];
  return {
    programs: {
      c: () => compiled(buildC('servers/c-epoll.c', 'c-epoll', { tls }), handler, transport(tls)),
      ...coronet(cell, byteServer(tls)),
      'node-net': () => ({ command: node(process.execPath, ...script('servers/node-net.mjs')) }),
      bun: () => compiled(findBun(), ...script('peers/bun.mjs')),
      go: () => compiled(buildGo('peers/server.go', 'go-server'), handler, transport(tls)),
    },
    peers: {
      bun: (program) => [program, ...script('peers/bun.mjs')],
      node: (program) => node(program, ...script('servers/node-net.mjs')),
      ...builds(cell),
    },
  };
}

function webSocket(cell) {
  const { handler } = cell;
  const script = (name) => [path(name), handler];
  return {
    programs: {
      ...coronet(cell, webSocketServer),
      ws: () => ({ command: node(process.execPath, ...script('servers/ws-node.mjs')) }),
      bun: () => compiled(findBun(), ...script('peers/ws-bun.mjs')),
    },
    peers: {
      bun: (program) => [program, ...script('peers/ws-bun.mjs')],
      node: (program) => node(program, ...script('servers/ws-node.mjs')),
      coronet: (entry) =>
        node(process.execPath, path('servers/ws-coronet.mjs'), 'epoll', handler, entry),
    },
  };
}

const definitions = (cell) => (cell.webSocket ? webSocket(cell) : bytes(cell));

export const serverNames = (cell) => Object.keys(definitions(cell).programs);

/** The load of a cell, as `chooseLoad` returns it. Only the load of `echo` is also a script. */
function loadOf(cell, options) {
  const { missing } = cell.tls ? buildIdentity() : {};
  if (missing) return { missing };
  const script = cell.protocol === 'echo' && !cell.tls && !cell.paced;
  return chooseLoad(cell.short ? 'connect' : 'load', { ...options, tls: cell.tls, script });
}

/** { ready, absent, load } of a cell; nothing is ready without the load. */
export function programsOf(cell, options) {
  const load = loadOf(cell, options);
  if (load.missing) return { ready: [], absent: [{ name: cell.suite, ...load }], load };
  const { programs, peers } = definitions(cell);
  const servers = options.servers?.filter((name) => Object.hasOwn(programs, name));
  return { ...choose({ ...options, servers }, programs, peers), load };
}
