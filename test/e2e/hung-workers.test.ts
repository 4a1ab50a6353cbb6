/** Workers that hang or misbehave, and their supervisor. Needs `npm run build`. */
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { PlainClient } from '../support/process/coronet-command.ts';
import { endProcesses, Process } from '../support/process/process.ts';
import {
  askLine,
  eventsOf,
  isAlive,
  ownFolder,
  untilEvent,
  untilGone,
  write,
} from '../support/process/worker-processes.ts';

const SUPERVISOR = fileURLToPath(new URL('programs/supervisor.mjs', import.meta.url));
const folder = ownFolder();

/** Long enough for a busy machine: a reply takes a millisecond. */
const LIMIT = { hangTimeoutMs: 1500 };

class Supervisor extends Process {
  port = 0;

  constructor(count: number, options: object) {
    const file = write(folder, 'version', 'v1');
    super(process.execPath, [SUPERVISOR, `${count}`, file, JSON.stringify(options)]);
  }

  static async begin(count: number, options: object = LIMIT): Promise<Supervisor> {
    const supervisor = new Supervisor(count, options);
    supervisor.port = Number((await untilEvent(supervisor, 'serving'))['port']);
    return supervisor;
  }

  /** The workers, in the order of their start. */
  get pids(): number[] {
    const started = eventsOf(this).filter(({ kind }) => kind === 'started');
    return started.map(({ pid }) => Number(pid));
  }

  /** Also kills its workers: a hung one would outlive it and keep its output open. */
  override kill(): void {
    super.kill();
    const ended = eventsOf(this).filter(({ kind }) => kind === 'ended');
    const gone = new Set(ended.map(({ pid }) => Number(pid)));
    for (const pid of this.pids) {
      if (!gone.has(pid) && isAlive(pid)) process.kill(pid, 'SIGKILL');
    }
  }

  kinds(): unknown[] {
    return eventsOf(this).map(({ kind }) => kind);
  }

  /** Drains the workers and expects success. */
  async drain(): Promise<void> {
    this.child.kill('SIGTERM');
    expect(await this.exit).toEqual({ code: 0, signal: null });
    await untilGone(this.pids);
  }
}

/**
 * Makes a worker execute `fault` while one of its connections is open, and returns its pid. The
 * fault has begun: the hung worker accepts no later connection.
 */
async function startFault(port: number, fault: string): Promise<number> {
  const client = new PlainClient(port);
  client.socket.write('who\n');
  if (!(await client.until(() => client.received.endsWith('\n')))) throw new Error('not served');
  client.socket.write(`${fault}\n`);
  // Later replies may arrive with it.
  if (!(await client.until(() => client.received.includes('now\n')))) throw new Error('no reply');
  return Number.parseInt(client.received, 10);
}

describe('a worker that hangs', () => {
  endProcesses();

  for (const fault of ['spin', 'block']) {
    it(`(${fault}) is killed and replaced; the other one serves all clients`, async () => {
      const supervisor = await Supervisor.begin(2);
      const hung = await startFault(supervisor.port, fault);
      const other = supervisor.pids.find((pid) => pid !== hung);
      const asked: Promise<string>[] = [];
      const answers: string[] = [];
      while (!answers.includes(`${other} v1`)) {
        const answer = askLine(supervisor.port);
        asked.push(answer.finally(async () => answers.push(await answer)));
        await Promise.race([delay(20), answer]);
      }
      expect(await untilEvent(supervisor, 'hung')).toMatchObject({ pid: hung, silentMs: 1500 });
      expect(await untilEvent(supervisor, 'ended')).toMatchObject({ exit: { signal: 'SIGKILL' } });
      await untilEvent(supervisor, 'ready', 3);
      const served = new Set(await Promise.all(asked));
      const successor = supervisor.pids[2];
      for (const answer of served) {
        expect([`${other} v1`, `${successor} v1`]).toContain(answer);
      }
      await supervisor.drain();
    });
  }

  it('a worker that was stopped (SIGSTOP) is killed and replaced', async () => {
    const supervisor = await Supervisor.begin(1);
    const [stopped] = supervisor.pids as [number];
    process.kill(stopped, 'SIGSTOP');
    const answer = askLine(supervisor.port);
    expect(await untilEvent(supervisor, 'hung')).toMatchObject({ pid: stopped });
    await untilEvent(supervisor, 'ready', 2);
    expect(await answer).toBe(`${supervisor.pids[1]} v1`);
    await supervisor.drain();
  });

  it('a worker whose program has ended, but not its process, is killed and replaced', async () => {
    const supervisor = await Supervisor.begin(1);
    const left = await startFault(supervisor.port, 'leave');
    expect(await untilEvent(supervisor, 'hung')).toMatchObject({ pid: left });
    await untilEvent(supervisor, 'ready', 2);
    await supervisor.drain();
  });
});

describe('a supervisor does not kill a worker', () => {
  endProcesses();

  it('a worker that is busy beyond the limit, but yields now and then, is not killed', async () => {
    const supervisor = await Supervisor.begin(1);
    const client = new PlainClient(supervisor.port);
    client.socket.write('compute\n');
    expect(await client.until(() => client.received.includes('v1'))).toBe(true);
    expect(supervisor.kinds()).not.toContain('hung');
    client.socket.end();
    await supervisor.drain();
  });

  it('no worker is killed after the supervisor was stopped for longer than the limit', async () => {
    const supervisor = await Supervisor.begin(2);
    supervisor.child.kill('SIGSTOP');
    await delay(2 * LIMIT.hangTimeoutMs);
    supervisor.child.kill('SIGCONT');
    supervisor.child.kill('SIGHUP');
    await untilEvent(supervisor, 'reloaded');
    expect(supervisor.kinds()).not.toContain('hung');
    await supervisor.drain();
  });
});

describe('a supervisor tolerates', () => {
  endProcesses();

  it('a worker that floods it with messages: it still reloads and drains', async () => {
    const supervisor = await Supervisor.begin(2);
    await startFault(supervisor.port, 'flood');
    supervisor.child.kill('SIGHUP');
    await untilEvent(supervisor, 'reloaded');
    await startFault(supervisor.port, 'flood');
    await supervisor.drain();
    expect(supervisor.kinds()).not.toContain('hung');
  });

  it('a worker that closes its channel: the worker drains and is replaced', async () => {
    const supervisor = await Supervisor.begin(1);
    const gone = await startFault(supervisor.port, 'disconnect');
    expect(await untilEvent(supervisor, 'ended')).toMatchObject({ pid: gone, exit: { code: 0 } });
    await untilEvent(supervisor, 'ready', 2);
    expect(await askLine(supervisor.port)).toBe(`${supervisor.pids[1]} v1`);
    await supervisor.drain();
  });
});
