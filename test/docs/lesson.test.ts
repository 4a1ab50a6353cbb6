/** The programs of the lesson, and the terminal sessions that it shows. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { connect } from 'node:net';
import { join } from 'node:path';
import { transformSync } from 'esbuild';
import { beforeAll, describe, expect, test } from 'vitest';
import { isServed } from '../support/process/coronet-command.ts';
import { freePort } from '../support/process/free-port.ts';
import { endProcesses, Process } from '../support/process/process.ts';
import { exampleBackends, installed } from './example-programs.ts';
import { buildExamples, ROOT } from './examples-build.ts';

const SOURCES = join(ROOT, 'examples/lesson');
const BUILT = join(buildExamples('examples-lesson'), 'lesson');

interface RunningServer {
  readonly process: Process;
  readonly port: number;
}

/** Starts a server of the lesson. Its output begins after a first connection of the test. */
async function startServer(program: string, env: Record<string, string>): Promise<RunningServer> {
  const port = await freePort();
  const file = join(BUILT, `${program}.js`);
  const server = new Process(process.execPath, [file, `${port}`], { env });
  while (!(await isServed(port))) {
    if (server.ended) throw new Error(`${program} has ended: ${server.stderr}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  await server.until('the first task is done', () => /^Task done$/m.test(server.stdout));
  server.stdout = '';
  return { process: server, port };
}

/** Sends `text`, ends the sending direction, and returns everything that the server sends. */
function answers(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let received = '';
    const socket: Socket = connect(port, '127.0.0.1', () => socket.end(text));
    socket.on('data', (data) => {
      received += String(data);
    });
    socket.on('error', reject);
    socket.on('close', () => resolve(received));
  });
}

const servers: [program: string, backend: string][] = [
  ['server', 'node:net'],
  ...exampleBackends.map((backend): [string, string] => ['coronet', backend]),
];

describe.each(servers)('%s.ts of the lesson on %s', (program, backend) => {
  endProcesses();
  const env = backend === 'node:net' ? {} : { CORONET_BACKEND: backend };

  test('answers many clients at once and prints each connection', async () => {
    const { process: server, port } = await startServer(program, env);
    const words = Array.from({ length: 60 }, (_, index) => `client ${index}`);
    const received = await Promise.all(words.map((word) => answers(port, word)));
    expect(received).toEqual(words.map((word) => `GOT:${word}`));
    const count = (shape: RegExp) => server.lines.filter((line) => shape.test(line)).length;
    await server.until('all tasks are done', () => count(/^Task done$/) === words.length);
    expect(count(/^Connection from 127\.0\.0\.1:\d+$/)).toBe(words.length);
    expect(count(/^Connection closed$/)).toBe(words.length);
  });

  test('answers at most 1000 bytes at a time, in the order of arrival', async () => {
    const { port } = await startServer(program, env);
    const text = Array.from({ length: 500 }, (_, index) => `${index} `).join('');
    const pieces = (await answers(port, text)).split('GOT:').slice(1);
    expect(pieces.join('')).toBe(text);
    expect(pieces.every((piece) => piece.length <= 1000)).toBe(true);
    expect(pieces.length).toBeGreaterThanOrEqual(2);
  });
});

/** Applies the lines of a diff: each run of removed and context lines occurs once. */
function edited(source: string, diff: string): string {
  const hunks = diff.split(/^(?:---|\+\+\+) .*\n/m).filter((hunk) => hunk !== '');
  return hunks.join('').split(/^ ?\n/m).reduce(applyHunk, source);
}

function applyHunk(source: string, hunk: string): string {
  const lines = hunk.split('\n').filter((line) => line !== '');
  const without = (sign: string) =>
    lines
      .filter((line) => !line.startsWith(sign))
      .map((line) => `${line.slice(1)}\n`)
      .join('');
  const parts = source.split(without('+'));
  if (parts.length !== 2) throw new Error(`Expected once, found ${parts.length - 1}:\n${hunk}`);
  return parts.join(without('-'));
}

/** Writes server.ts or coronet.ts, changed as the lesson describes, next to the programs. */
function writeEdited(name: string, change: (source: string) => string): void {
  const source = name.endsWith('server') ? 'server.ts' : 'coronet.ts';
  const text = change(readFileSync(join(SOURCES, source), 'utf8'));
  const { code } = transformSync(text, { loader: 'ts', format: 'esm', target: 'node20' });
  writeFileSync(join(BUILT, `${name}.js`), code);
}

/** The changes to programs that the lesson describes, in examples/lesson/edits/. */
const EDITS = readdirSync(join(SOURCES, 'edits')).map((name) => name.replace('.diff', ''));

beforeAll(() => {
  for (const name of EDITS) {
    const diff = readFileSync(join(SOURCES, 'edits', `${name}.diff`), 'utf8');
    writeEdited(name, (source) => edited(source, diff));
  }
});

interface Session {
  /** Name of the file in examples/lesson/sessions/. */
  readonly name: string;
  readonly program: string;
  readonly client: string;
}

const sessions: Session[] = [
  { name: 'reset-server', program: 'server', client: 'reset' },
  { name: 'reset-coronet', program: 'coronet', client: 'reset' },
  { name: 'slow-server', program: 'server', client: 'slow' },
  { name: 'slow-coronet', program: 'coronet', client: 'slow' },
  { name: 'two-tasks-server', program: 'two-tasks-server', client: 'hello' },
  { name: 'two-tasks-coronet', program: 'two-tasks-coronet', client: 'silent' },
  { name: 'many-server', program: 'server', client: 'many' },
  { name: 'many-coronet', program: 'limits-coronet', client: 'many' },
  { name: 'silent-coronet', program: 'limits-coronet', client: 'silent' },
  { name: 'guard-server', program: 'guard-server', client: 'reset' },
];

/** The terminals of a session file: the text after a line such as `server$ node server.ts`. */
function terminals(name: string): Record<string, string> {
  const text = readFileSync(join(SOURCES, 'sessions', `${name}.txt`), 'utf8');
  const parts = text.split(/^(\w+)\$ .*\n/m).slice(1);
  const entries = parts.flatMap((part, at) => (at % 2 === 0 ? [[part, parts[at + 1]]] : []));
  return Object.fromEntries(entries.map(([title, output]) => [title, `${output}`.trim()]));
}

/** The output of a server, with the ports 50001, 50002, … and without the places in a stack. */
function printed({ stdout, stderr }: Process): string {
  const ports: string[] = [];
  const named = stdout.replace(/(?<=127\.0\.0\.1:)\d+/g, (port) => {
    if (!ports.includes(port)) ports.push(port);
    return `${50001 + ports.indexOf(port)}`;
  });
  const errors = stderr.split('\n').filter((line) => /^(?:coronet|Error)\b/.test(line));
  const lines = errors.map((line) => {
    return line.replace(/(?<=127\.0\.0\.1:)\d+/g, '50001').replace(/ \(at .*\)$/, '');
  });
  return [named.trim(), ...lines].join('\n').trim();
}

describe('a session that the lesson shows has the output of a real run:', () => {
  endProcesses();
  test.each(sessions)('$name', async ({ name, program, client }) => {
    const expected = terminals(name);
    const { process: server, port } = await startServer(program, { CORONET_DEBUG: '' });
    expect(await outputOf(client, port)).toBe(expected['client']);
    if (expected['server'] === undefined) return;
    await server.until('the output is complete', () => printed(server) === expected['server']);
    server.child.kill('SIGINT');
    await server.exit;
    expect(printed(server)).toBe(expected['server']);
  });

  test.each(['server', 'coronet'])('interrupt-%s', async (program) => {
    const [before, after] = `${terminals(`interrupt-${program}`)['server']}`.split('\n^C');
    const { process: server, port } = await startServer(program, {});
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => {});
    await server.until('the connection is printed', () => printed(server) === before);
    server.child.kill('SIGINT');
    await server.exit;
    expect(printed(server)).toBe(`${before}${after}`);
    socket.destroy();
  });

  test.skipIf(!installed('nc'))('echo', async () => {
    const { server: output, ...users } = terminals('echo');
    const { process: server, port } = await startServer('server', {});
    const clients: Process[] = [];
    for (const session of Object.values(users)) {
      const client = new Process('nc', ['localhost', `${port}`]);
      clients.push(client);
      const [sent, received] = session.split('\n');
      client.child.stdin?.write(`${sent}\n`);
      await client.until('the answer has arrived', () => client.stdout === `${received}\n`);
    }
    clients[1]?.kill();
    await server.until('the output is complete', () => printed(server) === output);
  });
});

/** The output of client.ts. */
async function outputOf(client: string, port: number): Promise<string> {
  const args = [join(BUILT, 'client.js'), client, `${port}`];
  const visitor = new Process(process.execPath, args);
  await visitor.exit;
  return visitor.stdout.trim();
}

describe('server.ts of the lesson', () => {
  endProcesses();

  test.each([
    ['send-rest-server', 'slow', terminals('slow-coronet')['client']],
    ['sleep-server', 'hello', 'GOT:Hello\nGOT:Hello again'],
  ])('has the solution %s of an exercise', async (program, client, expected) => {
    const { port } = await startServer(program, {});
    expect(await outputOf(client, port)).toBe(expected);
  });

  test('ends with an error at a reason that it does not know', async () => {
    const [name, known] = ['unknown-reason-server', "yield ['recv', client]"];
    writeEdited(name, (source) => source.replace(known, "yield ['receive', client]"));
    const port = await freePort();
    const server = new Process(process.execPath, [join(BUILT, `${name}.js`), `${port}`]);
    while (!(await isServed(port))) if (server.ended) break;
    const { code } = await server.exit;
    expect(code).not.toBe(0);
    expect(server.stderr).toContain('Error: Unknown reason: receive');
  });
});
