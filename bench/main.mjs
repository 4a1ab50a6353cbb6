#!/usr/bin/env node
// `npm run bench -- <name> [options]`: one table, name -> module. A module exports
// `main(args)`; it parses its own options (`--help` included) and prints its own tables.

const BENCHMARKS = {
  echo: {
    module: './echo/main.mjs',
    summary: 'CPU per message, rate and memory per idle connection, beside C and node:net',
  },
};

function help() {
  const width = Math.max(...Object.keys(BENCHMARKS).map((name) => name.length));
  const lines = Object.entries(BENCHMARKS).map(
    ([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}`,
  );
  return `Usage: npm run bench -- <name> [options]\n\n${lines.join('\n')}\n
Options of one benchmark: npm run bench -- <name> --help. How to read it: bench/README.md\n`;
}

async function start([name, ...args]) {
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    process.stdout.write(help());
    return;
  }
  if (!Object.hasOwn(BENCHMARKS, name)) {
    process.stderr.write(`Unknown benchmark '${name}'\n\n${help()}`);
    process.exitCode = 2;
    return;
  }
  const { main } = await import(BENCHMARKS[name].module);
  await main(args);
}

await start(process.argv.slice(2));
