// One scenario with one build of Coronet, in its own process.
//
//   node child.mjs <directory of the build> <scenario, JSON>
//
// A command per line on stdin, a response in JSON on stdout: `round <ms>` simulates for that time.
// End of file on stdin ends the process.

import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { scenariosOf } from './scenarios.mjs';

const print = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);

const [, , directory, text] = process.argv;
const { name, size, runs, options } = JSON.parse(text);
const load = (file) => import(pathToFileURL(join(directory, file)).href);
const { simulate } = await load('sim.js');
const scenario = scenariosOf(await load('index.js'))[name](size);

/** Batches of runs until `ms` have passed. The seeds continue from one batch to the next. */
async function round(ms) {
  const cpu = process.cpuUsage();
  const begin = performance.now();
  const total = { runs: 0, events: 0, steps: 0 };
  for (let seed = 1; performance.now() - begin < ms; seed += runs) {
    const report = await simulate(scenario, { ...options, runs, seed, debug: false });
    total.runs += report.runs;
    total.events += report.events;
    total.steps += report.steps;
  }
  const wallMs = performance.now() - begin;
  const { user, system } = process.cpuUsage(cpu);
  return { ...total, wallMs, cpuMs: (user + system) / 1000 };
}

print({ ready: true });
for await (const line of createInterface({ input: process.stdin })) {
  print(await round(Number(line.split(' ')[1])));
}
