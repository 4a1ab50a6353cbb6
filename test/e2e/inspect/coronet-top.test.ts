/** SIGUSR2 and `coronet top` on a program under `main`. Needs `npm run build`. */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { InspectSnapshot } from '../../../src/inspect.ts';
import { endProcesses, Process } from '../../support/process/process.ts';

const PROGRAM = fileURLToPath(new URL('programs/inspected.mjs', import.meta.url));
const SUPERVISOR = fileURLToPath(new URL('../programs/supervisor.mjs', import.meta.url));
const COMMAND = fileURLToPath(new URL('../../../dist/cli/main.js', import.meta.url));

const withoutScript = spawnSync('script', ['--version']).error !== undefined;

describe.skipIf(process.platform !== 'linux')('inspection from outside', () => {
  /** The runtime directory is folder/coronet. */
  let folder = '';
  endProcesses();
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'coronet-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  function start(file: string, ...args: readonly string[]): Process {
    const env = { XDG_RUNTIME_DIR: folder, CORONET_DEBUG: '' };
    return new Process(process.execPath, [file, ...args], { env });
  }

  function files(): string[] {
    return readdirSync(join(folder, 'coronet'));
  }

  /** A program that runs and has published its marker. */
  async function startProgram(options: object = {}): Promise<Process> {
    const program = start(PROGRAM, JSON.stringify(options));
    await program.until('it is ready', () => program.lines.includes('ready'));
    await order(program, 'first');
    return program;
  }

  /** Executes a line of the program's input. */
  async function order(program: Process, line: string): Promise<void> {
    program.child.stdin?.write(`${line}\n`);
    await program.until(`it executes ${line}`, () => program.lines.includes(line));
  }

  function top(...args: readonly string[]): Process {
    return start(COMMAND, 'top', ...args);
  }

  function idOf(program: Process): string {
    return `${program.child.pid}`;
  }

  it('SIGUSR2 writes the tasks of a program to standard error', async () => {
    const program = await startProgram();
    program.child.kill('SIGUSR2');
    await program.until('it writes the tasks', () => program.stderr.includes('20 × job *'));
    expect(program.stderr).toContain(`coronet: the tasks of process ${idOf(program)}\n22 tasks`);
    expect(files()).toEqual([idOf(program)]);
    await order(program, 'end');
    expect(await program.exit).toEqual({ code: 0, signal: null });
    expect(files()).toEqual([]);
  });

  it('SIGUSR2 ends a program with `inspect: false`, as without Coronet', async () => {
    const program = await startProgram({ inspect: false });
    program.child.kill('SIGUSR2');
    expect(await program.exit).toEqual({ code: null, signal: 'SIGUSR2' });
  });

  it('SIGUSR2 belongs to a program that has a listener of its own for it', async () => {
    const program = await startProgram();
    await order(program, 'own');
    program.stdout = '';
    program.child.kill('SIGUSR2');
    await program.until('it has received the signal', () => program.lines.includes('own'));
    await order(program, 'next');
    expect(program.stderr).toBe('');
    const attached = top(idOf(program), '--once');
    expect(await attached.exit).toEqual({ code: 0, signal: null });
  });

  it('SIGUSR2 does not change the exit of a program that has been stopped', async () => {
    const program = await startProgram({ graceMs: 0 });
    await order(program, 'late');
    program.child.kill('SIGTERM');
    expect(await program.exit).toEqual({ code: 1, signal: null });
  });

  it('a program in a worker thread does not remove the marker of the process', async () => {
    const program = await startProgram();
    await order(program, 'thread');
    expect(files()).toEqual([idOf(program)]);
  });

  it('SIGUSR2 to a supervisor writes its tasks and those of its workers', async () => {
    const version = join(folder, 'version');
    writeFileSync(version, 'v1');
    const supervisor = start(SUPERVISOR, '2', version);
    await supervisor.until('it serves', () => supervisor.stdout.includes('"serving"'));
    supervisor.child.kill('SIGUSR2');
    const count = () => supervisor.stderr.split('coronet: the tasks of process').length - 1;
    await supervisor.until('three processes have written their tasks', () => count() === 3);
    expect(supervisor.ended).toBe(false);
  });

  it('coronet top --once prints the tasks of a process, and the socket is private', async () => {
    const program = await startProgram();
    const once = top(idOf(program), '--once');
    expect(await once.exit).toEqual({ code: 0, signal: null });
    expect(once.stdout).toMatch(/^process \d+ {2}inspected\.mjs/);
    expect(once.stdout).toContain('20 × job *: sleep forever');
    const socket = join(folder, 'coronet', `${idOf(program)}.sock`);
    expect(statSync(socket).mode & 0o777).toBe(0o600);
    const again = top(socket, '--once', '--json');
    expect(await again.exit).toEqual({ code: 0, signal: null });
    const snapshot = JSON.parse(again.stdout) as InspectSnapshot;
    expect(snapshot).toMatchObject({ version: 1, pid: program.child.pid });
    expect(program.stderr).toBe('');
    await order(program, 'end');
    expect(await program.exit).toEqual({ code: 0, signal: null });
    expect(files()).toEqual([]);
  });

  it('an attached client does not keep a process alive, and learns that it has ended', async () => {
    const program = await startProgram();
    const client = top(idOf(program), '--json', '--interval', '100');
    await client.until('it has two snapshots', () => client.lines.length >= 2);
    await order(program, 'end');
    expect(await program.exit).toEqual({ code: 0, signal: null });
    expect((await client.exit).code).toBe(1);
    expect(client.stderr).toContain('The process has ended');
  });

  it('coronet top names the task that holds the event loop if its kind did so before', async () => {
    const program = await startProgram();
    const client = top(idOf(program), '--json', '--interval', '100');
    await client.until('it is attached', () => client.lines.length >= 1);
    const [first, second] = [join(folder, 'first'), join(folder, 'second')];
    program.child.stdin?.write(`hold ${first}\n`);
    const silence = (line: RegExp) => () => line.test(client.stderr);
    await client.until('it reports silence', silence(/No answer for \d+ s: the loop is held by a/));
    writeFileSync(first, '');
    const longest = () => /"longestStep":\{"id":\d+,"name":"parse"/.test(client.stdout);
    await client.until('it knows the longest step', longest);
    program.child.stdin?.write(`hold ${second}\n`);
    await client.until('it names the task', silence(/the loop is held by task \d+ 'parse'/));
    writeFileSync(second, '');
    await order(program, 'end');
  });

  it('coronet top reports a process whose event loop is held before it can attach', async () => {
    const program = await startProgram();
    const file = join(folder, 'hold');
    program.child.stdin?.write(`hold ${file}\n`);
    const client = top(idOf(program), '--once');
    expect(await client.exit).toEqual({ code: 1, signal: null });
    expect(client.stderr).toMatch(/No answer from process \d+ for 5 s: its event loop is held/);
    expect(files()).toEqual([idOf(program)]);
  });

  it('coronet top sends no signal to a process that is not a Coronet program', async () => {
    const code = `process.on('SIGUSR2', () => process.exit(7)); console.log('ready');
      setInterval(() => {}, 1000)`;
    const other = new Process(process.execPath, ['-e', code]);
    await other.until('it runs', () => other.lines.includes('ready'));
    // A marker of an earlier process with the same id does not count either.
    await startProgram();
    writeFileSync(join(folder, 'coronet', idOf(other)), '12345\n');
    const client = top(idOf(other), '--once');
    expect(await client.exit).toEqual({ code: 1, signal: null });
    expect(client.stderr).toMatch(/is not a Coronet program .* no signal was sent/);
    expect(other.ended).toBe(false);
  });

  it('coronet top trusts no directory that other users can enter', async () => {
    const program = await startProgram();
    chmodSync(join(folder, 'coronet'), 0o770);
    const client = top(idOf(program), '--once');
    expect((await client.exit).code).toBe(1);
    expect(client.stderr).toContain('no signal was sent');
    expect(program.ended).toBe(false);
  });

  it.each([
    [['999999999'], 1, 'There is no process 999999999.'],
    [['/missing.sock'], 1, "There is no socket '/missing.sock'."],
    [[], 2, 'Expected one process id or socket'],
    [['1', '--interval', '5'], 2, 'Expected --interval to be a whole number'],
  ])('coronet top %j fails with code %d', async (args, code, message) => {
    const client = top(...args);
    expect(await client.exit).toEqual({ code, signal: null });
    expect(client.stderr).toContain(message);
  });

  it('four clients can be attached, and a request that is not JSON gets an error', async () => {
    const program = await startProgram();
    const first = top(idOf(program), '--json', '--interval', '100');
    await first.until('it is attached', () => first.lines.length >= 1);
    const path = join(folder, 'coronet', `${idOf(program)}.sock`);
    const socket = connect(path);
    const answer = new Promise<string>((resolve) => {
      socket.once('data', (data) => resolve(String(data)));
    });
    socket.write('nonsense\n');
    expect(await answer).toContain('"error"');
    const more = [1, 2, 3].map(() => connect(path));
    const closed = await Promise.race(
      more.map((each) => new Promise((resolve) => each.once('close', () => resolve('closed')))),
    );
    expect(closed).toBe('closed');
    for (const each of [socket, ...more]) each.destroy();
  });

  it.each(['HTTP/1.1 400 Bad Request', 'null', '{"version":2}'])(
    'coronet top reports that the answer %o is not a snapshot',
    async (answer) => {
      const path = join(folder, 'other.sock');
      const server = createServer((socket) => socket.write(`${answer}\n`));
      await new Promise<void>((resolve) => server.listen(path, resolve));
      const client = top(path, '--once');
      expect(await client.exit).toEqual({ code: 1, signal: null });
      expect(client.stderr).toMatch(/^coronet: The answer is not a snapshot: .*\n$/);
      server.close();
    },
  );

  it('coronet top --json ends when its reader has ended', async () => {
    const program = await startProgram();
    const client = top(idOf(program), '--json', '--interval', '100');
    await client.until('it has a snapshot', () => client.lines.length >= 1);
    client.child.stdout?.destroy();
    expect(await client.exit).toEqual({ code: 0, signal: null });
  });

  it('coronet top fails if its output cannot be written', async () => {
    const program = await startProgram();
    const full = openSync('/dev/full', 'w');
    const stdio = ['ignore', full, 'pipe'] as const;
    const env = { XDG_RUNTIME_DIR: folder };
    const args = [COMMAND, 'top', idOf(program), '--once'];
    const client = new Process(process.execPath, args, { env, stdio: [...stdio] });
    expect(await client.exit).toEqual({ code: 1, signal: null });
    expect(client.stderr).toContain('ENOSPC');
    closeSync(full);
  });

  it.skipIf(withoutScript).each(['SIGINT', 'SIGTERM', 'SIGHUP'])(
    'coronet top restores the terminal when it receives %s',
    async (signal) => {
      const program = await startProgram();
      const shell = `echo "pid $$"; exec "${process.execPath}" "${COMMAND}" top ${idOf(program)}`;
      const env = { XDG_RUNTIME_DIR: folder, SHELL: '/bin/sh' };
      const terminal = new Process('script', ['-qfec', shell, '/dev/null'], { env });
      await terminal.until('it shows the tasks', () => terminal.stdout.includes('20 × job *'));
      process.kill(Number(/pid (\d+)/.exec(terminal.stdout)?.[1]), signal);
      expect(await terminal.exit).toEqual({ code: 0, signal: null });
      expect(terminal.stdout.trimEnd().endsWith('\x1b[?1049l')).toBe(true);
    },
  );

  it.skipIf(withoutScript)(
    'coronet top shows its screen on a terminal and obeys keys',
    async () => {
      const program = await startProgram();
      const command = `"${process.execPath}" "${COMMAND}" top ${idOf(program)}`;
      const shell = `stty cols 100 rows 30; exec ${command}`;
      const env = { XDG_RUNTIME_DIR: folder, SHELL: '/bin/sh' };
      const terminal = new Process('script', ['-qfec', shell, '/dev/null'], { env });
      const shows = (text: string) => () => terminal.stdout.includes(text);
      await terminal.until('it shows the tasks', shows('20 × job *'));
      terminal.child.stdin?.write('\r');
      await terminal.until('it shows the jobs one by one', shows('job 7 (task '));
      terminal.child.stdin?.write('s');
      await terminal.until('it shows the spawn site', shows('CORONET_DEBUG=1'));
      terminal.child.stdin?.write('q');
      expect(await terminal.exit).toEqual({ code: 0, signal: null });
      expect(terminal.stdout).toContain('\x1b[?1049h');
      expect(terminal.stdout.trimEnd().endsWith('\x1b[?1049l')).toBe(true);
    },
  );
});
