/** `main` at the end of the grace period: the program is cut, and errors are reported. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { PlainClient } from '../support/process/coronet-command.ts';
import { endProcesses, startNode } from '../support/process/process.ts';

const ENTRY = fileURLToPath(new URL('../../dist/index.js', import.meta.url));

endProcesses();

/** A program that prints when it runs, and whose cleanup does `cleanup`. */
function program(cleanup: string): string {
  return `
    import { main, sleepForever } from ${JSON.stringify(ENTRY)};
    await main(function* () {
      console.log('running');
      try { yield* sleepForever(); } finally { ${cleanup} }
    }, { graceMs: 20, name: 'deaf' });`;
}

/** Starts the program, sends SIGTERM once it runs, and returns its exit code and standard error. */
function terminated(source: string): Promise<{ code: number | null; stderr: string }> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', source]);
  let stderr = '';
  child.stderr.on('data', (text) => {
    stderr += text;
  });
  child.stdout.once('data', () => child.kill('SIGTERM'));
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, stderr })));
}

test('a program that is cut exits with 1 and reports its tasks and their waits', async () => {
  const { code, stderr } = await terminated(program(''));
  expect(code).toBe(1);
  expect(stderr).toMatch(/grace period of 20 ms is over.*\n.*'deaf' waits for sleep forever/);
});

test('an error of the cleanup of a cut program is reported as well', async () => {
  const { code, stderr } = await terminated(program("throw new Error('disk full')"));
  expect(code).toBe(1);
  expect(stderr).toContain('disk full');
  expect(stderr).toContain('grace period of 20 ms is over');
});

test('a third signal ends the program at once', async () => {
  const source = `
    import { main, shield, sleepForever } from ${JSON.stringify(ENTRY)};
    await main(function* () {
      console.log('running');
      try { yield* sleepForever(); } finally {
        console.log('unwinding');
        yield* shield(() => sleepForever(), { withinMs: Infinity });
      }
    }, { graceMs: Infinity });`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', source]);
  child.stdout.on('data', (text) => {
    // Two pending signals of one kind are delivered once: the system does not count them.
    if (String(text).includes('running')) {
      child.kill('SIGTERM');
      child.kill('SIGINT');
    }
    if (String(text).includes('unwinding')) child.kill('SIGINT');
  });
  const code = await new Promise((resolve) => child.once('close', resolve));
  expect(code).toBe(130);
});

test('a server continues to serve when its log is not read any more', async () => {
  const server = startNode(import.meta.url, 'programs/failing.mjs');
  await server.until('it prints its port', () => server.lines.length > 0);
  const port = Number(server.lines[0]);
  const visit = async () => {
    const client = new PlainClient(port);
    client.socket.write('a question');
    await client.until(() => false);
    return client.socket.errored;
  };
  await visit();
  await server.until('it reports the failure', () => server.stderr.includes('every one of them'));
  server.child.stderr?.destroy();
  for (let i = 0; i < 5; i++) expect(await visit()).toBe(null);
  server.child.kill('SIGTERM');
  expect(await server.exit).toEqual({ code: 0, signal: null });
});
