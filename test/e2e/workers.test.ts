import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { realBackends } from '../support/backends.ts';
import { PlainClient } from '../support/process/coronet-command.ts';
import { endProcesses, Process } from '../support/process/process.ts';
import {
  askLine,
  askWhile,
  busyClient,
  eventsOf,
  ownFolder,
  untilEvent,
  untilGone,
  write,
} from '../support/process/worker-processes.ts';

const SUPERVISOR = fileURLToPath(new URL('programs/supervisor.mjs', import.meta.url));
const folder = ownFolder();

/** Without the addon all workers share one listener. */
const configurations = [
  ...realBackends.map(({ name }) => ({ name, env: { CORONET_BACKEND: name } })),
  { name: 'portable, without the addon', env: { CORONET_ADDON: '/nowhere' } },
];

interface Supervisor {
  readonly process: Process;
  readonly port: number;
  /** The workers, in the order of their start. */
  pids(): number[];
}

for (const { name, env } of configurations) {
  describe(`workers on ${name}`, () => {
    endProcesses();

    async function supervise(count: number, options: object = {}): Promise<Supervisor> {
      const file = write(folder, 'version', 'v1');
      const args = [SUPERVISOR, `${count}`, file, JSON.stringify(options)];
      const supervisor = new Process(process.execPath, args, { env });
      const { port } = await untilEvent(supervisor, 'serving');
      const started = () => eventsOf(supervisor).filter(({ kind }) => kind === 'started');
      const pids = () => started().map(({ pid }) => Number(pid));
      return { process: supervisor, port: Number(port), pids };
    }

    for (const count of [2, 4]) {
      it(`${count} processes serve one address, and their stats are added up`, async () => {
        const { process, port, pids } = await supervise(count);
        const answers = await askWhile(port, (seen) => seen.size < count);
        expect([...answers.keys()].sort()).toEqual(
          pids()
            .map((pid) => `${pid} v1`)
            .sort(),
        );
        process.child.kill('SIGTERM');
        expect(await process.exit).toEqual({ code: 0, signal: null });
        const asked = [...answers.values()].reduce((sum, each) => sum + each);
        expect(await untilEvent(process, 'end')).toMatchObject({
          total: { accepted: asked, open: 0 },
        });
        await untilGone(pids());
      });
    }

    it('an inherited listener is passed to the workers, and its address is reported', async () => {
      const server = createServer().listen(0, '127.0.0.1');
      await once(server, 'listening');
      const { fd } = (server as unknown as { _handle: { fd: number } })._handle;
      const file = write(folder, 'version', 'v1');
      const options = JSON.stringify({ listen: { fd: 3 }, args: ['fd:3', file] });
      const args = [SUPERVISOR, '2', file, options];
      const stdio = ['ignore', 'pipe', 'pipe', fd] as const;
      const supervisor = new Process(process.execPath, args, { env, stdio: [...stdio] });
      const { port } = server.address() as AddressInfo;
      expect(await untilEvent(supervisor, 'serving')).toMatchObject({ port });
      server.close();
      expect(await askLine(port)).toMatch(/^\d+ v1$/);
      supervisor.child.kill('SIGTERM');
      expect(await supervisor.exit).toEqual({ code: 0, signal: null });
    });

    it('killing a worker loses none of the connections in its queue', async () => {
      const { process, port, pids } = await supervise(1);
      const blocking = new PlainClient(port);
      await blocking.connected();
      blocking.socket.write('who\n');
      await blocking.until(() => blocking.received.includes('v1'));
      blocking.socket.write('block\n');
      await blocking.until(() => blocking.received.endsWith('now\n'));
      const asked = Array.from({ length: 30 }, () => askLine(port));
      await untilEvent(process, 'ready');
      globalThis.process.kill(pids()[0] as number, 'SIGKILL');
      const answers = new Set(await Promise.all(asked));
      expect(answers).toEqual(new Set([`${pids()[1]} v1`]));
      expect(await untilEvent(process, 'ended')).toMatchObject({ exit: { signal: 'SIGKILL' } });
    });

    it('clients of a worker that was not restarted yet are served by the others', async () => {
      const { process, port, pids } = await supervise(2);
      const [first, second] = pids() as [number, number];
      globalThis.process.kill(second, 'SIGKILL');
      await untilEvent(process, 'started', 3);
      const third = pids()[2] as number;
      globalThis.process.kill(third, 'SIGSTOP');
      for (const answer of await Promise.all(Array.from({ length: 40 }, () => askLine(port)))) {
        expect(answer).toBe(`${first} v1`);
      }
      globalThis.process.kill(third, 'SIGCONT');
      await askWhile(port, (seen) => seen.size < 2);
      process.child.kill('SIGTERM');
      expect(await process.exit).toEqual({ code: 0, signal: null });
    });

    it('SIGHUP replaces all workers, and no connection is rejected meanwhile', async () => {
      const { process, port, pids } = await supervise(2);
      const [first, second] = pids() as [number, number];
      write(folder, 'version', 'v2');
      process.child.kill('SIGHUP');
      let reloaded = false;
      const done = untilEvent(process, 'reloaded').then(() => {
        reloaded = true;
      });
      const during = await askWhile(port, () => !reloaded);
      await done;
      for (const answer of during.keys()) expect(answer).toMatch(/^\d+ v[12]$/);
      const after = await askWhile(port, (seen) => seen.size < 2);
      expect([...after.keys()].sort()).toEqual(
        pids()
          .slice(2)
          .map((pid) => `${pid} v2`)
          .sort(),
      );
      await untilGone([first, second]);
    });

    it('a reload with a broken version fails, and the workers continue to serve', async () => {
      const { process, port, pids } = await supervise(2);
      write(folder, 'version', 'broken');
      process.child.kill('SIGHUP');
      expect(await untilEvent(process, 'reload-failed')).toMatchObject({
        worker: 1,
        pid: pids()[2],
      });
      const answers = await askWhile(port, (seen) => seen.size < 2);
      expect([...answers.keys()].sort()).toEqual(
        pids()
          .slice(0, 2)
          .map((pid) => `${pid} v1`)
          .sort(),
      );
      expect(process.stderr).toContain('this version is broken');
    });

    it('workers that fail too often end the program with an error', async () => {
      const { process, pids } = await supervise(1, { restarts: { times: 2 } });
      for (let count = 1; count <= 3; count++) {
        await untilEvent(process, 'ready', count);
        globalThis.process.kill(pids().at(-1) as number, 'SIGKILL');
        await untilEvent(process, 'ended', count);
      }
      expect(await process.exit).toEqual({ code: 1, signal: null });
      expect(process.stderr).toContain('more than 2 times within 60000 ms');
    });
  });
}

