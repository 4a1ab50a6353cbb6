import { once } from 'node:events';
import type { Socket } from 'node:net';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { realBackends } from '../support/backends.ts';
import type { Echo } from '../support/process/coronet-command.ts';
import { isServed, PlainClient, startEcho } from '../support/process/coronet-command.ts';
import { endProcesses } from '../support/process/process.ts';

const open: Socket[] = [];

for (const { name: backend } of realBackends) {
  describe(`coronet echo and signals on ${backend}`, () => {
    endProcesses();
    afterEach(() => {
      for (const socket of open.splice(0)) socket.destroy();
    });

    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      it(`${signal} ends it with code 0 if no client is connected`, async () => {
        const echo = await startEcho('--backend', backend);
        echo.process.child.kill(signal);
        expect(await echo.process.exit).toEqual({ code: 0, signal: null });
        expect(echo.process.stderr).toBe('');
      });

      it(`${signal} closes idle connections cleanly and ends it with code 0`, async () => {
        const echo = await startEcho('--backend', backend);
        const fresh = new PlainClient(echo.port);
        const used = new PlainClient(echo.port);
        open.push(fresh.socket, used.socket);
        expect(await used.ask('Hello')).toBe(true);
        await echo.process.until('both are served', () => echo.process.lines.length === 2);
        echo.process.child.kill(signal);
        expect(await echo.process.exit).toEqual({ code: 0, signal: null });
        await fresh.until(() => fresh.socket.closed);
        await used.until(() => used.socket.closed);
        expect([fresh.received, used.received]).toEqual(['', 'GOT:Hello']);
        expect(echo.process.lines.filter((line) => line === 'Task done').length).toBe(2);
      });

      it(`a second ${signal} ends it at once with 128 + the signal number`, async () => {
        const echo = await startEcho('--backend', backend);
        await blockedClient(echo);
        echo.process.child.kill(signal);
        await untilStopping(echo);
        echo.process.child.kill(signal);
        const code = signal === 'SIGINT' ? 130 : 143;
        expect(await echo.process.exit).toEqual({ code, signal: null });
        expect(echo.process.lines).toContain('Task done');
      });
    }

    it('a handler that is sending a reply can finish it', async () => {
      const echo = await startEcho('--backend', backend);
      const client = await blockedClient(echo);
      echo.process.child.kill('SIGTERM');
      await untilStopping(echo);
      await delay(300);
      expect(echo.process.ended).toBe(false);
      client.resume();
      client.end();
      expect(await echo.process.exit).toEqual({ code: 0, signal: null });
    });
  });
}

describe('the grace period of coronet echo', () => {
  endProcesses();
  afterEach(() => {
    for (const socket of open.splice(0)) socket.destroy();
  });

  it('cuts a handler after five seconds, with exit code 1', async () => {
    await Promise.all(realBackends.map(({ name }) => expectCut(name)));
  });
});

async function expectCut(backend: string): Promise<void> {
  const echo = await startEcho('--backend', backend);
  await blockedClient(echo);
  echo.process.child.kill('SIGTERM');
  const exit = await echo.process.exit;
  expect(echo.process.stderr).toContain('grace period of 5000 ms is over');
  expect(echo.process.lines).toContain('Task done');
  expect(exit).toEqual({ code: 1, signal: null });
}

/** A server that reads nothing for this time is blocked, and not just slow on a busy machine. */
const SILENCE_MS = 1000;

/** A client that sends and does not read, until the server cannot send to it any more. */
async function blockedClient(echo: Echo): Promise<Socket> {
  const socket = connect(echo.port, '127.0.0.1');
  open.push(socket);
  socket.on('error', () => {}); // The server may end first.
  const block = Buffer.alloc(1_000_000, 'x');
  for (let blocked = false; !blocked; ) {
    const taken = socket.write(block) || once(socket, 'drain').then(() => true);
    blocked = (await Promise.race([taken, delay(SILENCE_MS, 'blocked')])) === 'blocked';
  }
  return socket;
}

/** Waits until the server does not accept connections, after the first signal. */
async function untilStopping(echo: Echo): Promise<void> {
  while (await isServed(echo.port)) await delay(5);
}
