/** The lifecycle of a program under `main`: readiness, lame duck, messages to systemd. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { withoutEpoll } from '../support/backends.ts';
import { isServed, PlainClient } from '../support/process/coronet-command.ts';
import { endProcesses, Process } from '../support/process/process.ts';

const program = fileURLToPath(new URL('programs/program-lifecycle.mjs', import.meta.url));

/** Longer than any test. */
const LONG_MS = 600_000;

/** Debug mode reports long steps of a busy machine, and the tests compare standard error. */
const QUIET = { CORONET_DEBUG: '' };

const clients: PlainClient[] = [];

/** The program in a child process. */
class MainProgram {
  readonly process: Process;

  constructor(options: object = {}, env: Readonly<Record<string, string>> = {}) {
    const args = [program, JSON.stringify(options)];
    this.process = new Process(process.execPath, args, { env: { ...QUIET, ...env } });
  }

  async until(line: RegExp): Promise<void> {
    const printed = () => this.process.lines.some((each) => line.test(each));
    await this.process.until(`it prints ${line}`, printed);
  }

  /** Starts the program and waits until it listens at both ports. */
  static async start(
    options: object,
    env?: Readonly<Record<string, string>>,
  ): Promise<MainProgram> {
    const main = new MainProgram(options, env);
    await main.until(/^health/);
    await main.until(/^serves/);
    return main;
  }

  port(name: 'health' | 'serves'): number {
    const line = this.process.lines.find((each) => each.startsWith(name));
    return Number(line?.split(' ')[1]);
  }

  /** Status and body of a response of its health server. */
  ask(path: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const request = get({ port: this.port('health'), host: '127.0.0.1', path }, (answer) => {
        let body = '';
        answer.on('data', (data) => {
          body += data;
        });
        answer.on('end', () => resolve(`${answer.statusCode} ${body.trim()}`));
      });
      request.on('error', reject);
    });
  }

  client(): PlainClient {
    const client = new PlainClient(this.port('serves'));
    clients.push(client);
    return client;
  }

  kill(signal: NodeJS.Signals = 'SIGTERM'): void {
    this.process.child.kill(signal);
  }

  async answers(path: string, answer: string): Promise<void> {
    while ((await this.ask(path)) !== answer) {
      if (this.process.ended) throw new Error(`It has ended: ${this.process.stderr}`);
    }
  }
}

function isInstalled(name: string): boolean {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  return folders.some((folder) => existsSync(join(folder, name)));
}

