/** The programs in examples/ run unchanged and print the output that their last comment states. */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { exampleBackends } from './example-programs.ts';
import { buildExamples, ROOT } from './examples-build.ts';

const BUILT = buildExamples('examples');
const PORT = 25000;
/** Examples with a thousand simulated runs take one or two seconds. */
const LIMIT_MS = 60_000;

/** Folders whose programs run one after the other in one process, which is faster. */
const SHARED = ['recipes', 'coming-from/coronet', 'coming-from/node'];

/** Programs that end without a signal: their last comment states their output. */
function programs(): string[] {
  return readdirSync(join(ROOT, 'examples'), { recursive: true })
    .map(String)
    .filter((name) => name.endsWith('.ts') && lastComment(name, 'Output:') !== undefined);
}

function isShared(name: string): boolean {
  return SHARED.includes(dirname(name));
}

/** The lines after `title` in the last comment of an example. */
function lastComment(name: string, title: string): string | undefined {
  const text = readFileSync(join(ROOT, 'examples', name), 'utf8');
  const comment = new RegExp(`\\n// ${title}\\n((?://.*\\n?)+)$`).exec(text)?.[1];
  return comment?.replace(/^\/\/ ?/gm, '').trimEnd();
}

function built(name: string): string {
  return join(BUILT, name.replace(/\.ts$/, '.js'));
}

/** Runs programs in one process, on `backend` if it is set, and returns the output of each. */
function outputs(names: readonly string[], backend?: string): string[] {
  const script = `for (const path of process.argv.slice(1)) {
    await import(path).catch((error) => console.log(error));
    console.log('\\0');
  }`;
  const args = ['--input-type=module', '-e', script, '--', ...names.map(built)];
  const output = execFileSync(process.execPath, args, {
    encoding: 'utf8',
    timeout: LIMIT_MS,
    env: backend === undefined ? process.env : { ...process.env, CORONET_BACKEND: backend },
  });
  return output.split('\0\n').map((text) => text.trimEnd());
}

describe('an example that ends without a signal prints the output of its last comment:', () => {
  test.each(programs().filter((name) => !isShared(name)))(
    '%s',
    (name) => {
      expect(outputs([name])[0]).toBe(lastComment(name, 'Output:'));
    },
    LIMIT_MS,
  );
});

describe.each(exampleBackends)(
  'in a process with others on %s, an example prints the output of its last comment:',
  (backend) => {
    const names = programs().filter(isShared);
    let printed: string[] = [];

    beforeAll(() => {
      printed = outputs(names, backend);
    }, LIMIT_MS);

    test.each(names)('%s', (name) => {
      expect(printed[names.indexOf(name)]).toBe(lastComment(name, 'Output:'));
    });
  },
);

test.each(['coming-from/node/reset.ts', 'coming-from/node/invalid-frame.ts'])(
  'an example that a client can end fails with the error of its last comment: %s',
  (name) => {
    const { status, stderr } = spawnSync(process.execPath, [built(name)], {
      encoding: 'utf8',
      timeout: LIMIT_MS,
    });
    expect(status).toBe(1);
    for (const line of lastComment(name, 'Ends the process:')?.split('\n') ?? ['nothing']) {
      expect(stderr).toContain(line);
    }
  },
  LIMIT_MS,
);

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
