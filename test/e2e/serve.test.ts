import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { realBackends } from '../support/backends.ts';
import { coronet, isServed } from '../support/process/coronet-command.ts';
import { freePort } from '../support/process/free-port.ts';
import { endProcesses, Process, startNode } from '../support/process/process.ts';
import {
  askLine,
  askWhile,
  eventsOf,
  ownFolder,
  untilEvent,
  untilGone,
  write,
} from '../support/process/worker-processes.ts';

const folder = ownFolder();

/** A handler that replies to the first bytes of each connection with its pid and `text`. */
function answering(text: string): string {
  return `export default function* (socket) {
    yield* socket.recv();
    yield* socket.sendAll(process.pid + ' ' + ${text});
  }`;
}

interface Serving {
  readonly process: Process;
  readonly port: number;
}

async function serving(file: string, ...args: readonly string[]): Promise<Serving> {
  const process = coronet('serve', file, '--port', '0', '--json', ...args);
  const { port } = await untilEvent(process, 'listening');
  return { process, port: Number(port) };
}

for (const { name: backend } of realBackends) {
  describe(`coronet serve on ${backend}`, () => {
    endProcesses();

    it('serves with the handler that a file exports, and prints events as JSON', async () => {
      const file = write(folder, 'handler.mjs', answering('"one"'));
      const { process, port } = await serving(file, '--backend', backend);
      expect(await askLine(port)).toBe(`${process.child.pid} one`);
      process.child.kill('SIGTERM');
      expect(await process.exit).toEqual({ code: 0, signal: null });
      expect(eventsOf(process)).toMatchObject([
        { event: 'listening', host: '127.0.0.1', port, backend, pid: process.child.pid },
        { event: 'end', accepted: 1, open: 0, failed: 0 },
      ]);
      expect(process.stderr).not.toContain('coronet ');
    });

    it('accepts { handler, options } as well', async () => {
      const text = `export default { options: { onError: (error) => console.error(error.message) },
        *handler(socket) { throw new Error('as it should'); } }`;
      const file = write(folder, 'options.mjs', text);
      const { process, port } = await serving(file, '--backend', backend);
      await askLine(port);
      process.child.kill('SIGTERM');
      expect(await process.exit).toEqual({ code: 0, signal: null });
      expect(process.stderr).toBe('as it should\n');
    });

    it('--workers serves from several processes, and drains them together', async () => {
      const file = write(folder, 'several.mjs', answering('"here"'));
      const { process, port } = await serving(file, '--backend', backend, '--workers', '2');
      const answers = await askWhile(port, (seen) => seen.size < 2);
      const pids = [...answers.keys()].map((answer) => Number.parseInt(answer, 10));
      expect(pids).not.toContain(process.child.pid);
      process.child.kill('SIGTERM');
      expect(await process.exit).toEqual({ code: 0, signal: null });
      const accepted = [...answers.values()].reduce((sum, each) => sum + each);
      expect(await untilEvent(process, 'end')).toMatchObject({ accepted, open: 0, restarts: 0 });
      await untilGone(pids);
    });

    it('--watch serves with the new code after a change, and rejects no connection', async () => {
      const dependency = join(folder, 'lib');
      mkdirSync(dependency, { recursive: true });
      write(dependency, 'text.mjs', 'export const text = "old";');
      const file = write(
        folder,
        'watched.mjs',
        `import { text } from './lib/text.mjs'; ${answering('text')}`,
      );
      const { process, port } = await serving(file, '--backend', backend, '--watch');
      expect(await askLine(port)).toMatch(/^\d+ old$/);
      write(dependency, 'text.mjs', 'export const text = ;');
      await untilEvent(process, 'reload-failed');
      expect(process.stderr).toContain('text.mjs:1\nexport const text = ;');
      write(dependency, 'text.mjs', 'export const text = "new";');
      const answers = await askWhile(port, (seen) => ![...seen.keys()].some(isNew));
      for (const answer of answers.keys()) expect(answer).toMatch(/^\d+ (old|new)$/);
      process.child.kill('SIGTERM');
      expect(await process.exit).toEqual({ code: 0, signal: null });
    });
  });
}

function isNew(answer: string): boolean {
  return answer.endsWith(' new');
}