describe('a program under main', () => {
  endProcesses();
  afterEach(() => {
    for (const { socket } of clients.splice(0)) socket.destroy();
  });

  it('is ready once its first server listens', async () => {
    const main = await MainProgram.start({});
    await main.until(/^ready/);
    expect(await main.ask('/readyz')).toBe('200 ready');
    expect(await main.ask('/metrics')).toMatch(/^coronet_server_open\{server="127\.0\.0\.1:/m);
    main.kill();
    expect(await main.process.exit).toEqual({ code: 0, signal: null });
    expect(main.process.lines.filter((line) => line === 'ready')).toHaveLength(1);
    expect(main.process.stderr).toBe('');
  });

  it('a program with ready: "manual" is ready after it has called ready()', async () => {
    const main = await MainProgram.start({ ready: 'manual' });
    expect(await main.ask('/readyz')).toBe('503 not ready');
    main.process.child.stdin?.write('now\n');
    await main.until(/^ready/);
    expect(await main.ask('/readyz')).toBe('200 ready');
    main.kill('SIGINT');
    expect(await main.process.exit).toEqual({ code: 0, signal: null });
  });

  it('never becomes ready after a signal', async () => {
    const main = await MainProgram.start({ ready: 'manual', lameDuckMs: LONG_MS });
    main.kill();
    await main.answers('/readyz', '503 stopping');
    main.process.child.stdin?.write('now\n');
    main.process.child.stdin?.end();
    expect(await main.ask('/readyz')).toBe('503 stopping');
    main.kill();
    expect(await main.process.exit).toEqual({ code: 143, signal: null });
    expect(main.process.lines).not.toContain('ready');
  });

  it('fails with what onReady throws', async () => {
    const main = new MainProgram({ fails: true });
    expect(await main.process.exit).toEqual({ code: 1, signal: null });
    expect(main.process.stderr).toContain('not ready after all');
  });

  it('continues to serve as a lame duck while it reports that it is not ready', async () => {
    const main = await MainProgram.start({ lameDuckMs: LONG_MS });
    main.kill();
    await main.answers('/readyz', '503 stopping');
    expect(await main.ask('/livez')).toBe('200 alive');
    expect(await isServed(main.port('serves'))).toBe(true);
    main.kill('SIGINT');
    expect(await main.process.exit).toEqual({ code: 130, signal: null });
  });

  it('drains after the lame duck period', async () => {
    const main = await MainProgram.start({ lameDuckMs: 100 });
    const client = main.client();
    await client.connected();
    main.kill();
    await main.answers('/readyz', '503 stopping');
    expect(await main.process.exit).toEqual({ code: 0, signal: null });
    await client.until(() => client.socket.closed);
    expect(client.socket.errored).toBe(null);
  });

  it('responds to health requests until the end of a drain', async () => {
    const main = await MainProgram.start({ holds: true, graceMs: LONG_MS });
    const client = main.client();
    await client.connected();
    client.socket.write('a question');
    const open = /coronet_server_open\{[^}]*\} 1\n/;
    while (!open.test(await main.ask('/metrics'))) await main.ask('/livez');
    main.kill();
    await main.answers('/readyz', '503 stopping');
    while (await isServed(main.port('serves'))) await main.ask('/livez');
    expect(await main.ask('/livez')).toBe('200 alive');
    main.kill();
    expect(await main.process.exit).toEqual({ code: 143, signal: null });
  });

  it('a program that is cut reports its tasks and what they waited for', async () => {
    const main = await MainProgram.start({ holds: true, graceMs: 50 });
    const client = main.client();
    await client.connected();
    client.socket.write('a question');
    const open = /coronet_server_open\{[^}]*\} 1\n/;
    while (!open.test(await main.ask('/metrics'))) await main.ask('/livez');
    main.kill();
    expect(await main.process.exit).toEqual({ code: 1, signal: null });
    expect(main.process.stderr).toMatch(/grace period of 50 ms is over/);
    expect(main.process.stderr).toMatch(/'127\.0\.0\.1:\d+' waits for sleep forever/);
  });
});

