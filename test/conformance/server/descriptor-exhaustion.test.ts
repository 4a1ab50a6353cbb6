/** Servers in processes that run out of descriptors. */
import type { Socket } from 'node:net';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import type { ServerOptions, ServerStats } from '../../../src/index.ts';
import { backends } from '../../support/backends.ts';
import { endProcesses, Process } from '../../support/process/process.ts';

/** More than Node needs, fewer than there are clients. */
const DESCRIPTORS = 96;
const CLIENTS = 120;

/** A limit above what any system allows; the options are passed as JSON, without Infinity. */
const UNREACHABLE: ServerOptions = { maxConnections: 2 ** 31 - 1 };

const WARNING = /maxConnections is 500.* may have 96 descriptors/;

const program = fileURLToPath(new URL('../programs/few-descriptors.mjs', import.meta.url));

const clients: Client[] = [];

for (const backend of backends.filter(({ real }) => real)) {
  describe(`a server without descriptors on ${backend.name}`, () => {
    endProcesses();
    afterEach(() => {
      for (const client of clients.splice(0)) client.socket.destroy();
    });

    it.each<ServerOptions>([{}, UNREACHABLE])(
      'with the options %j idles at EMFILE, and serves again when descriptors are free',
      async (options) => {
        const server = await startServer(backend.name, options);
        const pauses = backend.capabilities.pausesAccept;
        for (let i = 0; i < CLIENTS; i++) clients.push(new Client(server.port));
        await untilExhausted(server, pauses);
        expect(await cpuMsWithin(server, 400)).toBeLessThan(200);

        // The clients that were answered leave, and the server accepts others.
        while (clients.some(({ state }) => state === 'answered')) {
          for (const client of answered()) client.end();
          if (clients.some(({ state }) => state === 'waiting')) await nextAnswer();
        }
        const outcomes = new Set(clients.map(({ state }) => state));
        expect(outcomes).toEqual(new Set(pauses ? ['served'] : ['served', 'reset']));
        clients.push(new Client(server.port));
        await nextAnswer();

        const { acceptPauses, failed } = await statsOf(server);
        expect([acceptPauses > 0, failed]).toEqual([pauses, 0]);
        const effect = pauses ? /accepting is paused/g : /new connections are reset/g;
        expect(server.process.stderr.match(effect)?.length).toBe(1);
        await stop(server);
      },
    );

    it('leaves descriptors for another server of the process', async () => {
      const server = await startServer(backend.name, {});
      const pauses = backend.capabilities.pausesAccept;
      for (let i = 0; i < CLIENTS; i++) clients.push(new Client(server.port));
      await untilExhausted(server, pauses);
      const probe = new Client(server.probePort);
      clients.push(probe);
      while (probe.state === 'waiting') await nextChange();
      expect(probe.state).toBe('answered');
      await stop(server);
    });

    it.runIf(!backend.capabilities.pausesAccept)(
      'counts the connections that it resets for lack of a descriptor',
      async () => {
        const server = await startServer(backend.name, UNREACHABLE);
        for (let i = 0; i < CLIENTS; i++) clients.push(new Client(server.port));
        await untilExhausted(server, false);
        const resets = clients.filter(({ state }) => state === 'reset').length;
        expect(resets).toBeGreaterThan(CLIENTS - DESCRIPTORS);
        const { overflowed, accepted } = await statsOf(server);
        expect([overflowed, accepted]).toEqual([resets, CLIENTS - resets]);
        await stop(server);
      },
    );

    // On other networks connections do not wait in the system's queue: they are reset at once.
    it.runIf(backend.capabilities.pausesAccept)(
      'resets connections that have waited for long, and serves again later',
      async () => {
        const server = await startServer(backend.name, UNREACHABLE);
        for (let i = 0; i < CLIENTS; i++) clients.push(new Client(server.port));
        while (clients.some(({ state }) => state === 'waiting')) await nextChange();
        const resets = clients.filter(({ state }) => state === 'reset').length;
        expect(resets).toBeGreaterThan(0);
        const { refused, accepted, open } = await statsOf(server);
        expect([refused.shed, accepted, open]).toEqual([
          resets,
          CLIENTS - resets,
          CLIENTS - resets,
        ]);
        for (const client of answered()) client.end();
        clients.push(new Client(server.port));
        await nextAnswer();
        await stop(server);
      },
    );

    it.runIf(backend.capabilities.pausesAccept)(
      'answers the queued connections before it ends, if it is stopped at EMFILE',
      async () => {
        const server = await startServer(backend.name, UNREACHABLE);
        for (let i = 0; i < CLIENTS; i++) clients.push(new Client(server.port));
        await untilExhausted(server, true);
        server.process.child.send('drain');
        expect(await server.process.exit).toEqual({ code: 0, signal: null });
        while (clients.some(({ socket }) => !socket.closed)) await nextChange();
        expect(new Set(clients.map(({ state }) => state))).toEqual(new Set(['answered']));
      },
    );

    it('reports a maxConnections above the number of descriptors', async () => {
      const server = await startServer(backend.name, { maxConnections: 500 });
      const isReported = () => WARNING.test(server.process.stderr);
      await server.process.until('the warning', isReported);
      await stop(server);
      const modest = await startServer(backend.name, { maxConnections: 20 });
      await stop(modest);
      expect(modest.process.stderr).toBe('');
    });
  });
}

