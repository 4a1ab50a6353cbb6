// The common part of the benchmarks' main functions.

import { facts } from './machine.mjs';
import { UsageError } from './options.mjs';
import { printFacts, summarizeCell } from './rounds.mjs';

export const out = (text) => process.stdout.write(`${text}\n`);
export const note = (text) => process.stderr.write(`${text}\n`);

/** With --json, stdout has the JSON document only, and tables appear on stderr. */
export const printer = ({ json }) => (json ? note : out);

/** Runs `measure` with the options. Prints the help for --help and for a mistake in `args`. */
export async function runMain({ help, readOptions }, args, measure) {
  try {
    const options = readOptions(args);
    if (options.help) return out(help.trimEnd());
    await measure(options);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    note(`${error.message}\n\n${help}`);
    process.exitCode = 2;
  }
}

/** Prints the facts and a table for each cell. Returns { machine, cells: [{ cell, entries }] }. */
export async function measureCells({ env, ready, absent, plan }, { measureCell, printCell }) {
  const machine = facts();
  const print = printer(env);
  print(`${printFacts(machine, env.place, plan)}\n`);
  for (const { name, missing } of absent) note(`${name}: skipped (${missing})`);
  if (env.load.note) note(`load: ${env.load.note}`);
  const cells = [];
  for (const cell of env.cells) {
    const entries = await measureCell(cell, ready, env);
    print(`${printCell(cell, entries, env)}\n`);
    cells.push({ cell, entries });
  }
  if (anyFailed(cells.flatMap(({ entries }) => entries))) process.exitCode = 1;
  return { machine, cells };
}

export const anyFailed = (entries) => entries.some((entry) => entry.failed);

/** The cells as they appear in the JSON document. */
export const documentCells = (cells) =>
  cells.map(({ cell, entries }) => ({
    ...cell,
    servers: summarizeCell(entries).map((row, i) => ({ ...row, rounds: entries[i].rounds })),
  }));
