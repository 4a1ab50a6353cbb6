/**
 * `main`: a program's frame. The first SIGINT or SIGTERM asks the program to come to its end, the
 * second cancels it, the third ends the process at once.
 */

import { TaskCancelledError } from '../kernel/errors.ts';
import type { OperationSource } from '../kernel/operation.ts';
import { checkDuration, stackOf, wrongType } from '../support/checks.ts';
import { nodePlatform } from './platform.ts';
import type { LifecycleOptions } from './process/lifecycle.ts';
import { ProgramLifecycle } from './process/lifecycle.ts';
import { takeNotifySocket } from './process/systemd-notify.ts';
import type { RunOptions } from './run.ts';
import { run } from './run.ts';

/** What `main` can be told, beside the options of `run`. */
export interface MainOptions extends RunOptions {
  /** How long the program may take to come to its end, in milliseconds. Default 10 000. */
  readonly graceMs?: number;
  /**
   * How long the program serves on after the first signal while it says that it is not ready, in
   * milliseconds, before the grace begins: what a load balancer needs to notice. Default 0.
   */
  readonly lameDuckMs?: number;
  /**
   * When the program is ready to serve: 'listening', once its first server listens (the default);
   * 'manual', when it calls `ready()` and not before.
   */
  readonly ready?: 'listening' | 'manual';
  /** Called once, when the program is ready. What it throws is thrown where that was told. */
  onReady?(): void;
}

/**
 * Runs `op` as the program. After the first SIGTERM or SIGINT it is not ready any more; after
 * `lameDuckMs` it is asked to stop, and servers drain. Exit codes: 0 when it ended by itself or
 * within the grace after a signal, 1 when it failed or was cut at the end of the grace, 128 + n
 * when a second or third signal ended it. Without a signal it sets `process.exitCode` and resolves;
 * after one it ends the process.
 *
 * Under systemd (`Type=notify`) the service manager hears READY=1, STOPPING=1 and, if it asks for
 * it, WATCHDOG=1 while the program turns.
 */
export async function main(op: OperationSource<unknown>, options: MainOptions = {}): Promise<void> {
  const { graceMs, lameDuckMs, ready, onReady, ...runOptions } = options;
  takeNotifySocket();
  const frame = new ProgramLifecycle(nodePlatform, frameOptions(options));
  let code = 0;
  try {
    await run(() => frame.around(op), { ...runOptions, program: frame });
  } catch (error) {
    code = 1;
    if (!(frame.cut && error instanceof TaskCancelledError)) nodePlatform.report(stackOf(error));
  }
  if (frame.cut) code = frame.exitCode ?? frame.reportCut();
  nodePlatform.setExitCode(code);
  if (frame.signals > 0) nodePlatform.exit(code);
}

function frameOptions(options: MainOptions): LifecycleOptions {
  const { graceMs = 10_000, lameDuckMs = 0, ready = 'listening' } = options;
  checkDuration('graceMs', graceMs);
  checkDuration('lameDuckMs', lameDuckMs);
  if (ready !== 'listening' && ready !== 'manual') {
    throw wrongType('ready', "'listening' or 'manual'", ready);
  }
  const onReady = options.onReady === undefined ? undefined : () => options.onReady?.();
  return { graceMs, lameDuckMs, ready, onReady };
}
