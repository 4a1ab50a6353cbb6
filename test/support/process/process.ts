/**
 * Other processes as a test uses them: what they print, how they end, and that none outlives it.
 */
import type { ChildProcess, StdioOptions } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterEach } from 'vitest';

const PATIENCE_MS = 25_000;

/** How a process has ended. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

const running = new Set<Process>();

/** After every test: what it has started is no more. */
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
  /** Called when something has changed. */
  readonly #watchers = new Set<() => void>();

  constructor(command: string, args: readonly string[], options: ProcessOptions = {}) {
    const { env = {}, stdio = 'pipe' } = options;
    this.child = spawn(command, args, { env: { ...process.env, ...env }, stdio });
    this.child.stdout?.on('data', (data) => this.#changed(() => (this.stdout += String(data))));
    this.child.stderr?.on('data', (data) => this.#changed(() => (this.stderr += String(data))));
    this.child.stdin?.on('error', () => {}); // It may have ended before it has read everything.
    running.add(this);
    this.exit = once(this.child, 'close').then(([code, signal]) => {
      running.delete(this);
      this.#changed(() => {});
      return { code, signal };
    });
  }

  /** The lines of standard output, without the unfinished last one. */
  get lines(): string[] {
    return this.stdout.split('\n').slice(0, -1);
  }

  get ended(): boolean {
    return !running.has(this);
  }

  /** Waits until `holds` is true of the output; fails when the process ends before. */
  async until(what: string, holds: () => boolean): Promise<void> {
    let check = () => {};
    const held = new Promise<void>((resolve) => {
      check = () => {
        if (holds() || this.ended) resolve();
      };
      this.#watchers.add(check);
      check();
    });
    const limit = setTimeout(() => this.kill(), PATIENCE_MS);
    await held;
    clearTimeout(limit);
    this.#watchers.delete(check);
    if (!holds()) throw new Error(`Waited in vain until ${what}\n${this.stdout}${this.stderr}`);
  }

  /** Ends it at once. */
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

/** A program of this checkout, by its place seen from `base` (`import.meta.url`). */
export function startNode(base: string, file: string, ...args: readonly string[]): Process {
  return new Process(process.execPath, [fileURLToPath(new URL(file, base)), ...args]);
}
