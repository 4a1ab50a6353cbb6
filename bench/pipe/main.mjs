// `npm run bench -- pipe`: a comparison of relays.

import { facts, placement } from '../lib/machine.mjs';
import { UsageError } from '../lib/options.mjs';
import { printFacts } from '../lib/rounds.mjs';
import { measureCell } from './bench.mjs';
import { HELP, readOptions } from './options.mjs';
import { chooseLoad, chooseRelays } from './programs.mjs';
import { LEGEND, printCell, summarizeCell } from './report.mjs';

const out = (text) => process.stdout.write(`${text}\n`);
const note = (text) => process.stderr.write(`${text}\n`);

async function measureCells(env, specs, print) {
  const results = [];
  for (const cell of env.cells) {
    const entries = await measureCell(cell, specs, env);
    print(`${printCell(cell, entries, env)}\n`);
    results.push({ ...cell, entries });
  }
  return results;
}

function document({ machine, env, absent, cells }) {
  const { place, bytes, window, starts, rounds } = env;
  return {
    machine,
    place,
    load: { bytes, window, starts, rounds, note: env.load.note },
    absent,
    cells: cells.map(({ entries, ...cell }) => ({
      ...cell,
      relays: summarizeCell(entries).map((row, i) => ({ ...row, rounds: entries[i].rounds })),
    })),
  };
}

async function measure(env, specs, absent) {
  const machine = facts();
  const print = env.json ? note : out;
  const plan =
    `${env.starts} × ${env.rounds} rounds of ${env.bytes / 1e9} GB, ` +
    `${env.window / 1024} KB of each pair in flight`;
  print(`${printFacts(machine, env.place, plan)}\n`);
  for (const { name, missing } of absent) note(`${name}: skipped (${missing})`);
  if (env.load.note) note(`load: ${env.load.note}`);
  const cells = await measureCells(env, specs, print);
  print(LEGEND);
  if (env.json) out(JSON.stringify(document({ machine, env, absent, cells }), null, 2));
  if (cells.some(({ entries }) => entries.some((entry) => entry.failed))) process.exitCode = 1;
}

export async function main(args) {
  try {
    const options = readOptions(args);
    if (options.help) return out(HELP.trimEnd());
    const { ready, absent } = chooseRelays(options);
    await measure({ ...options, place: placement(), load: chooseLoad(options) }, ready, absent);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    note(`${error.message}\n\n${HELP}`);
    process.exitCode = 2;
  }
}
