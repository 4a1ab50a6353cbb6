#!/usr/bin/env node

/**
 * The `coronet` command: runs the subcommand, and reports errors with one sentence and an exit
 * code. 0: success; 1: failure; 2: wrong usage.
 */

import { nearest } from '../support/checks.ts';
import { CommandUsageError, reportFailure } from './errors.ts';
import { checkNodeVersion, readVersion } from './version.ts';

interface Command {
  readonly summary: string;
  /** Imports the command. `coronet --help` imports none. */
  load(): Promise<{ run(args: readonly string[]): Promise<void> }>;
}

const COMMANDS: Readonly<Record<string, Command>> = {
  echo: {
    summary: 'echo server: replies with GOT: and the received data',
    load: () => import('./echo.ts'),
  },
  serve: {
    summary: 'serve connections with the handler that a module exports',
    load: () => import('./serve.ts'),
  },
  sim: {
    summary: 'run a scenario in simulated worlds: seeds, faults, replays',
    load: () => import('./sim.ts'),
  },
  top: {
    summary: 'show the tasks of a running process, what they wait for, its connections',
    load: () => import('./top.ts'),
  },
  doctor: {
    summary: 'show the limits of this machine and the selected backend',
    load: () => import('./doctor.ts'),
  },
  build: {
    summary: 'compile the addon of the epoll backend; needs a C compiler',
    load: () => import('./build.ts'),
  },
  explain: {
    summary: 'explain an error code: meaning, likely cause, solution',
    load: () => import('./explain.ts'),
  },
};

const HELP = `Examples:
  coronet echo                      serve on 127.0.0.1:25000; then run: nc localhost 25000
  coronet echo --port 7 --quiet     use another port, print no connections
  coronet serve handler.mjs         serve with the generator function that the file exports
  coronet sim race.mjs --runs 1000  run a scenario in a thousand simulated worlds
  coronet top 1234                  show the tasks of process 1234
  coronet doctor --json             print the facts as JSON
  coronet build                     compile the addon, if doctor reports that it is missing
  coronet explain ERR_BUSY          explain an error code

Commands:
${Object.entries(COMMANDS)
  .map(([name, command]) => `  ${name.padEnd(10)}${command.summary}`)
  .join('\n')}

Run coronet COMMAND --help for the options of a command.`;

async function dispatch(args: readonly string[]): Promise<void> {
  const [name, ...rest] = args;
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    process.stdout.write(`${HELP}\n`);
    return;
  }
  if (name === '--version' || name === '-v') {
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
  return new CommandUsageError(`Unknown command '${name}'. ${hint}`);
}

/** The reader of a pipe may exit first (`coronet doctor | head -1`): EPIPE is not a failure. */
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') reportFailure(error);
});
process.stderr.on('error', () => {});

try {
  checkNodeVersion();
  await dispatch(process.argv.slice(2));
} catch (error) {
  reportFailure(error);
}
