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
// Divisible by the counts of tasks and by BATCH, and so are its multiples.
const LEAST = 200;

const say = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);

/** Doubles the count until a sample is long enough for such a round, and runs until it is warm. */
async function prepare(body, warmMs, roundMs) {
  const warm = performance.now() + warmMs;
  for (let count = LEAST; ; ) {
    const ns = await body(count);
    if (ns < (roundMs * 1e6) / SAMPLES) count *= 2;
    else if (performance.now() >= warm) return count;
  }
}

/**
 * The mean of the samples, because a collection belongs to what caused it; a round's luck is left
 * to the median over rounds. No collection is forced before: it would throw away the compiled code
 * that knows objects of the last round's run, and the round would measure the compiler.
 */
async function round(body, count, ms) {
  const run = { manual: () => body(count), budget: 'manual' };
  const options = { gc: false, min_cpu_time: ms * 1e6, min_samples: SAMPLES };
  const { avg, ticks } = await measure(function* () {
    yield run;
  }, options);
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
