/** The process as a program sees it. */
import { channel } from 'node:diagnostics_channel';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import type { Endpoint } from '../world/network.ts';
import type {
  Metric,
  ObservedSignal,
  ParentProcess,
  Platform,
  SharedListeners,
  WorkerEvents,
  WorkerProcess,
  WorkerStart,
} from '../world/platform.ts';
import { metricsPage } from './metrics.ts';
import { stderr } from './process/line-output.ts';
import { shareInherited, shareListeners } from './process/shared-listeners.ts';
import { notifyManager } from './process/systemd-notify.ts';
import { parentProcess, startWorker } from './process/worker-process.ts';

/** What the real world gives programs beside a network. */
export const nodePlatform: Platform = {
  pid: process.pid,

  environment(name: string): string | undefined {
    return process.env[name];
  },

  unsetEnvironment(name: string): void {
    delete process.env[name];
  },

  onSignal(signal: ObservedSignal, heard: () => void): () => void {
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

  shareListeners(at: Endpoint, most: number): SharedListeners {
    return shareListeners(at, most);
  },

  shareInherited(fd: number): SharedListeners {
    return shareInherited(fd);
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

/** Whether a debugger can reach this process. */

interface Inspector {
  url(): string | undefined;
}

/** `null`: there is none. */
let inspector: Inspector | null | undefined;

/**
 * Whether the inspector is open: then a breakpoint may stop the process for as long as a person
 * likes. Node that was built without it, and runtimes that do not know it, throw when it is loaded.
 */
export function isInspected(): boolean {
  if (inspector === undefined) inspector = loadInspector();
  return inspector?.url() !== undefined;
}

function loadInspector(): Inspector | null {
  try {
    return createRequire(import.meta.url)('node:inspector') as Inspector;
  } catch {
    // There is none.
    return null;
  }
}