describe('coronet serve --watch', () => {
  endProcesses();

  it('waits for a change if the program does not start', async () => {
    const file = write(folder, 'unfinished.mjs', 'export default function* (');
    const process = coronet('serve', file, '--port', '0', '--json', '--watch');
    await untilEvent(process, 'waiting');
    write(folder, 'unfinished.mjs', answering('"done"'));
    const { port } = await untilEvent(process, 'listening');
    expect(await askLine(Number(port))).toMatch(/ done$/);
  });

  it('watches folders that are removed and created again, including its own', async () => {
    const own = join(folder, 'created-again');
    const lib = join(own, 'lib');
    const make = (text: string): string => {
      mkdirSync(lib, { recursive: true });
      write(lib, 'text.mjs', `export const text = "${text}";`);
      return write(
        own,
        'handler.mjs',
        `import { text } from './lib/text.mjs'; ${answering('text')}`,
      );
    };
    const { process, port } = await serving(make('first'), '--watch');
    for (const [index, removed] of [lib, own, lib].entries()) {
      rmSync(removed, { recursive: true });
      await untilEvent(process, 'reload-failed', index + 1);
      make(`number ${index}`);
      await askWhile(port, (seen) => ![...seen.keys()].some((each) => each.endsWith(`${index}`)));
    }
  });

  it('ignores what the program writes into its own folder', async () => {
    const own = join(folder, 'writes');
    mkdirSync(own);
    const text = `import { mkdtempSync, writeFileSync } from 'node:fs';
      const own = ${JSON.stringify(own)};
      writeFileSync(own + '/state.json', String(process.pid));
      writeFileSync(own + '/generated.mjs', 'export {};');
      mkdtempSync(own + '/run-');
      ${answering('"v0"')}`;
    const file = write(own, 'handler.mjs', text);
    const { process, port } = await serving(file, '--watch');
    for (const version of ['v1', 'v2', 'v3']) {
      write(own, 'handler.mjs', text.replace('v0', version));
      await askWhile(port, (seen) => ![...seen.keys()].some((each) => each.endsWith(version)));
      await untilEvent(process, 'reloaded', Number(version.slice(1)));
    }
    process.child.kill('SIGTERM');
    await process.exit;
    // The first start creates generated.mjs, which can be one change.
    const reloads = eventsOf(process).filter(({ event }) => event === 'reloading').length;
    expect(reloads).toBeGreaterThanOrEqual(3);
    expect(reloads).toBeLessThanOrEqual(4);
  });

  it('ends at a signal while it waits', async () => {
    const file = write(folder, 'never.mjs', 'export default 1');
    const process = coronet('serve', file, '--port', '0', '--json', '--watch');
    await untilEvent(process, 'waiting');
    process.child.kill('SIGTERM');
    expect(await process.exit).toEqual({ code: 0, signal: null });
  });
});

describe('coronet serve and its terminal', () => {
  endProcesses();

  it('prints a line on standard error when it listens, unless --quiet is set', async () => {
    const file = write(folder, 'line.mjs', answering('"here"'));
    for (const args of [[], ['--workers', '2']]) {
      const process = coronet('serve', file, '--port', `${await freePort()}`, ...args);
      await process.until('it prints its address', () => process.stderr.endsWith('\n'));
      expect(process.stderr).toMatch(/^coronet \S+ serves .*line\.mjs on 127\.0\.0\.1:\d+ .*\n$/);
      process.child.kill('SIGTERM');
      await process.exit;
      expect(process.stderr.split('\n').length).toBe(2);
    }
    const port = await freePort();
    const quiet = coronet('serve', file, '--port', `${port}`, '--quiet');
    while (!(await isServed(port)));
    quiet.child.kill('SIGTERM');
    await quiet.exit;
    expect(quiet.stderr).toBe('');
  });

  it('rejects an empty --host', async () => {
    const file = write(folder, 'host.mjs', answering('"here"'));
    const process = coronet('serve', file, '--host', '');
    expect(await process.exit).toEqual({ code: 2, signal: null });
    expect(process.stderr).toContain('--host to be a name or an IP address');
  });

  for (const option of ['--workers=2', '--watch']) {
    it.skipIf(!existsSync('/usr/bin/script'))(
      `ends with ${option} when its terminal is closed`,
      async () => {
        const file = write(folder, 'terminal.mjs', answering('"here"'));
        const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
        const command = [process.execPath, main, 'serve', file, '--port', '0', '--json', option];
        const args = ['-qec', command.map((word) => `'${word}'`).join(' '), '/dev/null'];
        const terminal = new Process('/usr/bin/script', args);
        await terminal.until('it listens', () => /"listening"[^\n]*\n/.test(terminal.stdout));
        const port = Number(/"port":(\d+)/.exec(terminal.stdout)?.[1]);
        expect(await askLine(port)).toMatch(/ here$/);
        terminal.kill();
        while ((await askLine(port)) !== 'ECONNREFUSED');
      },
    );
  }
});

