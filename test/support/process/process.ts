/** Child processes in tests: their output and exit. No process outlives its test. */
import type { ChildProcess, StdioOptions } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterEach } from 'vitest';

const MAX_WAIT_MS = 25_000;

/** The exit of a process. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

const running = new Set<Process>();

/** Kills the processes of each test after it. */
export function endProcesses(): void {
  afterEach(async () => {
    for (const process of running) process.kill();
    await Promise.all([...running].map(({ exit }) => exit));
  });
}

export class Process {
  readonly child: ChildProcess;
  readonly exit: Promise<Exit>;
  stdout = '';
  stderr = '';
  /** Called when the output changes or the process ends. */
  readonly #watchers = new Set<() => void>();

  constructor(command: string, args: readonly string[], options: ProcessOptions = {}) {
    const { env = {}, stdio = 'pipe' } = options;
    this.child = spawn(command, args, { env: { ...process.env, ...env }, stdio });
    this.child.stdout?.on('data', (data) => this.#changed(() => (this.stdout += String(data))));
    this.child.stderr?.on('data', (data) => this.#changed(() => (this.stderr += String(data))));
    this.child.stdin?.on('error', () => {}); // The process may end before it has read everything.
    running.add(this);
    this.exit = once(this.child, 'close').then(([code, signal]) => {
      running.delete(this);
      this.#changed(() => {});
      return { code, signal };
    });
  }

  /** The complete lines of standard output. */
  get lines(): string[] {
    return this.stdout.split('\n').slice(0, -1);
  }

  get ended(): boolean {
    return !running.has(this);
  }

  /** Waits until `holds` returns true. Fails if the process ends before. */
  async until(what: string, holds: () => boolean): Promise<void> {
    let check = () => {};
    const held = new Promise<void>((resolve) => {
      check = () => {
        if (holds() || this.ended) resolve();
      };
      this.#watchers.add(check);
      check();
    });
    const limit = setTimeout(() => this.kill(), MAX_WAIT_MS);
    await held;
    clearTimeout(limit);
    this.#watchers.delete(check);
    if (!holds()) throw new Error(`Expected that ${what}\n${this.stdout}${this.stderr}`);
  }

  /** Kills the process. */
  kill(): void {
    this.child.kill('SIGKILL');
  }

  #changed(change: () => void): void {
    change();
    for (const watcher of this.#watchers) watcher();
  }
}

export interface ProcessOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly stdio?: StdioOptions;
}

/** Starts a program of this checkout. `file` is relative to `base` (`import.meta.url`). */
export function startNode(base: string, file: string, ...args: readonly string[]): Process {
  return new Process(process.execPath, [fileURLToPath(new URL(file, base)), ...args]);
}
