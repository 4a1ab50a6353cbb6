/** The frame that `main` gives a program: readiness, lame duck, and what systemd is told. */
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

/** Longer than any test takes. */
const FOR_EVER_MS = 600_000;

/** Debug mode names steps that a busy machine has made long, and standard error is compared. */
const QUIET = { CORONET_DEBUG: '' };

const clients: PlainClient[] = [];

/** The program, once it answers. */
class Framed {
  readonly process: Process;

  constructor(options: object = {}, env: Readonly<Record<string, string>> = {}) {
    const args = [program, JSON.stringify(options)];
    this.process = new Process(process.execPath, args, { env: { ...QUIET, ...env } });
  }

  async until(line: RegExp): Promise<void> {
    const said = () => this.process.lines.some((each) => line.test(each));
    await this.process.until(`it says ${line}`, said);
  }

  /** Starts it and waits until it listens at both ports. */
  static async start(options: object, env?: Readonly<Record<string, string>>): Promise<Framed> {
    const framed = new Framed(options, env);
    await framed.until(/^health/);
    await framed.until(/^serves/);
    return framed;
  }

  port(name: 'health' | 'serves'): number {
    const line = this.process.lines.find((each) => each.startsWith(name));
    return Number(line?.split(' ')[1]);
  }

  /** Status and body of an answer of its health. */
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
    const framed = await Framed.start({});
    await framed.until(/^ready/);
    expect(await framed.ask('/readyz')).toBe('200 ready');
    expect(await framed.ask('/metrics')).toMatch(/^coronet_server_open\{server="127\.0\.0\.1:/m);
    framed.kill();
    expect(await framed.process.exit).toEqual({ code: 0, signal: null });
    expect(framed.process.lines.filter((line) => line === 'ready')).toHaveLength(1);
    expect(framed.process.stderr).toBe('');
  });

  it('that tells by itself is ready when it has told, and not before', async () => {
    const framed = await Framed.start({ ready: 'manual' });
    expect(await framed.ask('/readyz')).toBe('503 not ready');
    framed.process.child.stdin?.write('now\n');
    await framed.until(/^ready/);
    expect(await framed.ask('/readyz')).toBe('200 ready');
    framed.kill('SIGINT');
    expect(await framed.process.exit).toEqual({ code: 0, signal: null });
  });

  it('never becomes ready after a signal', async () => {
    const framed = await Framed.start({ ready: 'manual', lameDuckMs: FOR_EVER_MS });
    framed.kill();
    await framed.answers('/readyz', '503 stopping');
    framed.process.child.stdin?.write('now\n');
    framed.process.child.stdin?.end();
    expect(await framed.ask('/readyz')).toBe('503 stopping');
    framed.kill();
    expect(await framed.process.exit).toEqual({ code: 143, signal: null });
    expect(framed.process.lines).not.toContain('ready');
  });

  it('fails with what onReady throws', async () => {
    const framed = new Framed({ fails: true });
    expect(await framed.process.exit).toEqual({ code: 1, signal: null });
    expect(framed.process.stderr).toContain('not ready after all');
  });

  it('serves on as a lame duck, while it says that it is not ready', async () => {
    const framed = await Framed.start({ lameDuckMs: FOR_EVER_MS });
    framed.kill();
    await framed.answers('/readyz', '503 stopping');
    expect(await framed.ask('/livez')).toBe('200 alive');
    expect(await isServed(framed.port('serves'))).toBe(true);
    framed.kill('SIGINT');
    expect(await framed.process.exit).toEqual({ code: 130, signal: null });
  });

  it('drains once the lame duck is over', async () => {
    const framed = await Framed.start({ lameDuckMs: 100 });
    const client = framed.client();
    await client.connected();
    framed.kill();
    await framed.answers('/readyz', '503 stopping');
    expect(await framed.process.exit).toEqual({ code: 0, signal: null });
    await client.until(() => client.socket.closed);
    expect(client.socket.errored).toBe(null);
  });

  it('answers for its health to the very end of a drain', async () => {
    const framed = await Framed.start({ holds: true, graceMs: FOR_EVER_MS });
    const client = framed.client();
    await client.connected();
    client.socket.write('a question');
    const open = /coronet_server_open\{[^}]*\} 1\n/;
    while (!open.test(await framed.ask('/metrics'))) await framed.ask('/livez');
    framed.kill();
    await framed.answers('/readyz', '503 stopping');
    while (await isServed(framed.port('serves'))) await framed.ask('/livez');
    expect(await framed.ask('/livez')).toBe('200 alive');
    framed.kill();
    expect(await framed.process.exit).toEqual({ code: 143, signal: null });
  });

  it('that is cut tells who it was, and what they waited for', async () => {
    const framed = await Framed.start({ holds: true, graceMs: 50 });
    const client = framed.client();
    await client.connected();
    client.socket.write('a question');
    const open = /coronet_server_open\{[^}]*\} 1\n/;
    while (!open.test(await framed.ask('/metrics'))) await framed.ask('/livez');
    framed.kill();
    expect(await framed.process.exit).toEqual({ code: 1, signal: null });
    expect(framed.process.stderr).toMatch(/grace period of 50 ms is over/);
    expect(framed.process.stderr).toMatch(/'127\.0\.0\.1:\d+' waits for sleep forever/);
  });
});

