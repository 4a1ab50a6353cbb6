#!/usr/bin/env node
/**
 * `npm create coronet`: starts a project from a template. Asks for what the arguments lack if
 * standard input is a terminal. Exit codes: 0 success; 1 failure; 2 wrong usage.
 */
import { relative, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { createProject, ProjectError, TEMPLATES, UsageError } from './project.mjs';

const DEFAULT_TEMPLATE = 'server';

const USAGE = `usage: npm create coronet FOLDER [-- --template NAME]

FOLDER is created; its name is the name of the package. "." is the current folder.

templates:
${Object.entries(TEMPLATES)
  .map(([name, about]) => `  ${name.padEnd(12)} ${about}`)
  .join('\n')}

The default is ${DEFAULT_TEMPLATE}. Existing files are not changed.
`;

try {
  await start();
} catch (error) {
  const isExpected = error instanceof ProjectError || error.syscall !== undefined;
  if (!isExpected) throw error;
  const isUsage = error instanceof UsageError;
  process.stderr.write(`create-coronet: ${error.message}\n${isUsage ? `\n${USAGE}` : ''}`);
  process.exitCode = isUsage ? 2 : 1;
}

async function start() {
  const { values, positionals } = parse();
  if (values.help) {
    process.stdout.write(USAGE);
    return;
  }
  if (positionals.length > 1)
    throw new UsageError(`Expected one folder, got ${positionals.length}`);
  const { folder, template } = await complete(positionals[0], values.template);
  const written = createProject(resolve(folder), template);
  const place = relative(process.cwd(), resolve(folder));
  process.stdout.write(`${written.map((path) => `  ${path}\n`).join('')}
Next:
${place === '' ? '' : `  cd ${place}\n`}  npm install
  npm test
  npm start
`);
}

function parse() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        template: { type: 'string', short: 't' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
  } catch (error) {
    throw new UsageError(error.message);
  }
}

/** Asks for the folder, and then for the template, unless they were passed. */
async function complete(folder, template) {
  if (folder !== undefined) return { folder, template: template ?? DEFAULT_TEMPLATE };
  if (!process.stdin.isTTY) throw new UsageError('Expected a folder');
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  const lines = terminal[Symbol.asyncIterator]();
  try {
    const name = await ask(terminal, lines, 'Folder', 'coronet-app');
    return { folder: name, template: template ?? (await askTemplate(terminal, lines)) };
  } finally {
    terminal.close();
  }
}

async function askTemplate(terminal, lines) {
  const names = Object.keys(TEMPLATES);
  for (const [index, name] of names.entries()) {
    process.stdout.write(`  ${index + 1}  ${name.padEnd(12)} ${TEMPLATES[name]}\n`);
  }
  const answer = await ask(terminal, lines, 'Template', '1');
  return names[Number(answer) - 1] ?? answer;
}

/** The iterator keeps a line that arrives before its question. */
async function ask(terminal, lines, question, preset) {
  terminal.setPrompt(`${question} (${preset}): `);
  terminal.prompt();
  const { done, value } = await lines.next();
  if (done) throw new ProjectError('The input has ended; nothing was written');
  return value.trim() || preset;
}
