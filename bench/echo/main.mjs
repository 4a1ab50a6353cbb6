// `npm run bench -- echo`: a comparison of echo servers.

import { facts, placement } from '../lib/machine.mjs';
import { UsageError } from '../lib/options.mjs';
import { printFacts } from '../lib/rounds.mjs';
import { measureCell } from './bench.mjs';
import { idleConnections, measureMemory } from './memory.mjs';
import { HELP, readOptions } from './options.mjs';
import { chooseLoad, chooseServers } from './programs.mjs';
import { LEGEND, printCell, printMemory, summarizeCell, summarizeMemory } from './report.mjs';

const out = (text) => process.stdout.write(`${text}\n`);
const note = (text) => process.stderr.write(`${text}\n`);

const anyFailed = (entries) => entries.some((entry) => entry.failed);

async function measureCells(env, specs, print) {
  const results = [];
  for (const cell of env.cells) {
    const entries = await measureCell(cell, specs, env);
    print(`${printCell(cell, entries, env)}\n`);
    results.push({ ...cell, entries });
  }
  return results;
}

async function measureIdle(env, specs, print) {
  const connections = idleConnections(env.memory);
  if (env.memory === 0) return undefined;
  if (connections < env.memory) {
    note(`Memory: ${connections} connections, the most that the descriptor limit permits`);
  }
  if (connections === 0) return undefined;
  const entries = await measureMemory(connections, specs, env);
  print(printMemory(connections, entries));
  return { connections, entries };
}

function document({ machine, env, absent, cells, memory }) {
  const { place, depth, background, seconds, starts, rounds } = env;
  return {
    machine,
    place,
    load: { depth, background, seconds, starts, rounds, note: env.load.note },
    absent,
    cells: cells.map(({ entries, ...cell }) => ({
      ...cell,
      servers: summarizeCell(entries).map((row, i) => ({ ...row, rounds: entries[i].rounds })),
    })),
    memory: memory && {
      connections: memory.connections,
      servers: summarizeMemory(memory.entries),
    },
  };
}

async function measure(env, specs, absent) {
  const machine = facts();
  const print = env.json ? note : out;
  const plan = `${env.starts} × ${env.rounds} rounds of ${env.seconds} s`;
  print(`${printFacts(machine, env.place, plan)}\n`);
  for (const { name, missing } of absent) note(`${name}: skipped (${missing})`);
  if (env.load.note) note(`load: ${env.load.note}`);
  const cells = await measureCells(env, specs, print);
  const memory = await measureIdle(env, specs, print);
  print(`\n${LEGEND}`);
  if (env.json) out(JSON.stringify(document({ machine, env, absent, cells, memory }), null, 2));
  if (cells.some(({ entries }) => anyFailed(entries)) || (memory && anyFailed(memory.entries))) {
    process.exitCode = 1;
  }
}

export async function main(args) {
  try {
    const options = readOptions(args);
    if (options.help) return out(HELP.trimEnd());
    const { ready, absent } = chooseServers(options);
    await measure({ ...options, place: placement(), load: chooseLoad(options) }, ready, absent);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    note(`${error.message}\n\n${HELP}`);
    process.exitCode = 2;
  }
}
