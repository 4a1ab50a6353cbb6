/** Worker processes, seen from the parent. Needs `npm run build`. */
import { ChildProcess } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { nodePlatform } from '../../src/node/platform.ts';
import { sharedOptions } from '../../src/node/process/worker-process.ts';
import type { WorkerExit, WorkerProcess, WorkerStart } from '../../src/world/platform.ts';
import { warningsOf } from '../support/warnings.ts';

const MODULE = new URL('programs/worker-child.mjs', import.meta.url).href;

/** Messages of this size exceed the buffer of a channel. */
const BLOCK = 'x'.repeat(100_000);
const MAX_BLOCKS = 1000;

const running = new Set<Child>();

class Child {
  readonly worker: WorkerProcess;
  readonly messages: unknown[] = [];
  readonly exit: Promise<WorkerExit>;
  #onMessage = () => {};
  #onExit: (exit: WorkerExit) => void = () => {};

  constructor(start: Partial<WorkerStart> = {}) {
    const onMessage = (message: unknown) => {
      this.messages.push(message);
      this.#onMessage();
    };
    const onExit = (exit: WorkerExit) => {
      running.delete(this);
      this.#onExit(exit);
    };
    this.exit = new Promise((resolve) => {
      this.#onExit = resolve;
    });
    this.worker = nodePlatform.startWorker({ module: MODULE, ...start }, { onMessage, onExit });
    running.add(this);
  }

  async received(count: number): Promise<readonly unknown[]> {
    while (this.messages.length < count) {
      await new Promise<void>((resolve) => {
        this.#onMessage = resolve;
      });
    }
    return this.messages;
  }
}

describe('a worker process', () => {
  afterEach(async () => {
    const left = [...running];
    for (const { worker } of left) worker.kill('SIGKILL');
    await Promise.all(left.map(({ exit }) => exit));
  });

  it('receives and sends messages that JSON can express', async () => {
    const child = new Child();
    const messages = ['text', 0, null, { list: [1, { a: 'b' }] }, 'end'];
    for (const message of messages) expect(child.worker.send(message)).toBe(true);
    expect(await child.exit).toEqual({ code: 3, signal: null });
    expect(child.messages).toEqual(messages);
    expect(child.worker.send('more')).toBe(false);
  });

  it('has the given arguments, environment and descriptors', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'coronet-worker-'));
    const descriptors = [5, 7].map((size) => {
      writeFileSync(join(folder, `${size}`), 'x'.repeat(size));
      return openSync(join(folder, `${size}`), 'r');
    });
    process.env['TAKEN'] = 'yes';
    const environment = { GIVEN: 'yes', TAKEN: undefined };
    const child = new Child({ args: ['report', 'a', 'b'], environment, descriptors });
    expect(await child.exit).toEqual({ code: 0, signal: null });
    expect(child.messages).toEqual([{ more: ['a', 'b'], given: 'yes', sizes: [5, 7] }]);
    for (const fd of descriptors) closeSync(fd); // They are still open here.
    rmSync(folder, { recursive: true });
    Reflect.deleteProperty(process.env, 'TAKEN');
  });

  it('reports whether a debugger can reach it', async () => {
    for (const [options, expected] of [
      ['--inspect=127.0.0.1:0', true],
      [undefined, false],
    ] as const) {
      const child = new Child({ args: ['inspected'], environment: { NODE_OPTIONS: options } });
      expect(await child.received(1)).toEqual([expected]);
      await child.exit;
    }
  });

  it('can be ended by a signal', async () => {
    const child = new Child();
    child.worker.send('here');
    await child.received(1);
    child.worker.kill('SIGKILL');
    expect(await child.exit).toEqual({ code: null, signal: 'SIGKILL' });
  });

  it('a process that the system rejects ends with the error of the system', async () => {
    const child = new Child({ args: Array.from({ length: 100 }, () => BLOCK) });
    expect(child.worker.pid).toBeUndefined();
    const { code, error } = await child.exit;
    expect([code, error]).toEqual([null, expect.objectContaining({ code: 'E2BIG' })]);
  });

  it('a process that did not start receives no signal: this process group would', async () => {
    const kill = vi.spyOn(ChildProcess.prototype, 'kill').mockReturnValue(true);
    const { execPath } = process;
    process.execPath = join(tmpdir(), 'coronet', 'no', 'node');
    const child = new Child();
    process.execPath = execPath;
    child.worker.kill('SIGTERM');
    const calls = kill.mock.calls.length;
    kill.mockRestore();
    expect(calls).toBe(0);
    expect((await child.exit).error).toMatchObject({ code: 'ENOENT' });
  });

  it('has the Node options that apply to every process, with their values', () => {
    for (const [given, shared] of [
      ['--import ./hook.mjs --no-warnings', '--import ./hook.mjs --no-warnings'],
      ['--inspect --inspect-port 0 --no-warnings', '--no-warnings'],
      ['--input-type module --no-warnings --eval code', '--no-warnings'],
      ['-e code --import ./hook.mjs', '--import ./hook.mjs'],
      ['--watch --watch-path ./src --test-name-pattern=a -r ./hook.cjs', '-r ./hook.cjs'],
    ] as const) {
      expect(sharedOptions(given.split(' ')).join(' ')).toBe(shared);
    }
  });

  it('a process that writes invalid data into its channel can still send messages', async () => {
    const child = new Child({ args: ['scribble'] });
    const warnings = await warningsOf(async () => {
      expect((await child.received(2)).slice(0, 2)).toEqual(['before', 'after']);
    });
    expect(warnings.map(({ message }) => message).join()).toMatch(
      /^The process \d+ has written invalid data into its channel/,
    );
    child.worker.kill('SIGKILL');
    expect(await child.exit).toEqual({ code: null, signal: 'SIGKILL' });
  });

  it('a process that passes its channel to another process is reported as ended', async () => {
    const child = new Child({ args: ['pass-on'] });
    const [successor] = await child.received(1);
    expect(await child.exit).toEqual({ code: 5, signal: null });
    expect(child.worker.send('a message')).toBe(false);
    process.kill(successor as number, 'SIGKILL'); // Throws if that process has ended.
  });

  it('a process that does not read receives a bounded number of messages', async () => {
    const child = new Child({ args: ['deaf'] });
    await child.received(1);
    let sent = 0;
    while (sent < MAX_BLOCKS && child.worker.send(BLOCK)) sent++;
    expect(sent).toBeLessThan(MAX_BLOCKS);
    expect(child.worker.send('one more')).toBe(false);
    child.worker.kill('SIGKILL');
    expect(await child.exit).toEqual({ code: null, signal: 'SIGKILL' });
  });
});
