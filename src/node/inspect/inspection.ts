/**
 * Inspection from outside: SIGUSR2 writes the tasks to standard error, or `coronet top` attaches.
 *
 *   coronet top PID                          the process
 *     reads the marker PID                     (written when the program starts)
 *     writes PID.request
 *     sends SIGUSR2 ──────────────────────►  finds and removes PID.request
 *     connects to PID.sock ◄──────────────── listens at PID.sock; see endpoint.ts
 *
 * Without a request the signal only writes the tasks. `coronet top` sends no signal to a process
 * that has no marker, because the default action of SIGUSR2 ends a process.
 *
 * One listener serves all programs of the process. It is removed with the last of them, and it does
 * not keep the process alive: Node does not count signal listeners.
 */
import { lstatSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatTaskTree } from '../../inspect/format.ts';
import { taskTree } from '../../inspect/tree.ts';
import type { InspectedProgram, Inspection } from '../process/lifecycle.ts';
import { stderr } from '../process/line-output.ts';
import { clearImmediate, setImmediate, wallClock } from '../timers.ts';
import { openDirectory, startTime } from './directory.ts';
import { Endpoint } from './endpoint.ts';

/** An older request was left behind by a client that was killed. */
const MAX_REQUEST_AGE_MS = 10_000;

/** The programs of the process that are open to inspection, the oldest first. */
const programs = new Set<InspectedProgram>();
let endpoint: Endpoint | undefined;
let marker: Marker | undefined;

export const inspection: Inspection = {
  open(program: InspectedProgram): () => void {
    // Signals arrive in the main thread, and the marker of the process belongs to it.
    if (!process.getBuiltinModule('node:worker_threads').isMainThread) return () => {};
    if (programs.size === 0) start();
    programs.add(program);
    return () => {
      programs.delete(program);
      if (programs.size === 0) stop(program.program.stopping);
    };
  },

  showTasks(): void {
    for (const { scheduler } of programs) {
      const text = formatTaskTree(taskTree({ scheduler }));
      stderr.write(`coronet: the tasks of process ${process.pid}\n${text}`);
    }
  },
};

function start(): void {
  process.on('SIGUSR2', onSignal);
  marker = new Marker();
}

/** A process that is about to end keeps the listener, so that no late signal changes its exit. */
function stop(processEnds: boolean): void {
  if (!processEnds) process.off('SIGUSR2', onSignal);
  endpoint?.close();
  endpoint = undefined;
  marker?.remove();
  marker = undefined;
}

function onSignal(): void {
  const directory = takeRequest();
  if (directory !== undefined) return listen(directory);
  // The program uses the signal for something else.
  if (process.listenerCount('SIGUSR2') > 1) return;
  inspection.showTasks();
  for (const { program } of programs) {
    for (const server of program.servers) server.showTasks?.();
  }
}

function listen(directory: string): void {
  if (endpoint?.closed === false) return;
  endpoint = new Endpoint(join(directory, `${process.pid}.sock`), () => [...programs].at(-1));
}

/** Removes the request of a client. Returns its directory; `undefined`: there is no request. */
function takeRequest(): string | undefined {
  const directory = openDirectory();
  if (directory === undefined) return undefined;
  const path = join(directory, `${process.pid}.request`);
  try {
    const { mtimeMs } = lstatSync(path);
    unlinkSync(path);
    return wallClock() - mtimeMs > MAX_REQUEST_AGE_MS ? undefined : directory;
  } catch {
    return undefined;
  }
}

/** The file that states that this process is a Coronet program. */
class Marker {
  #path: string | undefined;
  /** Written after the program has begun to run, so that its start is not delayed. */
  readonly #immediate: NodeJS.Immediate = setImmediate(() => this.#write());
  readonly #onExit = (): void => this.remove();

  #write(): void {
    const directory = openDirectory();
    const time = startTime('self');
    if (directory === undefined || time === '') return;
    const path = join(directory, `${process.pid}`);
    try {
      removeFile(path); // of an earlier process that had the same id
      writeFileSync(path, `${time}\n`, { mode: 0o600, flag: 'wx' });
      this.#path = path;
      process.on('exit', this.#onExit);
    } catch {
      // A file system that is full or read-only: `coronet top` reports that it cannot attach.
    }
  }

  remove(): void {
    clearImmediate(this.#immediate);
    process.off('exit', this.#onExit);
    if (this.#path !== undefined) removeFile(this.#path);
    this.#path = undefined;
  }
}

function removeFile(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // It does not exist.
  }
}
