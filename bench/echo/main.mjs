// `npm run bench -- echo`: a comparison of echo servers.

import { placement } from '../lib/machine.mjs';
import {
  anyFailed,
  documentCells,
  measureCells,
  note,
  out,
  printer,
  runMain,
} from '../lib/main.mjs';
import { chooseLoad } from '../lib/programs.mjs';
import { measureCell } from './bench.mjs';
import { idleConnections, measureMemory } from './memory.mjs';
import { HELP, readOptions } from './options.mjs';
import { chooseServers } from './programs.mjs';
import { LEGEND, printCell, printMemory, summarizeMemory } from './report.mjs';

async function measureIdle(env, specs) {
  const connections = idleConnections(env.memory);
  if (env.memory === 0) return undefined;
  if (connections < env.memory) {
    note(`Memory: ${connections} connections, the most that the descriptor limit permits`);
  }
  if (connections === 0) return undefined;
  const entries = await measureMemory(connections, specs, env);
  printer(env)(printMemory(connections, entries));
  if (anyFailed(entries)) process.exitCode = 1;
  return { connections, servers: summarizeMemory(entries) };
}

async function measure(options) {
  const { ready, absent } = chooseServers(options);
  const env = { ...options, place: placement(), load: chooseLoad('load', options) };
  const plan = `${env.starts} × ${env.rounds} rounds of ${env.seconds} s`;
  const { machine, cells } = await measureCells(
    { env, ready, absent, plan },
    { measureCell, printCell },
  );
  const memory = await measureIdle(env, ready);
  printer(env)(`\n${LEGEND}`);
  if (!env.json) return;
  const { place, depth, background, seconds, starts, rounds } = env;
  const load = { depth, background, seconds, starts, rounds, note: env.load.note };
  const document = { machine, place, load, absent, cells: documentCells(cells), memory };
  out(JSON.stringify(document, null, 2));
}

export const main = (args) => runMain({ help: HELP, readOptions }, args, measure);
