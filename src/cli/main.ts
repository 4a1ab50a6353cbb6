#!/usr/bin/env node

/**
 * The `coronet` command: finds the subcommand, reads its options, turns errors into one sentence
 * and an exit code. 0: all went well; 1: it failed; 2: it was called wrongly.
 */

import { nearest } from '../support/nearest.ts';
import { CommandUsageError, reportFailure } from './errors.ts';
import { checkNodeVersion } from './version.ts';

interface Command {
  readonly summary: string;
  /** Imported only when it is used: `coronet --help` loads nothing. */
  load(): Promise<{ run(args: readonly string[]): Promise<void> }>;
}

const COMMANDS: Readonly<Record<string, Command>> = {
  echo: {
    summary: 'the echo server: answers GOT: and what it was sent',
    load: () => import('./echo.ts'),
  },
  serve: {
    summary: 'serves connections with the handler that a module exports',
    load: () => import('./serve.ts'),
  },
  sim: {
    summary: 'a scenario in simulated worlds: seeds, faults, replays',
    load: () => import('./sim.ts'),
  },
  doctor: {
    summary: 'what this machine offers, and which backend is used and why',
    load: () => import('./doctor.ts'),
  },
  explain: {
    summary: 'what an error code means, what leads there, what to do',
    load: () => import('./explain.ts'),
  },
};

const HELP = `Examples:
  coronet echo                      serve on 127.0.0.1, port 25000; then: nc localhost 25000
  coronet echo --port 7 --quiet     another port, no lines on stdout
  coronet serve handler.mjs         serve with the generator function that the file exports
  coronet sim race.mjs --runs 1000  a scenario in a thousand simulated worlds
  coronet doctor --json             facts for a program to read
  coronet explain ERR_BUSY          an error code in words

Commands:
${Object.entries(COMMANDS)
  .map(([name, command]) => `  ${name.padEnd(10)}${command.summary}`)
  .join('\n')}

Options of each command: coronet COMMAND --help`;

async function dispatch(args: readonly string[]): Promise<void> {
  const [name, ...rest] = args;
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    process.stdout.write(`${HELP}\n`);
    return;
  }
  if (name === '--version' || name === '-v') {
    const { readVersion } = await import('./version.ts');
    process.stdout.write(`${readVersion()}\n`);
    return;
  }
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (command === undefined) throw unknownCommand(name);
  await (await command.load()).run(rest);
}

function unknownCommand(name: string): CommandUsageError {
  const guess = nearest(name, Object.keys(COMMANDS));
  const hint = guess === undefined ? 'See `coronet --help`.' : `Did you mean \`coronet ${guess}\`?`;
  return new CommandUsageError(`There is no command '${name}'. ${hint}`);
}

/** A reader that has gone (`coronet doctor | head -1`) is no failure of ours. */
process.stdout.on('error', () => {});
process.stderr.on('error', () => {});

try {
  checkNodeVersion();
  await dispatch(process.argv.slice(2));
} catch (error) {
  reportFailure(error);
}
