// One case of one runtime, in its own process.
//
//   node --expose-gc child.mjs <runtime> <case and parameters, JSON> [entry]
//
// A command per line on stdin, a response in JSON on stdout: `prepare <ms> <ms>` warms up and
// determines the number of operations in a sample of a round, `round <ms>` measures, `once` runs a
// case that runs once. End of file on stdin ends the process.

import { createInterface } from 'node:readline';
import { measure } from 'mitata';

const SAMPLES = 5;
// Divisible by the numbers of tasks and by BATCH, as are its multiples.
const LEAST = 200;

const print = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);

/** Doubles the count until a sample is long enough for a round, and runs until it is warm. */
async function prepare(body, warmMs, roundMs) {
  const warm = performance.now() + warmMs;
  for (let count = LEAST; ; ) {
    const ns = await body(count);
    if (ns < (roundMs * 1e6) / SAMPLES) count *= 2;
    else if (performance.now() >= warm) return count;
  }
}

/**
 * The mean of the samples, because collections are part of the cost; the median over rounds removes
 * outliers. No collection is forced before a round: V8 would discard compiled code that refers to
 * objects of the last round, and the round would measure the compiler.
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
  print({ ready: true });
  for await (const line of createInterface({ input: process.stdin })) {
    const [command, ...ms] = line.split(' ');
    if (command === 'prepare') {
      count = await prepare(body, ...ms.map(Number));
      print({ count });
    } else if (command === 'round') {
      print(await round(body, count, Number(ms[0])));
    } else {
      print(await body());
    }
  }
}

await main();
// A runtime may leave a timer or a listener active.
process.exit(0);
