/** The programs of examples/server that run until a signal ends them do what the documents say. */
import { execFileSync } from 'node:child_process';
import { get } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { freePort } from '../support/process/coronet-command.ts';
import { endProcesses, Process } from '../support/process/process.ts';
import { askLine } from '../support/process/worker-processes.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const BUILT = join(ROOT, 'build/examples-of-servers');

/** A folder of its own: other tests build the examples at the same time. */
beforeAll(() => {
  const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
  const args = [tsc, '-p', 'examples/tsconfig.json', '--outDir', BUILT];
  execFileSync(process.execPath, args, { cwd: ROOT });
}, 60_000);

/** Debug mode names steps that a busy machine has made long, and standard error is compared. */
const QUIET = { CORONET_DEBUG: '' };

function start(args: readonly unknown[], env: Readonly<Record<string, string>> = {}): Process {
  const [name, ...rest] = args.map(String);
  const file = join(BUILT, `examples/server/${name}.js`);
  return new Process(process.execPath, [file, ...rest], { env: { ...QUIET, ...env } });
}

/** Status and body of an answer of `health`; '' where nobody answers. */
function probe(port: number, path: string): Promise<string> {
  return new Promise((resolve) => {
    const request = get({ port, host: '127.0.0.1', path }, (answer) => {
      let body = '';
      answer.on('data', (data) => {
        body += data;
      });
      answer.on('end', () => resolve(`${answer.statusCode} ${body.trim()}`));
    });
    request.on('error', () => resolve(''));
  });
}

/** Asks until `holds` is true of the answer. The test's own limit ends it. */
async function until<T>(
  program: Process,
  question: () => Promise<T>,
  holds: (answer: T) => boolean,
): Promise<T> {
  for (;;) {
    const answer = await question();
    if (holds(answer)) return answer;
    if (program.ended) throw new Error(`It has ended: ${program.stderr}`);
  }
}

describe('examples/server', () => {
  endProcesses();

  test('first.ts serves at the port that it is given, and drains at SIGTERM', async () => {
    const port = await freePort();
    const server = start(['first', port]);
    await server.until('it listens', () => server.lines.length === 1);
    expect(server.lines).toEqual([`listening on 127.0.0.1:${port}`]);
    expect(await askLine(port, 'hello')).toBe('HELLO');
    server.child.kill('SIGTERM');
    expect(await server.exit).toEqual({ code: 0, signal: null });
  });

  test('production.ts serves on as a lame duck, and a second signal ends it', async () => {
    const [port, healthPort] = [await freePort(), await freePort()];
    const env = { PORT: `${port}`, HEALTH: `127.0.0.1:${healthPort}` };
    const server = start(['production'], env);
    const isReady = () => probe(healthPort, '/readyz');
    await until(server, isReady, (answer) => answer === '200 ready');
    expect(await askLine(port, 'hello')).toBe('HELLO');
    server.child.kill('SIGTERM');
    await until(server, isReady, (answer) => answer === '503 stopping');
    expect(await askLine(port, 'still there?')).toBe('STILL THERE?');
    expect(await probe(healthPort, '/metrics')).toContain('coronet_server_accepted_total{');
    server.child.kill('SIGTERM');
    expect(await server.exit).toEqual({ code: 143, signal: null });
  });

  test('workers.ts replaces its workers at SIGHUP, and drains them at SIGTERM', async () => {
    const [port, healthPort] = [await freePort(), await freePort()];
    const server = start(['workers', port, healthPort]);
    await server.until('it serves', () => server.lines.length === 1);
    const before = await askLine(port);
    expect(before).toMatch(/^process \d+$/);
    server.child.kill('SIGHUP');
    const page = () => probe(healthPort, '/metrics');
    expect(await page()).toMatch(/^coronet_server_accepted_total\{.*\} 1$/m);
    await until(server, page, (text) => /^coronet_server_reloads_total\{.*\} 1$/m.test(text));
    const after = await askLine(port);
    expect(after).toMatch(/^process \d+$/);
    expect(after).not.toBe(before);
    server.child.kill('SIGTERM');
    expect(await server.exit).toEqual({ code: 0, signal: null });
    expect(server.stderr).toBe('');
  });
});
