// One runtime doing one thing, in a process of its own.
//
//   node --expose-gc child.mjs <runtime> <case and parameters, JSON> [entry]
//
// A command per line on stdin, an answer in JSON on stdout: `prepare <ms> <ms>` warms up
// and finds out how many operations make a sample of a round, `round <ms>` measures, `once` does
// what happens once. The end of stdin ends the process.

import { createInterface } from 'node:readline';
import { measure } from 'mitata';

const SAMPLES = 5;
// Divisible by the counts of tasks and by the batches.
const LEAST = 1000;

const say = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);

/** Runs for `warmMs`; then doubles the count until a sample is long enough for such a round. */
async function prepare(body, warmMs, roundMs) {
  let count = LEAST;
  const warm = performance.now() + warmMs;
  while (performance.now() < warm) await body(count);
  while ((await body(count)) < (roundMs * 1e6) / SAMPLES) count *= 2;
  return count;
}

/**
 * The mean of the samples, because a collection belongs to what caused it; a round's luck is left
 * to the median over rounds. mitata collects the garbage before, and runs one sample unmeasured.
 */
async function round(body, count, ms) {
  const run = { manual: () => body(count), budget: 'manual' };
  const budget = { min_cpu_time: ms * 1e6, min_samples: SAMPLES };
  const { avg, ticks } = await measure(function* () {
    yield run;
  }, budget);
  return { ns: avg / count, operations: count, samples: ticks };
}

async function main() {
  const [, , runtime, text] = process.argv;
  const { kind, ...parameters } = JSON.parse(text);
  const { cases } = await import(`./runtimes/${runtime}.mjs`);
  const body = cases[kind](parameters);
  let count = LEAST;
  say({ ready: true });
  for await (const line of createInterface({ input: process.stdin })) {
    const [command, ...ms] = line.split(' ');
    if (command === 'prepare') {
      count = await prepare(body, ...ms.map(Number));
      say({ count });
    } else if (command === 'round') {
      say(await round(body, count, Number(ms[0])));
    } else {
      say(await body());
    }
  }
}

await main();
// A runtime may have left a timer or a listener behind.
process.exit(0);
