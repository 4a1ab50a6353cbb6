// `npm run bench -- switch spawn channel timers cancel`: the cost of tasks, in several runtimes.

import { facts } from '../lib/machine.mjs';
import { note, out, printer, runMain } from '../lib/main.mjs';
import { chooseCandidates } from './candidates.mjs';
import { HELP, readOptions } from './options.mjs';
import { judge, LEGEND, printBars, printFacts, printSuite, summarizeCase } from './report.mjs';
import { measureCase } from './rounds.mjs';
import { SUITES } from './suites.mjs';

const chosen = (one, { quick, only }) => (one.quick || !quick) && one.name.includes(only);

async function measureSuite(name, specs, options) {
  const suite = { name, rows: [], bars: [], failures: [] };
  for (const one of SUITES[name].cases.filter((each) => chosen(each, options))) {
    const entries = await measureCase(one, specs, options);
    suite.rows.push(...summarizeCase(one, entries));
    suite.bars.push(...judge(one, entries));
    for (const { failed } of entries) if (failed) suite.failures.push(`${one.name}: ${failed}`);
  }
  return suite;
}

function printed({ name, rows, bars, failures }, specs) {
  const names = specs.map((spec) => spec.name);
  const failed = failures.map((failure) => `  failed: ${failure}`);
  const parts = [printSuite(SUITES[name].title, rows, names), printBars(bars), ...failed];
  return parts.filter((part) => part !== '').join('\n');
}

/** One line for each reason. */
function noteAbsent(absent) {
  for (const reason of new Set(absent.map(({ missing }) => missing))) {
    const names = absent.filter(({ missing }) => missing === reason).map(({ name }) => name);
    note(`${names.join(', ')}: skipped (${reason})`);
  }
}

async function measure(names, options) {
  const { ready, absent } = chooseCandidates(options);
  const machine = facts();
  const print = printer(options);
  print(printFacts(machine, options));
  noteAbsent(absent);
  const suites = [];
  for (const name of names) {
    suites.push(await measureSuite(name, ready, options));
    print(`\n${printed(suites.at(-1), ready)}`);
  }
  const { loadAverage } = facts();
  print(`\n${LEGEND}\nLoad average at the end: ${loadAverage.toFixed(2)}`);
  if (options.json) out(JSON.stringify({ machine, loadAverage, options, absent, suites }, null, 2));
  if (suites.some(({ failures }) => failures.length > 0)) process.exitCode = 1;
}

export const main = (args, names) =>
  runMain({ help: HELP, readOptions }, args, (options) => measure(names, options));
