/** The errors of `workers`. */
import type { Catalogue } from '../kernel/catalogue.ts';
import { CoronetError } from '../kernel/errors.ts';
import type { WorkerExit } from '../world/platform.ts';

/** The workers as a whole have failed; `worker` and `pid` name the one that was the last straw. */
export class WorkerError extends CoronetError {
  /** Its place among the workers, from 1. */
  readonly worker: number;
  /** `undefined`: its process could not be started. */
  readonly pid: number | undefined;

  constructor(code: string, text: string, worker: WorkerName) {
    super(code, text, worker.cause === undefined ? undefined : { cause: worker.cause });
    this.worker = worker.worker;
    this.pid = worker.pid;
  }
}

/** What an error has to know of a worker. */
export interface WorkerName {
  readonly worker: number;
  readonly pid: number | undefined;
  readonly cause?: Error | undefined;
}

/** 'worker 2 (pid 4711)' */
export function nameOf({ worker, pid }: WorkerName): string {
  return pid === undefined ? `worker ${worker}` : `worker ${worker} (pid ${pid})`;
}

/** 'ended with code 1', 'was ended by SIGKILL', 'could not be started: …' */
export function exitText({ code, signal, error }: WorkerExit): string {
  if (error !== undefined) return `could not be started: ${error.message}`;
  return signal === null ? `ended with code ${code}` : `was ended by ${signal}`;
}

/** A worker that is the reason why the whole fails. */
interface Failed extends WorkerName {
  readonly exit: WorkerExit | null;
  readonly hung: boolean;
}

export function startFailure(worker: Failed, readyTimeoutMs: number): string {
  const { exit } = worker;
  return exit === null
    ? `was not ready after ${readyTimeoutMs} ms`
    : `${exitText(exit)} before it was ready`;
}

export function notStarted(worker: Failed, readyTimeoutMs: number): WorkerError {
  const text = `${nameOf(worker)} ${startFailure(worker, readyTimeoutMs)}`;
  return failureOf('ERR_WORKER_START', text, worker);
}

export function restartedTooOften(
  worker: Failed,
  { times, withinMs }: { readonly times: number; readonly withinMs: number },
): WorkerError {
  const last = worker.hung ? 'hung' : worker.exit === null ? 'hangs' : exitText(worker.exit);
  const text =
    `Workers had to be started again more than ${times} times within ${withinMs} ms; the last ` +
    `one, ${nameOf(worker)}, ${last}`;
  return failureOf('ERR_WORKER_RESTARTS', text, worker);
}

export function notStopped(worker: Failed): WorkerError {
  const how = worker.exit === null ? 'survived SIGKILL' : exitText(worker.exit);
  const text = `${nameOf(worker)} ${how} when it was asked to end`;
  return failureOf('ERR_WORKER_STOP', text, worker);
}

function failureOf(code: string, text: string, { worker, pid, exit }: Failed): WorkerError {
  return new WorkerError(code, text, { worker, pid, cause: exit?.error });
}

/** What `coronet explain` says about the codes of workers. */
export const WORKER_ERRORS: Catalogue = {
  ERR_WORKER_RESTARTS: {
    className: 'WorkerError',
    sentence: 'Workers ended more often than the restart limit allows, and the rest was stopped.',
    cause:
      'Every new worker fails soon, for example because something that it needs has gone; or ' +
      'workers hang, and are killed after `hangTimeoutMs`.',
    remedy:
      'What the workers wrote to standard error tells why they end. `restarts` moves the limit.',
  },
  ERR_WORKER_START: {
    className: 'WorkerError',
    sentence: 'A worker was not ready in time, or ended before it was, at the very beginning.',
    cause:
      'A mistake in its module, an address that is in use, or a module that neither listens ' +
      'under `main` nor calls `ready()`.',
    remedy:
      'Run the module alone first: `node module`. Raise `readyTimeoutMs` if it begins slowly.',
  },
  ERR_WORKER_STOP: {
    className: 'WorkerError',
    sentence: 'A worker did not end well when all were asked to: it was cut, or failed.',
    cause: 'Its connections were not done when its grace was over, or its cleanup failed.',
    remedy: 'What it wrote to standard error tells who was cut. Raise `graceMs`, or end sooner.',
  },
};
