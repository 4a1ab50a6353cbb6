/** The errors of `workers`. */

import { CoronetError } from '../../kernel/errors.ts';
import type { WorkerExit } from '../../world/platform.ts';

/** The workers as a whole have failed; `worker` and `pid` name the one that was the last straw. */
export class WorkerError extends CoronetError {
  /** Its place among the workers, from 1. */
  readonly worker: number;
  /** `undefined`: its process could not be started. */
  readonly pid: number | undefined;

  constructor(code: string, text: string, worker: WorkerIdentity) {
    super(code, text, worker.cause === undefined ? undefined : { cause: worker.cause });
    this.worker = worker.worker;
    this.pid = worker.pid;
  }
}

/** What an error has to know of a worker. */
export interface WorkerIdentity {
  readonly worker: number;
  readonly pid: number | undefined;
  readonly cause?: Error | undefined;
}

/** 'worker 2 (pid 4711)' */
export function describeWorker({ worker, pid }: WorkerIdentity): string {
  return pid === undefined ? `worker ${worker}` : `worker ${worker} (pid ${pid})`;
}

/** 'ended with code 1', 'was ended by SIGKILL', 'could not be started: …' */
export function describeExit({ code, signal, error }: WorkerExit): string {
  if (error !== undefined) return `could not be started: ${error.message}`;
  return signal === null ? `ended with code ${code}` : `was ended by ${signal}`;
}

/** A worker that is the reason why the whole fails. */
interface FailedWorker extends WorkerIdentity {
  readonly exit: WorkerExit | null;
  readonly hung: boolean;
}

export function describeStartFailure(worker: FailedWorker, readyTimeoutMs: number): string {
  const { exit } = worker;
  return exit === null
    ? `was not ready after ${readyTimeoutMs} ms`
    : `${describeExit(exit)} before it was ready`;
}

export function startError(worker: FailedWorker, readyTimeoutMs: number): WorkerError {
  const text = `${describeWorker(worker)} ${describeStartFailure(worker, readyTimeoutMs)}`;
  return workerError('ERR_WORKER_START', text, worker);
}

export function restartLimitError(
  worker: FailedWorker,
  { times, withinMs }: { readonly times: number; readonly withinMs: number },
): WorkerError {
  const last = worker.hung ? 'hung' : worker.exit === null ? 'hangs' : describeExit(worker.exit);
  const text =
    `Workers had to be started again more than ${times} times within ${withinMs} ms; the last ` +
    `one, ${describeWorker(worker)}, ${last}`;
  return workerError('ERR_WORKER_RESTARTS', text, worker);
}

export function stopError(worker: FailedWorker): WorkerError {
  const how = worker.exit === null ? 'survived SIGKILL' : describeExit(worker.exit);
  const text = `${describeWorker(worker)} ${how} when it was asked to end`;
  return workerError('ERR_WORKER_STOP', text, worker);
}

function workerError(code: string, text: string, { worker, pid, exit }: FailedWorker): WorkerError {
  return new WorkerError(code, text, { worker, pid, cause: exit?.error });
}

/** What `coronet explain` says about the codes of workers. */