describe.skipIf(!isInstalled('socat'))('a program under systemd', () => {
  let folder = '';
  endProcesses();
  afterEach(() => {
    if (folder !== '') rmSync(folder, { recursive: true });
    folder = '';
  });

  /** A receiver of datagrams in the place of the manager, and its address. */
  async function manager(isAbstract: boolean): Promise<{ at: string; receiver: Process }> {
    folder = mkdtempSync(join(tmpdir(), 'coronet-notify-'));
    const path = join(folder, 'notify.sock');
    const address = isAbstract ? `ABSTRACT-RECV:${path}` : `UNIX-RECV:${path}`;
    const receiver = new Process('socat', ['-d', '-d', '-u', address, 'STDOUT']);
    await receiver.until('it listens', () =>
      receiver.stderr.includes('starting data transfer loop'),
    );
    return { at: isAbstract ? `@${path}` : path, receiver };
  }

  async function messagesOf(isAbstract: boolean, env: Record<string, string>): Promise<string> {
    const { at, receiver } = await manager(isAbstract);
    const main = new MainProgram({}, { NOTIFY_SOCKET: at, ...env });
    await receiver.until('it is ready', () => receiver.stdout.includes('READY=1\nSTATUS=Ready'));
    main.kill();
    await receiver.until('it stops', () => receiver.stdout.includes('STOPPING=1\nSTATUS=Draining'));
    expect(await main.process.exit).toEqual({ code: 0, signal: null });
    expect(main.process.stderr).toBe('');
    expect(main.process.lines).toContain('sees ');
    return receiver.stdout;
  }

  const linux = process.platform === 'linux';

  it.runIf(withoutEpoll === undefined)(
    'reports that it is ready, and that it is stopping',
    async () => {
      expect(await messagesOf(false, {})).not.toContain('WATCHDOG');
    },
  );

  it.runIf(withoutEpoll === undefined && linux)('finds a manager with an abstract name', () =>
    messagesOf(true, {}),
  );

  it.runIf(isInstalled('systemd-notify'))('reports that also without the addon', () =>
    messagesOf(false, { CORONET_ADDON: '/nowhere/coronet.node' }),
  );

  it('warns without the addon if the message cannot be sent', async () => {
    const env = { ...QUIET, NOTIFY_SOCKET: '/nowhere', CORONET_ADDON: '/nowhere/coronet.node' };
    const given = [process.execPath, program, JSON.stringify({ ready: 'manual', fills: true })];
    const full = new Process('sh', ['-c', 'ulimit -n 64; exec "$@"', 'sh', ...given], { env });
    await full.until('it has printed both ports', () => full.lines.length === 3);
    full.child.stdin?.write('now\n');
    await full.until('it has none left', () => full.lines.includes('EMFILE'));
    full.child.kill('SIGTERM');
    await full.exit;
    // The command for the first message may have ended before the descriptors were used up.
    expect(full.stderr).toMatch(/cannot be sent: .*systemd-notify (failed: EMFILE|exited with)/);
  });

  it.runIf(withoutEpoll === undefined)(
    'sends watchdog messages if the manager requests them',
    async () => {
      const { at, receiver } = await manager(false);
      const main = new MainProgram({}, { NOTIFY_SOCKET: at, WATCHDOG_USEC: '20000' });
      await receiver.until('it is alive', () => receiver.stdout.split('WATCHDOG=1').length > 5);
      main.kill();
      expect(await main.process.exit).toEqual({ code: 0, signal: null });
      expect(main.process.lines).toContain('sees ');
    },
  );

  it.runIf(withoutEpoll === undefined)(
    'sends watchdog messages also if no descriptor is left',
    async () => {
      const { at, receiver } = await manager(false);
      const options = JSON.stringify({ ready: 'manual', fills: true });
      const given = [process.execPath, program, options];
      const env = { ...QUIET, NOTIFY_SOCKET: at, WATCHDOG_USEC: '20000' };
      const full = new Process('sh', ['-c', 'ulimit -n 64; exec "$@"', 'sh', ...given], { env });
      await full.until('it has printed both ports', () => full.lines.length === 3);
      full.child.stdin?.write('now\n');
      await full.until('it has none left', () => full.lines.includes('EMFILE'));
      const before = receiver.stdout.split('WATCHDOG=1').length;
      const since = () => receiver.stdout.split('WATCHDOG=1').length - before;
      await receiver.until('it is alive', () => since() > 5);
      full.child.kill('SIGTERM');
      expect(await full.exit).toEqual({ code: 0, signal: null });
      expect(full.stderr).toBe('');
    },
  );

  it.runIf(withoutEpoll === undefined)(
    'sends no watchdog messages that are requested of another process',
    async () => {
      const watch = { WATCHDOG_USEC: '1000', WATCHDOG_PID: '1' };
      expect(await messagesOf(false, watch)).not.toContain('WATCHDOG');
    },
  );

  it.runIf(withoutEpoll === undefined)(
    'continues with one warning if the manager does not exist',
    async () => {
      const main = await MainProgram.start({}, { NOTIFY_SOCKET: '/nowhere/notify.sock' });
      main.kill();
      expect(await main.process.exit).toEqual({ code: 0, signal: null });
      expect(main.process.stderr.split('cannot be sent')).toHaveLength(2);
    },
  );
});
