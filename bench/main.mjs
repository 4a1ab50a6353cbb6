#!/usr/bin/env node
// `npm run bench -- <name>... [options]`. A benchmark is a module that exports `main(args, names)`,
// which parses the options (including `--help`) and prints tables.

import { SUITES } from './network/suites.mjs';

const BENCHMARKS = {
  ...Object.fromEntries(
    Object.entries(SUITES).map(([name, { summary }]) => [
      name,
      { module: './network/main.mjs', summary },
    ]),
  ),
  pipe: {
    module: './pipe/main.mjs',
    summary: 'CPU per GB from one connection to another, compared with C and node:net',
  },
  sim: { module: './sim/main.mjs', summary: 'simulated runs and events per second' },
  switch: {
    module: './micro/main.mjs',
    summary: 'tasks that yield in turn, compared with async functions, Effect, effection',
  },
  spawn: { module: './micro/main.mjs', summary: 'a task that starts and ends' },
  channel: { module: './micro/main.mjs', summary: 'items from one task to another' },
  timers: { module: './micro/main.mjs', summary: 'timeouts, scopes, a million sleeping tasks' },
  cancel: { module: './micro/main.mjs', summary: 'cancelling a task, and a tree of 100,000' },
};

function help() {
  const width = Math.max(...Object.keys(BENCHMARKS).map((name) => name.length));
  const lines = Object.entries(BENCHMARKS).map(
    ([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}`,
  );
  return `Usage: npm run bench -- <name>... [options]\n\n${lines.join('\n')}\n
Options of a benchmark: npm run bench -- <name> --help. Explanations: bench/README.md\n`;
}

/** The leading names, and the options after them. */
function split(args) {
  const end = args.findIndex((arg) => arg.startsWith('-'));
  return end < 0 ? [args, []] : [args.slice(0, end), args.slice(end)];
}

/** Benchmarks of one module run together: module -> names, in the order of the arguments. */
function byModule(names) {
  const modules = new Map();
  for (const name of new Set(names)) {
    const { module } = BENCHMARKS[name];
    modules.set(module, [...(modules.get(module) ?? []), name]);
  }
  return modules;
}

async function start(args) {
  const [names, options] = split(args);
  if (names.length === 0 || names[0] === 'help') {
    process.stdout.write(help());
    return;
  }
  const unknown = names.find((name) => !Object.hasOwn(BENCHMARKS, name));
  if (unknown !== undefined) {
    process.stderr.write(`Unknown benchmark '${unknown}'\n\n${help()}`);
    process.exitCode = 2;
    return;
  }
  for (const [module, chosen] of byModule(names)) {
    const { main } = await import(module);
    await main(options, chosen);
  }
}

await start(process.argv.slice(2));