describe('coronet serve reports', () => {
  endProcesses();

  const right = 'export default function* (socket, peer)';
  const files: readonly (readonly [title: string, text: string, texts: readonly string[]])[] = [
    [
      'a syntax error with its position',
      'const a = 1;\nconst b = = 2;',
      ['cannot be loaded', 'bad.mjs:2\nconst b = = 2;\n          ^', "Unexpected token '='"],
    ],
    [
      'an error of the module with its position',
      '\nthrow new Error("boom");',
      ['boom', 'bad.mjs:2:7'],
    ],
    ['a missing import', 'import "./nothing.mjs";', ['Cannot find module', 'nothing.mjs']],
    ['no default export', 'export const handler = 1;', ['exports only handler', right]],
    ['no export at all', '', ['exports nothing', right]],
    [
      'an async function',
      'export default async () => {};',
      ['got an async one', 'until(promise)', right],
    ],
    ['a class', 'export default class {}', ['got a class', right]],
    ['a value', 'export default 7;', ['got number', right]],
    [
      'an object without a handler',
      'export default { options: {} };',
      ['{ handler, options }', right],
    ],
  ];

  for (const [title, text, texts] of files) {
    it(title, async () => {
      await expectError(write(folder, 'bad.mjs', text), 1, texts);
    });
  }

  it('a missing file, and a folder', async () => {
    await expectError(join(folder, 'nothing.mjs'), 1, ['nothing.mjs does not exist']);
    await expectError(folder, 1, ['Expected a file']);
  });

  it('serve reports how to run TypeScript if Node does not run it', async () => {
    const file = write(folder, 'typed.ts', `const text: string = 'typed';\n${answering('text')}`);
    const { typescript } = process.features as { typescript?: unknown };
    if (typescript === undefined || typescript === false) {
      await expectError(file, 1, ['does not run', '22.18']);
    } else {
      const { port } = await serving(file);
      expect(await askLine(port)).toMatch(/ typed$/);
    }
  });

  it('wrong usage with one sentence', async () => {
    const file = write(folder, 'fine.mjs', answering('1'));
    const calls: readonly (readonly [readonly string[], string])[] = [
      [[], 'Expected a file'],
      [[file, 'other.mjs'], "got a second one: 'other.mjs'"],
      [[file, '--wrokers', '2'], 'Did you mean --workers?'],
      [[file, '--workers', '0'], 'auto or a whole number'],
      [[file, '--grace-ms', 'soon'], '--grace-ms'],
      [[file, '--port', '70000'], '--port'],
    ];
    const started = calls.map(([args]) => coronet('serve', ...args));
    for (const [index, [, texts]] of calls.entries()) {
      const process = started[index] as Process;
      expect(await process.exit).toEqual({ code: 2, signal: null });
      expect(process.stderr).toContain(texts);
    }
  });

  for (const workers of [[], ['--workers', '2']]) {
    it(`an address in use ${workers.join(' ')}`, async () => {
      const file = write(folder, 'fine.mjs', answering('1'));
      const { port } = await serving(file, ...workers);
      const second = coronet('serve', file, '--port', `${port}`, ...workers);
      expect(await second.exit).toEqual({ code: 1, signal: null });
      expect(second.stderr).toContain(`127.0.0.1:${port} is in use by another program`);
      expect(second.stderr).toContain(`coronet serve ${file} --port ${port + 1}`);
    });
  }

  it('the help of serve begins with examples', async () => {
    const process = coronet('serve', '--help');
    expect(await process.exit).toEqual({ code: 0, signal: null });
    expect(process.stdout).toMatch(/^Examples:\n {2}coronet serve handler\.mjs/);
  });

  async function expectError(file: string, code: number, texts: readonly string[]): Promise<void> {
    const process = startNode(import.meta.url, '../../dist/cli/main.js', 'serve', file);
    expect(await process.exit).toEqual({ code, signal: null });
    for (const each of texts) expect(process.stderr).toContain(each);
    expect(process.stdout).toBe('');
  }
});
