/** Several servers that start at once at the path of a dead one. */
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

const RIVALS = 3;
const ROUNDS = 8;

const program = fileURLToPath(new URL('../programs/unix-listener.mjs', import.meta.url));

for (const backend of backends.filter(({ real }) => real && process.platform !== 'win32')) {
  describe(`rivals for a Unix path on ${backend.name}`, () => {
    let folder = '';
    beforeAll(() => {
      folder = mkdtempSync(join(tmpdir(), 'coronet-rivals-'));
    });
    afterAll(() => rmSync(folder, { recursive: true }));
    endProcesses();
    expectNothingLeft(backend);

    it('of several tasks one gets the path of a dead server', async () => {
      const path = join(folder, 'tasks.sock');
      await leaveDead(path);
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

    it('of several processes one gets it, and its file stays', async () => {
      const rivals = Array.from({ length: RIVALS }, () => new Rival(backend.name));
      await Promise.all(rivals.map((rival) => rival.next('ready')));
      for (let round = 0; round < ROUNDS; round++) {
        const path = join(folder, `round-${round}.sock`);
        await leaveDead(path);
        const outcomes = await Promise.all(rivals.map((rival) => rival.ask(path)));
        expect(outcomes.sort()).toEqual(['EADDRINUSE', 'EADDRINUSE', 'listening']);
        await backend.run(function* (): Operation<void> {
          (yield* connect(path)).close();
        });
        await Promise.all(rivals.map((rival) => rival.next('ready')));
        for (const rival of rivals) rival.tell('close');
        await Promise.all(rivals.map((rival) => rival.next('ready')));
        expect(readdirSync(folder)).toEqual([]);
      }
      for (const rival of rivals) rival.tell('end');
      const exits = await Promise.all(rivals.map((rival) => rival.process.exit));
      expect(new Set(exits.map(({ code }) => code))).toEqual(new Set([0]));
    });
  });
}

/** Leaves a socket's file whose listener is closed: it has two names, and node removes one. */
async function leaveDead(path: string): Promise<void> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(`${path}.live`, resolve));
  linkSync(`${path}.live`, path);
  await new Promise((resolve) => server.close(resolve));
}

/** A process that listens where it is told. */
class Rival {
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

  tell(message: string): void {
    this.process.child.send(message);
  }

  /** Tells a path, and gives what becomes of it. */
  async ask(path: string): Promise<unknown> {
    this.tell(path);
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
