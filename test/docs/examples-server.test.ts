/** The programs of examples/server that run until a signal ends them. */
import { get } from 'node:http';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { freePort } from '../support/process/free-port.ts';
import { endProcesses, Process } from '../support/process/process.ts';
import { askLine } from '../support/process/worker-processes.ts';
import { buildExamples } from './examples-build.ts';

const BUILT = buildExamples('examples-server');

/** Debug mode reports long steps on standard error, which a test compares. */
const QUIET = { CORONET_DEBUG: '' };

function start(args: readonly unknown[], env: Readonly<Record<string, string>> = {}): Process {
  const [name, ...rest] = args.map(String);
  const file = join(BUILT, `server/${name}.js`);
  return new Process(process.execPath, [file, ...rest], { env: { ...QUIET, ...env } });
}

/** Status and body of a response of `health`; '' if the connection fails. */
function probe(port: number, path: string): Promise<string> {
  return new Promise((resolve) => {
    const request = get({ port, host: '127.0.0.1', path }, (response) => {
      let body = '';
      response.on('data', (data) => {
        body += data;
      });
      response.on('end', () => resolve(`${response.statusCode} ${body.trim()}`));
    });
    request.on('error', () => resolve(''));
  });
}

/** Repeats `request` until `holds` is true of the response, at most for the time of the test. */
async function repeatUntil<T>(
  program: Process,
  request: () => Promise<T>,
  holds: (response: T) => boolean,
): Promise<T> {
  for (;;) {
    const response = await request();
    if (holds(response)) return response;
    if (program.ended) throw new Error(`The server ended: ${program.stderr}`);
  }
}

describe('a program of examples/server:', () => {
  endProcesses();

  test('first.ts serves at the port of its argument, and drains at SIGTERM', async () => {
    const port = await freePort();
    const server = start(['first', port]);
    await server.until('the server listens', () => server.lines.length === 1);
    expect(server.lines).toEqual([`listening on 127.0.0.1:${port}`]);
    expect(await askLine(port, 'hello')).toBe('HELLO');
    server.child.kill('SIGTERM');
    expect(await server.exit).toEqual({ code: 0, signal: null });
  });

  test('production.ts still serves as a lame duck, and a second signal ends it', async () => {
    const [port, healthPort] = [await freePort(), await freePort()];
    const env = { PORT: `${port}`, HEALTH: `127.0.0.1:${healthPort}` };
    const server = start(['production'], env);
    const isReady = () => probe(healthPort, '/readyz');
    await repeatUntil(server, isReady, (response) => response === '200 ready');
    expect(await askLine(port, 'hello')).toBe('HELLO');
    server.child.kill('SIGTERM');
    await repeatUntil(server, isReady, (response) => response === '503 stopping');
    expect(await askLine(port, 'still there?')).toBe('STILL THERE?');
    expect(await probe(healthPort, '/metrics')).toContain('coronet_server_accepted_total{');
    server.child.kill('SIGTERM');
    expect(await server.exit).toEqual({ code: 143, signal: null });
  });

  test('workers.ts replaces its workers at SIGHUP, and drains them at SIGTERM', async () => {
    const [port, healthPort] = [await freePort(), await freePort()];
    const server = start(['workers', port, healthPort]);
    await server.until('the server listens', () => server.lines.length === 1);
    const before = await askLine(port);
    expect(before).toMatch(/^process \d+$/);
    server.child.kill('SIGHUP');
    const page = () => probe(healthPort, '/metrics');
    expect(await page()).toMatch(/^coronet_server_accepted_total\{.*\} 1$/m);
    await repeatUntil(server, page, (text) => /^coronet_server_reloads_total\{.*\} 1$/m.test(text));
    const after = await askLine(port);
    expect(after).toMatch(/^process \d+$/);
    expect(after).not.toBe(before);
    server.child.kill('SIGTERM');
    expect(await server.exit).toEqual({ code: 0, signal: null });
    expect(server.stderr).toBe('');
  });
});
