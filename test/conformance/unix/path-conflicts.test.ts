/** Several servers that start at the same time at the path of a server that has ended. */
import { linkSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Listener, Operation } from '../../../src/index.ts';
import { connect, listen } from '../../../src/index.ts';
import { backends } from '../../support/backends.ts';
import { expectNothingLeft } from '../../support/leaks.ts';
import { endProcesses, Process } from '../../support/process/process.ts';
import { failure, together } from '../../support/sockets.ts';

const COMPETITORS = 3;
const ROUNDS = 8;

const program = fileURLToPath(new URL('../programs/unix-listener.mjs', import.meta.url));

for (const backend of backends.filter(({ real }) => real && process.platform !== 'win32')) {
  describe(`servers that compete for a Unix path on ${backend.name}`, () => {
    let folder = '';
    beforeAll(() => {
      folder = mkdtempSync(join(tmpdir(), 'coronet-paths-'));
    });
    afterAll(() => rmSync(folder, { recursive: true }));
    endProcesses();
    expectNothingLeft(backend);

    it('one of several tasks gets the path of a server that has ended', async () => {
      const path = join(folder, 'tasks.sock');
      await leaveStaleFile(path);
      await backend.run(function* (): Operation<void> {
        const listeners: Listener[] = [];
        const codes: unknown[] = [];
        function* attempt(): Operation<void> {
          const error = yield* failure(function* (): Operation<never> {
            listeners.push(yield* listen(path));
            throw Object.assign(new Error(), { code: 'listening' });
          });
          codes.push(error.code);
        }
        yield* together(attempt, attempt, attempt);
        expect(codes.sort()).toEqual(['EADDRINUSE', 'EADDRINUSE', 'listening']);
        using near = yield* connect(path);
        using far = yield* (listeners[0] as Listener).accept();
        expect([near.closed, far.closed]).toEqual([false, false]);
        for (const listener of listeners) listener.close();
      });
      expect(readdirSync(folder)).toEqual([]);
    });

    it('one of several processes gets the path, and its file stays', async () => {
      const competitors = Array.from({ length: COMPETITORS }, () => new Competitor(backend.name));
      await Promise.all(competitors.map((competitor) => competitor.next('ready')));
      for (let round = 0; round < ROUNDS; round++) {
        const path = join(folder, `round-${round}.sock`);
        await leaveStaleFile(path);
        const outcomes = await Promise.all(competitors.map((competitor) => competitor.ask(path)));
        expect(outcomes.sort()).toEqual(['EADDRINUSE', 'EADDRINUSE', 'listening']);
        await backend.run(function* (): Operation<void> {
          (yield* connect(path)).close();
        });
        await Promise.all(competitors.map((competitor) => competitor.next('ready')));
        for (const competitor of competitors) competitor.send('close');
        await Promise.all(competitors.map((competitor) => competitor.next('ready')));
        expect(readdirSync(folder)).toEqual([]);
      }
      for (const competitor of competitors) competitor.send('end');
      const exits = await Promise.all(competitors.map((competitor) => competitor.process.exit));
      expect(new Set(exits.map(({ code }) => code))).toEqual(new Set([0]));
    });
  });
}

/** Leaves a stale socket file: it has two names, and node removes only one of them. */
async function leaveStaleFile(path: string): Promise<void> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(`${path}.live`, resolve));
  linkSync(`${path}.live`, path);
  await new Promise((resolve) => server.close(resolve));
}

/** A process that listens at the paths that it is sent. */
class Competitor {
  readonly process: Process;
  readonly #messages: unknown[] = [];
  #wake = () => {};

  constructor(backend: string) {
    const stdio = ['ignore', 'pipe', 'pipe', 'ipc'] as const;
    this.process = new Process(process.execPath, [program, backend], { stdio: [...stdio] });
    this.process.child.on('message', (message) => {
      this.#messages.push(message);
      this.#wake();
    });
  }

  send(message: string): void {
    this.process.child.send(message);
  }

  /** Sends a path, and returns the outcome. */
  async ask(path: string): Promise<unknown> {
    this.send(path);
    return await this.#next();
  }

  async next(expected: string): Promise<void> {
    expect(await this.#next()).toBe(expected);
  }

  async #next(): Promise<unknown> {
    while (this.#messages.length === 0) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#messages.shift();
  }
}
