/** The programs in examples/ run as they stand, and print what they say they print. */
import { execFileSync, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PORT = 25000;
/** Those that simulate a thousand worlds compute for a second or two. */
const PATIENCE_MS = 60_000;

/** The examples import the built package by its name, as a user's program does. */
beforeAll(() => {
  const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
  execFileSync(process.execPath, [tsc, '-p', 'examples/tsconfig.json'], { cwd: ROOT });
}, 60_000);

/** Programs that end by themselves and name their output in a last comment "Output:". */
function programs(): string[] {
  return readdirSync(join(ROOT, 'examples'), { recursive: true })
    .map(String)
    .filter((name) => name.endsWith('.ts') && expectedOutput(name) !== undefined);
}

function expectedOutput(name: string): string | undefined {
  const text = readFileSync(join(ROOT, 'examples', name), 'utf8');
  const comment = /\n\/\/ Output:\n((?:\/\/.*\n?)+)$/.exec(text)?.[1];
  return comment?.replace(/^\/\/ ?/gm, '').trimEnd();
}

function built(name: string): string {
  return join(ROOT, 'build/examples/examples', name.replace(/\.ts$/, '.js'));
}

describe('an example that ends by itself prints what its last comment says', () => {
  test.each(programs())(
    '%s',
    (name) => {
      const output = execFileSync(process.execPath, [built(name)], {
        encoding: 'utf8',
        timeout: PATIENCE_MS,
      });
      expect(output.trimEnd()).toBe(expectedOutput(name));
    },
    PATIENCE_MS,
  );
});

describe('an echo server among the examples answers GOT: and what it was sent', () => {
  test.each(['echo.ts', 'raw-echo.ts'])('%s', async (name) => {
    const server = spawn(process.execPath, [built(name)], { stdio: 'ignore' });
    const ended = new Promise<number | null>((resolve) => server.once('exit', resolve));
    try {
      expect(await ask('Hello')).toBe('GOT:Hello');
    } finally {
      server.kill('SIGTERM');
      await ended;
    }
  });
});

/** Connects, as soon as somebody listens, and gives the first answer. */
async function ask(text: string): Promise<string> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await askOnce(text);
    } catch (error) {
      if (attempt === 100) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

function askOnce(text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(PORT, '127.0.0.1', () => socket.write(text));
    socket.once('error', reject);
    socket.once('data', (data) => {
      socket.destroy();
      resolve(String(data));
    });
  });
}