// ---- clients ----

let onChange = () => {};

class Client {
  readonly socket: Socket;
  state: 'waiting' | 'answered' | 'reset' | 'served' = 'waiting';

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1', () => this.socket.write('x'));
    this.socket.on('data', () => this.#become('answered'));
    this.socket.on('error', () => {}); // Its 'close' follows.
    this.socket.on('close', () => {
      this.#become(this.state === 'waiting' ? 'reset' : this.state);
    });
  }

  end(): void {
    this.state = 'served';
    this.socket.destroy();
  }

  #become(state: Client['state']): void {
    this.state = state;
    onChange();
  }
}

function answered(): Client[] {
  return clients.filter(({ state }) => state === 'answered');
}

async function nextAnswer(): Promise<void> {
  while (answered().length === 0 && clients.some(({ state }) => state === 'waiting')) {
    await nextChange();
  }
}

function nextChange(): Promise<void> {
  return new Promise((resolve) => {
    onChange = resolve;
  });
}

// ---- the server ----

interface ServerProcess {
  readonly process: Process;
  readonly port: number;
  readonly probePort: number;
}

async function startServer(backend: string, options: ServerOptions): Promise<ServerProcess> {
  const script = `ulimit -n ${DESCRIPTORS} && exec "$0" "$@"`;
  const args = ['-c', script, process.execPath, program, backend, JSON.stringify(options)];
  const started = new Process('/bin/sh', args, { stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
  const ports = await messageOf<{ port: number; probePort: number }>(started);
  return { process: started, ...ports };
}

async function stop(server: ServerProcess): Promise<void> {
  server.process.child.send('stop');
  expect(await server.process.exit).toEqual({ code: 0, signal: null });
}

/** The next message; rejects if the process ends first. */
function messageOf<T>({ child, exit }: Process): Promise<T> {
  return new Promise((resolve, reject) => {
    child.once('message', (message) => resolve(message as T));
    exit.then(({ code }) => reject(new Error(`The server has ended with code ${code}`)));
  });
}

function statsOf({ process: server }: ServerProcess): Promise<ServerStats & { cpuMs: number }> {
  const message = messageOf<ServerStats & { cpuMs: number }>(server);
  server.child.send('stats');
  return message;
}

/** Waits until all descriptors are in use: accepting is paused, or the rest was reset. */
async function untilExhausted(server: ServerProcess, pauses: boolean): Promise<void> {
  const isExhausted = async () => {
    if (!pauses) return clients.every(({ state }) => state !== 'waiting');
    return (await statsOf(server)).acceptPauses > 0;
  };
  while (!(await isExhausted())) await delay(5);
}

async function cpuMsWithin(server: ServerProcess, ms: number): Promise<number> {
  const before = (await statsOf(server)).cpuMs;
  await delay(ms);
  return (await statsOf(server)).cpuMs - before;
}
