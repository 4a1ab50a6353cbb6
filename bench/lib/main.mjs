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

/** Prints a line on stderr, once. */
function noteOnce(noted, text) {
  if (!noted.has(text)) note(text);
  noted.add(text);
}

/**
 * Prints the facts and a table for each cell. `programsOf(cell)` returns { ready, absent, load },
 * and `measureCell(cell, ready, env)` the entries. Returns { machine, notes, cells }; a cell of the
 * result is { cell, entries }.
 */
export async function measureCells({ env, plan }, { programsOf, measureCell, printCell }) {
  const machine = facts();
  const print = printer(env);
  const noted = new Set();
  const cells = [];
  print(`${printFacts(machine, env.place, plan)}\n`);
  for (const cell of env.cells) {
    const { ready, absent, load } = programsOf(cell);
    for (const { name, missing } of absent) noteOnce(noted, `${name}: skipped (${missing})`);
    if (load.note) noteOnce(noted, `load: ${load.note}`);
    if (ready.length === 0) continue;
    const entries = await measureCell(cell, ready, { ...env, load });
    print(`${printCell(cell, entries, env)}\n`);
    cells.push({ cell, entries });
  }
  if (anyFailed(cells.flatMap(({ entries }) => entries))) process.exitCode = 1;
  return { machine, notes: [...noted], cells };
}

export const anyFailed = (entries) => entries.some((entry) => entry.failed);

/** The cells as they appear in the JSON document. */
export const documentCells = (cells) =>
  cells.map(({ cell, entries }) => ({
    ...cell,
    servers: summarizeCell(entries).map((row, i) => ({ ...row, rounds: entries[i].rounds })),
  }));