describe('the end of workers', () => {
  endProcesses();

  async function supervise(count: number): Promise<Supervisor> {
    const file = write(folder, 'steady', 'v1');
    const supervisor = new Process(process.execPath, [SUPERVISOR, `${count}`, file]);
    const { port } = await untilEvent(supervisor, 'serving');
    const started = eventsOf(supervisor).filter(({ kind }) => kind === 'started');
    return {
      process: supervisor,
      port: Number(port),
      pids: () => started.map(({ pid }) => Number(pid)),
    };
  }

  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    it(`${signal} to the process group lets every exchange finish`, async () => {
      const { process, port, pids } = await supervise(2);
      const clients = await Promise.all(Array.from({ length: 8 }, () => busyClient(port)));
      for (const pid of [...pids(), process.child.pid as number, ...pids()]) {
        globalThis.process.kill(pid, signal);
      }
      while ((await askLine(port)) !== 'ECONNREFUSED');
      for (const client of clients) {
        client.socket.write('now\n');
        expect(await client.until(() => client.received.endsWith(' v1\n'))).toBe(true);
        client.socket.end();
      }
      expect(await process.exit).toEqual({ code: 0, signal: null });
      await untilGone(pids());
    });
  }

  it('SIGHUP to the process group while the first worker starts ends no process', async () => {
    const file = write(folder, 'steady', 'v1');
    const supervisor = new Process(process.execPath, [SUPERVISOR, '2', file]);
    const { pid } = await untilEvent(supervisor, 'started');
    for (const each of [Number(pid), supervisor.child.pid as number]) {
      globalThis.process.kill(each, 'SIGHUP');
    }
    const { port } = await untilEvent(supervisor, 'serving');
    await untilEvent(supervisor, 'reloaded');
    expect(await askLine(Number(port))).toMatch(/^\d+ v1$/);
    supervisor.child.kill('SIGTERM');
    expect(await supervisor.exit).toEqual({ code: 0, signal: null });
  });

  it('a second signal cuts the workers, and none is left', async () => {
    const { process, port, pids } = await supervise(2);
    const client = await busyClient(port);
    process.child.kill('SIGTERM');
    while ((await askLine(port)) !== 'ECONNREFUSED');
    process.child.kill('SIGTERM');
    expect(await process.exit).toEqual({ code: 143, signal: null });
    await untilGone(pids());
    await client.until(() => client.socket.closed);
  });

  it('workers whose supervisor is killed drain and end', async () => {
    const { process, port, pids } = await supervise(2);
    const client = await busyClient(port);
    process.child.kill('SIGKILL');
    while ((await askLine(port)) !== 'ECONNREFUSED');
    client.socket.write('now\n');
    expect(await client.until(() => client.received.endsWith(' v1\n'))).toBe(true);
    client.socket.end();
    await untilGone(pids());
  });

  it('an error of the module is reported once, and the exit code is 1', async () => {
    const file = write(folder, 'wrong', 'broken');
    const failing = new Process(process.execPath, [SUPERVISOR, '4', file]);
    expect(await failing.exit).toEqual({ code: 1, signal: null });
    expect(failing.stderr.match(/Error: this version is broken/g)?.length).toBe(1);
    expect(failing.stderr).toMatch(/worker 1 \(pid \d+\) exited with code 1 before it was ready/);
  });

  it('an address of another supervisor is in use', async () => {
    const { port } = await supervise(2);
    const file = write(folder, 'steady', 'v1');
    const options = JSON.stringify({ listen: `127.0.0.1:${port}` });
    const second = new Process(process.execPath, [SUPERVISOR, '2', file, options]);
    expect(await second.exit).toEqual({ code: 1, signal: null });
    expect(second.stderr).toContain('EADDRINUSE');
  });
});
