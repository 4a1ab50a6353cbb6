/**
 * `main`: runs an operation as the program of the process. The first SIGINT or SIGTERM stops the
 * program, the second cancels it, the third ends the process at once.
 */

import { TaskCancelledError } from '../kernel/errors.ts';
import type { OperationSource } from '../kernel/operation.ts';
import type { Keys } from '../support/checks.ts';
import {
  checkDuration,
  checkKeys,
  checkOptionalBoolean,
  stackOf,
  wrongType,
} from '../support/checks.ts';
import { inspection } from './inspect/inspection.ts';
import { nodePlatform } from './platform.ts';
import type { LifecycleOptions } from './process/lifecycle.ts';
import { ProgramLifecycle } from './process/lifecycle.ts';
import { takeNotifySocket } from './process/systemd-notify.ts';
import type { RunOptions } from './run.ts';
import { RUN_KEYS, run } from './run.ts';

/** Options of `main`: those of `run`, and the following. */
export interface MainOptions extends RunOptions {
  /** How long the program may take to end after it was stopped, in milliseconds. Default 10 000. */
  readonly graceMs?: number;
  /**
   * How long the program continues to serve after the first signal while it reports that it is not
   * ready, in milliseconds, before the grace period begins: the time that a load balancer needs to
   * react. Default 0.
   */
  readonly lameDuckMs?: number;
  /**
   * When the program is ready: 'listening' (the default), when its first server listens; 'manual',
   * when it calls `ready()`.
   */
  readonly ready?: 'listening' | 'manual';
  /**
   * Called once, when the program is ready. An error that it throws is thrown to the code that
   * reported readiness.
   */
  onReady?(): void;
  /**
   * SIGUSR2 writes the tasks of the program to standard error, and `coronet top` can attach to the
   * process. Default true. In a program that has a listener of its own for SIGUSR2, the signal does
   * not write the tasks.
   */
  readonly inspect?: boolean;
}

const MAIN_KEYS: Keys<Omit<MainOptions, 'program'>> = {
  ...RUN_KEYS,
  graceMs: true,
  lameDuckMs: true,
  ready: true,
  onReady: true,
  inspect: true,
};

/**
 * Runs `op` as the program. After the first SIGTERM or SIGINT the program is not ready any more;
 * after `lameDuckMs` it is stopped, and servers drain.
 *
 * Exit codes: 0 if it ended by itself or within the grace period after a signal; 1 if it failed or
 * was cut at the end of the grace period; 128 + n if a second or third signal ended it. Without a
 * signal `main` sets `process.exitCode` and resolves; after a signal it ends the process.
 *
 * Under systemd (`Type=notify`) the service manager receives READY=1, STOPPING=1 and, if it
 * requests that, WATCHDOG=1 while the program runs tasks.
 *
 * Errors: ERR_INVALID_ARG_TYPE and ERR_OUT_OF_RANGE for wrong options. Errors of `op` are written
 * to standard error.
 */
export async function main(op: OperationSource<unknown>, options: MainOptions = {}): Promise<void> {
  checkKeys<Omit<MainOptions, 'program'>>('options', options, MAIN_KEYS);
  takeNotifySocket();
  const { graceMs, lameDuckMs, ready, onReady, inspect, ...runOptions } = options;
  const program = new ProgramLifecycle(nodePlatform, lifecycleOptions(options));
  let code = 0;
  try {
    await run(() => program.around(op), { ...runOptions, program });
  } catch (error) {
    code = 1;
    if (!(program.cut && error instanceof TaskCancelledError)) nodePlatform.report(stackOf(error));
  }
  if (program.cut) code = program.exitCode ?? program.reportCut();
  nodePlatform.setExitCode(code);
  if (program.signals > 0) nodePlatform.exit(code);
}

function lifecycleOptions(options: MainOptions): LifecycleOptions {
  const { graceMs = 10_000, lameDuckMs = 0, ready = 'listening' } = options;
  checkDuration('graceMs', graceMs);
  checkDuration('lameDuckMs', lameDuckMs);
  if (ready !== 'listening' && ready !== 'manual') {
    throw wrongType('ready', "'listening' or 'manual'", ready);
  }
  checkOptionalBoolean('inspect', options.inspect);
  const onReady = options.onReady === undefined ? undefined : () => options.onReady?.();
  return {
    graceMs,
    lameDuckMs,
    ready,
    onReady,
    inspection: options.inspect === false ? undefined : inspection,
  };
}
