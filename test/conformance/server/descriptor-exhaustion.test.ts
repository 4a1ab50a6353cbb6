import type { Socket } from 'node:net';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import type { ServerOptions, ServerStats } from '../../../src/index.ts';
import { backends } from '../../support/backends.ts';
import { endProcesses, Process } from '../../support/process/process.ts';

/** More than Node needs for itself, fewer than there are clients. */
const DESCRIPTORS = 96;
const CLIENTS = 120;

const WARNING = /maxConnections is 500.* may have 96 descriptors/;

const program = fileURLToPath(new URL('../programs/few-descriptors.mjs', import.meta.url));

const clients: Client[] = [];

for (const backend of backends.filter(({ real }) => real)) {
  describe(`a server without descriptors on ${backend.name}`, () => {
    endProcesses();
    afterEach(() => {
      for (const client of clients.splice(0)) client.socket.destroy();
    });

    it.each<ServerOptions>([{}, { maxConnections: 'unlimited' }])(
      'neither spins nor ends, and serves again when there are some: %j',
      async (options) => {
        const server = await startServer(backend.name, options);
        const pauses = backend.capabilities.pausesAccept;
        for (let i = 0; i < CLIENTS; i++) clients.push(new Client(server.port));
        await untilStuck(server, pauses);
        expect(await cpuMsWithin(server, 400)).toBeLessThan(200);

        // Those who were answered go, and others take their places.
        while (clients.some(({ state }) => state === 'answered')) {
          for (const client of answered()) client.end();
          if (clients.some(({ state }) => state === 'waiting')) await nextAnswer();
        }
        const fates = new Set(clients.map(({ state }) => state));
        expect(fates).toEqual(new Set(pauses ? ['served'] : ['served', 'turned away']));
        clients.push(new Client(server.port));
        await nextAnswer();

        const { acceptPauses, failed } = await statsOf(server);
        expect([acceptPauses > 0, failed]).toEqual([pauses, 0]);
        const told = server.process.stderr.match(/pauses accepting/g) ?? [];
        expect(told.length).toBe(pauses ? 1 : 0);
        await stop(server);
      },
    );

    // Elsewhere nobody waits in the queue of the system: who finds no descriptor is turned away.
    it.runIf(backend.capabilities.pausesAccept)(
      'turns those away who have waited for long, and serves again when there are some',
      async () => {
        const server = await startServer(backend.name, { maxConnections: 'unlimited' });
        for (let i = 0; i < CLIENTS; i++) clients.push(new Client(server.port));
        while (clients.some(({ state }) => state === 'waiting')) await nextChange();
        const turnedAway = clients.filter(({ state }) => state === 'turned away').length;
        expect(turnedAway).toBeGreaterThan(0);
        const { refused, accepted, open } = await statsOf(server);
        expect([refused.shed, accepted, open]).toEqual([
          turnedAway,
          CLIENTS - turnedAway,
          CLIENTS - turnedAway,
        ]);
        for (const client of answered()) client.end();
        clients.push(new Client(server.port));
        await nextAnswer();
        await stop(server);
      },
    );

    it.runIf(backend.capabilities.pausesAccept)(
      'answers those who wait before it ends, when it is stopped meanwhile',
      async () => {
        const server = await startServer(backend.name, { maxConnections: 'unlimited' });
        for (let i = 0; i < CLIENTS; i++) clients.push(new Client(server.port));
        await untilStuck(server, true);
        server.process.child.send('drain');
        expect(await server.process.exit).toEqual({ code: 0, signal: null });
        while (clients.some(({ socket }) => !socket.closed)) await nextChange();
        expect(new Set(clients.map(({ state }) => state))).toEqual(new Set(['answered']));
      },
    );

    it('says so when more connections are allowed than there can be', async () => {
      const server = await startServer(backend.name, { maxConnections: 500 });
      const said = () => WARNING.test(server.process.stderr);
      await server.process.until('it says so', said);
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
  state: 'waiting' | 'answered' | 'turned away' | 'served' = 'waiting';

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1', () => this.socket.write('x'));
    this.socket.on('data', () => this.#become('answered'));
    this.socket.on('error', () => {}); // Its 'close' follows.
    this.socket.on('close', () => {
      this.#become(this.state === 'waiting' ? 'turned away' : this.state);
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
}

async function startServer(backend: string, options: ServerOptions): Promise<ServerProcess> {
  const script = `ulimit -n ${DESCRIPTORS} && exec "$0" "$@"`;
  const args = ['-c', script, process.execPath, program, backend, JSON.stringify(options)];
  const started = new Process('/bin/sh', args, { stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
  const { port } = await messageOf<{ port: number }>(started);
  return { process: started, port };
}

async function stop(server: ServerProcess): Promise<void> {
  server.process.child.send('stop');
  expect(await server.process.exit).toEqual({ code: 0, signal: null });
}

/** The next message; fails with what the process has to say if it ends instead. */
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

/** All descriptors are in use: the server has said so, or turned away all that it cannot serve. */
async function untilStuck(server: ServerProcess, pauses: boolean): Promise<void> {
  const isStuck = async () => {
    if (!pauses) return clients.every(({ state }) => state !== 'waiting');
    return (await statsOf(server)).acceptPauses > 0;
  };
  while (!(await isStuck())) await delay(5);
}

async function cpuMsWithin(server: ServerProcess, ms: number): Promise<number> {
  const before = (await statsOf(server)).cpuMs;
  await delay(ms);
  return (await statsOf(server)).cpuMs - before;
}