describe.skipIf(!isInstalled('socat'))('a program under systemd', () => {
  let folder = '';
  endProcesses();
  afterEach(() => {
    if (folder !== '') rmSync(folder, { recursive: true });
    folder = '';
  });

  /** A receiver of datagrams, as the manager is one, and where it listens. */
  async function manager(isAbstract: boolean): Promise<{ at: string; heard: Process }> {
    folder = mkdtempSync(join(tmpdir(), 'coronet-notify-'));
    const path = join(folder, 'notify.sock');
    const address = isAbstract ? `ABSTRACT-RECV:${path}` : `UNIX-RECV:${path}`;
    const heard = new Process('socat', ['-d', '-d', '-u', address, 'STDOUT']);
    await heard.until('it listens', () => heard.stderr.includes('starting data transfer loop'));
    return { at: isAbstract ? `@${path}` : path, heard };
  }

  async function tells(isAbstract: boolean, env: Record<string, string>): Promise<string> {
    const { at, heard } = await manager(isAbstract);
    const framed = new Framed({}, { NOTIFY_SOCKET: at, ...env });
    await heard.until('it is ready', () => heard.stdout.includes('READY=1\nSTATUS=Ready'));
    framed.kill();
    await heard.until('it stops', () => heard.stdout.includes('STOPPING=1\nSTATUS=Draining'));
    expect(await framed.process.exit).toEqual({ code: 0, signal: null });
    expect(framed.process.stderr).toBe('');
    expect(framed.process.lines).toContain('sees ');
    return heard.stdout;
  }

  const linux = process.platform === 'linux';

  it.runIf(withoutEpoll === undefined)('says that it is ready, and that it stops', async () => {
    expect(await tells(false, {})).not.toContain('WATCHDOG');
  });

  it.runIf(withoutEpoll === undefined && linux)('finds a manager with an abstract name', () =>
    tells(true, {}),
  );

  it.runIf(isInstalled('systemd-notify'))('says so without the addon, too', () =>
    tells(false, { CORONET_ADDON: '/nowhere/coronet.node' }),
  );

  it('without the addon says what keeps it from telling', async () => {
    const env = { ...QUIET, NOTIFY_SOCKET: '/nowhere', CORONET_ADDON: '/nowhere/coronet.node' };
    const given = [process.execPath, program, JSON.stringify({ ready: 'manual', fills: true })];
    const full = new Process('sh', ['-c', 'ulimit -n 64; exec "$@"', 'sh', ...given], { env });
    await full.until('it has said both ports', () => full.lines.length === 3);
    full.child.stdin?.write('now\n');
    await full.until('it has none left', () => full.lines.includes('EMFILE'));
    full.child.kill('SIGTERM');
    await full.exit;
    expect(full.stderr).toContain('no addon here, and EMFILE for systemd-notify');
  });

  it.runIf(withoutEpoll === undefined)('says that it is alive, if that is asked for', async () => {
    const { at, heard } = await manager(false);
    const framed = new Framed({}, { NOTIFY_SOCKET: at, WATCHDOG_USEC: '20000' });
    await heard.until('it is alive', () => heard.stdout.split('WATCHDOG=1').length > 5);
    framed.kill();
    expect(await framed.process.exit).toEqual({ code: 0, signal: null });
    expect(framed.process.lines).toContain('sees ');
  });

  it.runIf(withoutEpoll === undefined)('says so without a descriptor left, too', async () => {
    const { at, heard } = await manager(false);
    const options = JSON.stringify({ ready: 'manual', fills: true });
    const given = [process.execPath, program, options];
    const env = { ...QUIET, NOTIFY_SOCKET: at, WATCHDOG_USEC: '20000' };
    const full = new Process('sh', ['-c', 'ulimit -n 64; exec "$@"', 'sh', ...given], { env });
    await full.until('it has said both ports', () => full.lines.length === 3);
    full.child.stdin?.write('now\n');
    await full.until('it has none left', () => full.lines.includes('EMFILE'));
    const before = heard.stdout.split('WATCHDOG=1').length;
    const since = () => heard.stdout.split('WATCHDOG=1').length - before;
    await heard.until('it is alive', () => since() > 5);
    full.child.kill('SIGTERM');
    expect(await full.exit).toEqual({ code: 0, signal: null });
    expect(full.stderr).toBe('');
  });

  it.runIf(withoutEpoll === undefined)('is not watched in the place of another', async () => {
    const watch = { WATCHDOG_USEC: '1000', WATCHDOG_PID: '1' };
    expect(await tells(false, watch)).not.toContain('WATCHDOG');
  });

  it.runIf(withoutEpoll === undefined)(
    'goes on when nobody hears it, with one warning',
    async () => {
      const framed = await Framed.start({}, { NOTIFY_SOCKET: '/nowhere/notify.sock' });
      framed.kill();
      expect(await framed.process.exit).toEqual({ code: 0, signal: null });
      expect(framed.process.stderr.split('cannot be told')).toHaveLength(2);
    },
  );
});
