/**
 * `main`: a program's frame. The first SIGINT or SIGTERM asks the program to come to its end, the
 * second cancels it, the third ends the process at once.
 */
import { checkDuration } from '../kernel/checks.ts';
import { currentRecord } from '../kernel/current.ts';
import { TaskCancelledError } from '../kernel/errors.ts';
import type { OperationSource, Wait } from '../kernel/operation.ts';
import { operationOf } from '../kernel/operation.ts';
import type { ScopeRecord } from '../kernel/scope.ts';
import type { EndSignal, Platform } from '../world/platform.ts';
import { nodePlatform } from './platform.ts';
import type { RunOptions } from './run.ts';
import { run } from './run.ts';

/** What `main` can be told, beside the options of `run`. */
export interface MainOptions extends RunOptions {
  /** How long the program may take to come to its end, in milliseconds. Default 10 000. */
  readonly graceMs?: number;
}

const SIGNAL_NUMBER: Readonly<Record<EndSignal, number>> = { SIGINT: 2, SIGTERM: 15 };

/**
 * Runs `op` as the program. Exit codes: 0 when it ended by itself or within the grace after a
 * signal, 1 when it failed or was cut at the end of the grace, 128 + n when a second or third
 * signal ended it. Without a signal it sets `process.exitCode` and resolves; after one it ends the
 * process.
 */
export async function main(op: OperationSource<unknown>, options: MainOptions = {}): Promise<void> {
  const { graceMs = 10_000, ...runOptions } = options;
  checkDuration('graceMs', graceMs);
  const ending = new Ending(nodePlatform, graceMs);
  let code = 0;
  try {
    await run(() => ending.around(op), { ...runOptions, outside: true });
  } catch (error) {
    code = 1;
    if (!(ending.cut && error instanceof TaskCancelledError)) nodePlatform.report(textOf(error));
  }
  if (ending.cut) code = ending.exitCode ?? ending.reportCut();
  nodePlatform.setExitCode(code);
  if (ending.signals > 0) nodePlatform.exit(code);
}

/** What the signals have done so far. */
class Ending {
  signals = 0;
  /** Set by the second signal. */
  exitCode: number | undefined;
  readonly #platform: Platform;
  readonly #graceMs: number;
  #scope: ScopeRecord | null = null;

  constructor(platform: Platform, graceMs: number) {
    this.#platform = platform;
    this.#graceMs = graceMs;
  }

  /** True if the program was cancelled because its time was over, or by a second signal. */
  get cut(): boolean {
    return this.signals > 0 && this.#scope?.cancelled === true;
  }

  /** Tells who was cut at the end of the grace, and what they waited for. */
  reportCut(): number {
    const { reason } = this.#scope ?? {};
    this.#platform.report(reason instanceof Error ? reason.message : String(reason));
    return 1;
  }

  *around(op: OperationSource<unknown>): Generator<Wait, void> {
    this.#scope = currentRecord().ownScope;
    const forget = this.#platform.onEndSignals((signal) => this.#heard(signal));
    try {
      yield* operationOf(op);
    } finally {
      forget();
    }
  }

  #heard(signal: EndSignal): void {
    this.signals++;
    if (this.signals === 1) return this.#scope?.stop({ graceMs: this.#graceMs });
    this.exitCode = 128 + SIGNAL_NUMBER[signal];
    if (this.signals === 2) this.#scope?.cancel(signal);
    else this.#platform.exit(this.exitCode);
  }
}

function textOf(error: unknown): string {
  return (error instanceof Error && error.stack) || String(error);
}
