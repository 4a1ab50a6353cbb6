/** The process as a program sees it. */
import { channel } from 'node:diagnostics_channel';
import { availableParallelism } from 'node:os';
import type { Endpoint } from '../world/network.ts';
import type {
  HeardSignal,
  Metric,
  ParentProcess,
  Platform,
  WorkerEvents,
  WorkerProcess,
  WorkerStart,
} from '../world/platform.ts';
import type { HeldListeners } from '../world/workers.ts';
import { holdInherited } from './held-inherited.ts';
import { holdListeners } from './held-listeners.ts';
import { isInspected } from './inspector.ts';
import { stderr } from './line-output.ts';
import { metricsPage } from './metrics.ts';
import { notifyManager } from './notify.ts';
import { parentProcess, startWorker } from './worker-process.ts';

/** What the real world gives programs beside a network. */
export const nodePlatform: Platform = {
  pid: process.pid,

  environment(name: string): string | undefined {
    return process.env[name];
  },

  unsetEnvironment(name: string): void {
    delete process.env[name];
  },

  onSignal(signal: HeardSignal, heard: () => void): () => void {
    const listener = (): void => heard();
    process.on(signal, listener);
    return () => {
      process.off(signal, listener);
    };
  },

  notify(lines: string): void {
    notifyManager(lines);
  },

  metricsPage(metrics: readonly Metric[], done: (error: unknown, page: string) => void): void {
    metricsPage(metrics, done);
  },

  holdListeners(at: Endpoint, most: number): HeldListeners {
    return holdListeners(at, most);
  },

  holdInherited(fd: number): HeldListeners {
    return holdInherited(fd);
  },

  startWorker(start: WorkerStart, events: WorkerEvents): WorkerProcess {
    return startWorker(start, events);
  },

  get parent(): ParentProcess | undefined {
    return parentProcess();
  },

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

  inspected(): boolean {
    return isInspected();
  },

  channel,
};
