/** The platform of real programs: the Node process. */
import type { randomBytes } from 'node:crypto';
import { channel } from 'node:diagnostics_channel';
import { closeSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import type { ObservedSignal, ParentProcess, Platform } from '../world/platform.ts';
import { metricsPage } from './peers/prometheus-page.ts';
import { stderr } from './process/line-output.ts';
import { duplicateDescriptor, shareInherited, shareListeners } from './process/shared-listeners.ts';
import { notifyManager } from './process/systemd-notify.ts';
import { noteTerminal, terminalLost } from './process/terminal.ts';
import { processUsage } from './process/usage.ts';
import { parentProcess, startWorker } from './process/worker-process.ts';

/** Loaded at its first use: a client of WebSocket needs it for every frame. */
let random: typeof randomBytes | undefined;

/** The Node process: signals, child processes, exit codes, metrics. */
export const nodePlatform: Platform = {
  pid: process.pid,

  environment(name: string): string | undefined {
    return process.env[name];
  },

  unsetEnvironment(name: string): void {
    delete process.env[name];
  },

  onSignal(signal: ObservedSignal, listener: () => void): () => void {
    if (signal === 'SIGHUP') noteTerminal();
    const onSignal = (): void => listener();
    process.on(signal, onSignal);
    return () => void process.off(signal, onSignal);
  },

  terminalLost,
  notify: notifyManager,
  metricsPage,
  shareListeners,
  shareInherited,
  duplicateDescriptor,
  closeDescriptor: closeSync,
  startWorker,

  get parent(): ParentProcess | undefined {
    return parentProcess();
  },

  randomBytes(count: number): Uint8Array {
    random ??= process.getBuiltinModule('node:crypto').randomBytes;
    return random(count);
  },

  usage: processUsage,
  parallelism: availableParallelism(),

  report(line: string): void {
    stderr.write(line);
  },

  setExitCode(code: number): void {
    process.exitCode = code;
  },

  exit(code: number): never {
    process.exit(code);
  },

  /** While the inspector is open, a breakpoint can stop the process for any time. */
  inspected(): boolean {
    if (inspector === undefined) inspector = loadInspector();
    return inspector?.url() !== undefined;
  },

  channel,
};

type Inspector = typeof import('node:inspector');

/** `undefined`: not loaded yet; `null`: not available. */
let inspector: Inspector | null | undefined;

/** node:inspector is missing in a Node that was built without it, and in other runtimes. */
function loadInspector(): Inspector | null {
  try {
    return process.getBuiltinModule('node:inspector');
  } catch {
    return null;
  }
}
