// The network benchmarks: comparisons of servers.

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
import { measureCell } from './bench.mjs';
import { idleConnections, measureMemory } from './memory.mjs';
import { HELP, readOptions } from './options.mjs';
import { programsOf } from './programs.mjs';
import { LEGEND, printCell, printMemory, summarizeMemory } from './report.mjs';
import { SUITES } from './suites.mjs';

async function measureIdle(env) {
  if (env.memory === 0) return undefined;
  const connections = idleConnections(env.memory);
  if (connections < env.memory) {
    note(`Memory: ${connections} connections, the most that the descriptor limit permits`);
  }
  if (connections === 0) return undefined;
  const { ready, load } = programsOf({ suite: 'echo', ...SUITES.echo.cells[0] }, env);
  const entries = await measureMemory(connections, ready, { ...env, load });
  printer(env)(printMemory(connections, entries));
  if (anyFailed(entries)) process.exitCode = 1;
  return { connections, servers: summarizeMemory(entries) };
}

async function measure(options) {
  const env = { ...options, place: placement() };
  const plan = `${env.starts} × ${env.rounds} rounds of ${env.seconds} s`;
  const { machine, notes, cells } = await measureCells(
    { env, plan },
    { programsOf: (cell) => programsOf(cell, env), measureCell, printCell },
  );
  const memory = await measureIdle(env);
  printer(env)(`\n${LEGEND}`);
  if (!env.json) return;
  const { place, background, seconds, starts, rounds } = env;
  const load = { background, seconds, starts, rounds };
  const document = { machine, place, load, notes, cells: documentCells(cells), memory };
  out(JSON.stringify(document, null, 2));
}

export const main = (args, suites) =>
  runMain({ help: HELP, readOptions: (given) => readOptions(given, suites) }, args, measure);
