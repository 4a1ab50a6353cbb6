/** The programs in examples/ run unchanged and print the output that their last comment states. */
import { execFileSync, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { buildExamples, ROOT } from './examples-build.ts';

const BUILT = buildExamples('examples');
const PORT = 25000;
/** Examples with a thousand simulated runs take one or two seconds. */
const LIMIT_MS = 60_000;

/** Programs that end without a signal: their last comment, "Output:", states their output. */
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
  return join(BUILT, name.replace(/\.ts$/, '.js'));
}

describe('an example that ends without a signal prints the output of its last comment:', () => {
  test.each(programs())(
    '%s',
    (name) => {
      const output = execFileSync(process.execPath, [built(name)], {
        encoding: 'utf8',
        timeout: LIMIT_MS,
      });
      expect(output.trimEnd()).toBe(expectedOutput(name));
    },
    LIMIT_MS,
  );
});

describe('an echo server in examples/ sends GOT: and the received bytes:', () => {
  test.each(['echo.ts', 'raw-echo.ts'])('%s', async (name) => {
    const server = spawn(process.execPath, [built(name)], { stdio: 'ignore' });
    const ended = new Promise<number | null>((resolve) => server.once('exit', resolve));
    try {
      expect(await request('Hello')).toBe('GOT:Hello');
    } finally {
      server.kill('SIGTERM');
      await ended;
    }
  });
});

/** Connects as soon as the server listens, and returns the first response. */
async function request(text: string): Promise<string> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await requestOnce(text);
    } catch (error) {
      if (attempt === 100) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

function requestOnce(text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(PORT, '127.0.0.1', () => socket.write(text));
    socket.once('error', reject);
    socket.once('data', (data) => {
      socket.destroy();
      resolve(String(data));
    });
  });
}
