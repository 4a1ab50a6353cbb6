/** `main` when the grace is over: the program is cut, and what went wrong meanwhile is told. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { PlainClient } from '../support/process/coronet-command.ts';
import { endProcesses, startNode } from '../support/process/process.ts';

const ENTRY = fileURLToPath(new URL('../../dist/index.js', import.meta.url));

endProcesses();

/** A program that says when it runs, and whose cleanup does `cleanup`. */
function program(cleanup: string): string {
  return `
    import { main, sleepForever } from ${JSON.stringify(ENTRY)};
    await main(function* () {
      console.log('running');
      try { yield* sleepForever(); } finally { ${cleanup} }
    }, { graceMs: 20, name: 'deaf' });`;
}

/** Starts it, sends SIGTERM once it runs, and gives how it ended and what it said. */
function terminated(source: string): Promise<{ code: number | null; said: string }> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', source]);
  let said = '';
  child.stderr.on('data', (text) => {
    said += text;
  });
  child.stdout.once('data', () => child.kill('SIGTERM'));
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, said })));
}

test('a program that is cut exits with 1 and says who was cut, waiting for what', async () => {
  const { code, said } = await terminated(program(''));
  expect(code).toBe(1);
  expect(said).toMatch(/grace period of 20 ms is over.*\n.*'deaf' waits for sleep forever/);
});

test('an error of its cleanup is told as well', async () => {
  const { code, said } = await terminated(program("throw new Error('disk full')"));
  expect(code).toBe(1);
  expect(said).toContain('disk full');
  expect(said).toContain('grace period of 20 ms is over');
});

test('a third signal ends it at once, whatever it is still doing', async () => {
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
    // Two signals of a kind that come at once may be one: they are not counted by the system.
    if (String(text).includes('running')) {
      child.kill('SIGTERM');
      child.kill('SIGINT');
    }
    if (String(text).includes('unwinding')) child.kill('SIGINT');
  });
  const code = await new Promise((resolve) => child.once('close', resolve));
  expect(code).toBe(130);
});

test('a server whose log nobody reads any more serves on', async () => {
  const server = startNode(import.meta.url, 'programs/failing.mjs');
  await server.until('it says its port', () => server.lines.length > 0);
  const port = Number(server.lines[0]);
  const visit = async () => {
    const client = new PlainClient(port);
    client.socket.write('a question');
    await client.until(() => false);
    return client.socket.errored;
  };
  await visit();
  await server.until('it tells the failure', () => server.stderr.includes('every one of them'));
  server.child.stderr?.destroy();
  for (let i = 0; i < 5; i++) expect(await visit()).toBe(null);
  server.child.kill('SIGTERM');
  expect(await server.exit).toEqual({ code: 0, signal: null });
});
