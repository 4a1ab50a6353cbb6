/** `WorkerError`, and the descriptions of workers in messages. */
import { CoronetError } from '../../kernel/errors.ts';
import { msText } from '../../support/checks.ts';
import type { WorkerExit } from '../../world/platform.ts';

/** The workers as a group have failed. `worker` and `pid` name the worker that caused it. */
export class WorkerError extends CoronetError {
  /** The number of the worker, from 1. */
  readonly worker: number;
  /** `undefined`: its process could not be started. */
  readonly pid: number | undefined;

  constructor(code: string, message: string, { worker, pid, exit }: FailedWorker) {
    const cause = exit?.error;
    super(code, message, cause === undefined ? undefined : { cause });
    this.worker = worker;
    this.pid = pid;
  }
}

/** Identifies a worker in events and messages. */
export interface WorkerIdentity {
  /** The number of the worker, from 1. */
  readonly worker: number;
  /** `undefined`: its process could not be started. */
  readonly pid?: number | undefined;
}

interface FailedWorker extends WorkerIdentity {
  readonly exit: WorkerExit | null;
  readonly hung: boolean;
}

/** 'worker 2 (pid 4711)' */
export function describeWorker({ worker, pid }: WorkerIdentity): string {
  return pid === undefined ? `worker ${worker}` : `worker ${worker} (pid ${pid})`;
}

/** 'exited with code 1', 'was terminated by SIGKILL', 'could not be started: …' */
export function describeExit({ code, signal, error }: WorkerExit): string {
  if (error !== undefined) return `could not be started: ${error.message}`;
  return signal === null ? `exited with code ${code}` : `was terminated by ${signal}`;
}

export function describeStartFailure({ exit }: FailedWorker, readyTimeoutMs: number): string {
  return exit === null
    ? `was not ready after ${msText(readyTimeoutMs)}`
    : `${describeExit(exit)} before it was ready`;
}

export function startError(worker: FailedWorker, readyTimeoutMs: number): WorkerError {
  const message = `${describeWorker(worker)} ${describeStartFailure(worker, readyTimeoutMs)}`;
  return new WorkerError('ERR_WORKER_START', message, worker);
}

export function restartLimitError(
  worker: FailedWorker,
  { times, withinMs }: { readonly times: number; readonly withinMs: number },
  neverReady: boolean,
): WorkerError {
  const { exit, hung } = worker;
  const last = hung || exit === null ? 'hung' : describeExit(exit);
  const what = neverReady
    ? `More than ${times} workers in a row ended before they were ready`
    : `Workers had to be restarted more than ${times} times within ${msText(withinMs)}`;
  const message = `${what}; the last one, ${describeWorker(worker)}, ${last}`;
  return new WorkerError('ERR_WORKER_RESTARTS', message, worker);
}

export function stopError(worker: FailedWorker): WorkerError {
  const how = worker.exit === null ? 'did not end after SIGKILL' : describeExit(worker.exit);
  const message = `${describeWorker(worker)} ${how} when it was stopped`;
  return new WorkerError('ERR_WORKER_STOP', message, worker);
}
