/**
 * The lifecycle of a program under `main`: readiness, signals, and messages to the service manager.
 *
 *   starting ──ready──► ready ──1st signal──► lame duck ──lameDuckMs──► draining ──► ended
 *       └───────1st signal─────────────────────────▲                        └──graceMs──► cut
 *
 * The program is not ready while all of its servers have ended, and from the first signal on. As a
 * lame duck it continues to serve, so that a load balancer has time to react. The second signal
 * cancels the program, the third ends the process.
 */
import { runningTask } from '../../kernel/current.ts';
import type { OperationSource, Wait } from '../../kernel/operation.ts';
import { operationOf, watchCallback } from '../../kernel/operation.ts';
import type { Scheduler } from '../../kernel/scheduler.ts';
import type { ScopeImpl } from '../../kernel/scope/scope.ts';
import type { TimerTarget } from '../../kernel/timers.ts';
import { Timer } from '../../kernel/timers.ts';
import { firstLine, isInstance, msText, stackOf } from '../../support/checks.ts';
import type { Platform, StopSignal } from '../../world/platform.ts';
import type { Program, StatsSource } from '../../world/world.ts';
import type { SupervisorLink } from './supervisor-link.ts';
import { supervisorOf } from './supervisor-link.ts';

const SIGNAL_NUMBER: Readonly<Record<StopSignal, number>> = { SIGINT: 2, SIGTERM: 15 };

/** See MainOptions. */
export interface LifecycleOptions {
  readonly graceMs: number;
  readonly lameDuckMs: number;
  readonly ready: 'listening' | 'manual';
  readonly onReady: (() => void) | undefined;
  readonly inspection?: Inspection | undefined;
}

/** Opens a program to inspection; see node/inspect/inspection.ts. */
export interface Inspection {
  /** The returned function closes it. */
  open(program: InspectedProgram): () => void;
  /** Writes the tasks of all open programs to standard error. */
  showTasks(): void;
}

/** A program that is open to inspection. */
export interface InspectedProgram {
  readonly scheduler: Scheduler;
  readonly program: Pick<Program, 'servers' | 'stopping'>;
}

export class ProgramLifecycle implements Program, TimerTarget {
  /** The number of stop signals received. */
  signals = 0;
  readonly #servers = new Map<object, StatsSource>();
  /** Set by the second signal. */
  exitCode: number | undefined;
  readonly #platform: Platform;
  readonly #options: LifecycleOptions;
  #readyReported = false;
  /** The operation of the program has ended. */
  #ended = false;
  /** The program has had a server. */
  #hasServed = false;
  #scope: ScopeImpl | null = null;
  /** Set in a process that was started by `workers`. */
  readonly #supervisor: SupervisorLink | undefined;
  /** Ends the lame duck phase. */
  readonly #lameDuck = new Timer(this);
  /** Sends the next watchdog message. */
  readonly #watchdog = new Timer(this);
  readonly #watchdogMs: number;

  constructor(platform: Platform, options: LifecycleOptions) {
    this.#platform = platform;
    this.#options = options;
    this.#supervisor = supervisorOf(platform);
    this.#watchdogMs = watchdogPeriod(platform);
  }

  get ready(): boolean {
    return this.#readyReported && !this.#ended && !this.stopping && !this.#allServersEnded;
  }

  get notReadyReason(): string | undefined {
    return this.#allServersEnded ? 'all servers of the program have ended' : undefined;
  }

  get #allServersEnded(): boolean {
    return this.#hasServed && this.#servers.size === 0;
  }

  get stopping(): boolean {
    return this.signals > 0;
  }

  get servers(): Iterable<StatsSource> {
    return this.#servers.values();
  }

  get replaced(): boolean {
    return this.#supervisor?.replaced === true;
  }

  /** True if the program was cancelled at the end of the grace period or by a second signal. */
  get cut(): boolean {
    return this.signals > 0 && this.#scope?.cancelled === true;
  }

  /** Reports the tasks that were cut at the end of the grace period. Returns the exit code. */
  reportCut(): number {
    const { reason } = this.#scope ?? {};
    this.#platform.report(isInstance(reason, Error) ? reason.message : firstLine(reason));
    return 1;
  }

  becomeReady(): void {
    if (this.#readyReported || this.stopping) return;
    this.#readyReported = true;
    this.#platform.notify('READY=1\nSTATUS=Ready');
    this.#supervisor?.ready();
    watchCallback(this.#options.onReady?.(), (error) => this.#platform.report(stackOf(error)));
  }

  serverListens(server: StatsSource): void {
    this.#hasServed = true;
    this.#servers.set(server.address, server);
    if (this.#options.ready === 'listening') this.becomeReady();
  }

  serverEnds(address: object): void {
    const server = this.#servers.get(address);
    this.#servers.delete(address);
    if (server !== undefined) this.#supervisor?.serverEnds(server, this.servers);
  }

  /** The main operation: runs `op` in the main task. */
  *around(op: OperationSource<unknown>): Generator<Wait, void> {
    const { scheduler, ownScope } = runningTask();
    this.#scope = ownScope;
    const stopListening = [...this.#listen(scheduler), this.#openToInspection(scheduler)];
    this.#armWatchdog(scheduler);
    try {
      yield* operationOf(op);
    } finally {
      this.#ended = true;
      scheduler.disarm(this.#lameDuck);
      scheduler.disarm(this.#watchdog);
      for (const forget of stopListening) forget();
    }
  }

  #openToInspection(scheduler: Scheduler): () => void {
    const { inspection } = this.#options;
    return inspection?.open({ scheduler, program: this }) ?? (() => {});
  }

  /** Observes the stop signals. In a worker they come from its supervisor. */
  #listen(scheduler: Scheduler): readonly (() => void)[] {
    const listener = (signal: StopSignal): void => this.#onSignal(signal);
    if (this.#supervisor !== undefined) {
      const showTasks = (): void => this.#options.inspection?.showTasks();
      return [this.#supervisor.listen({ program: this, scheduler, showTasks }, listener)];
    }
    const signals = ['SIGINT', 'SIGTERM'] as const;
    return signals.map((signal) => this.#platform.onSignal(signal, () => listener(signal)));
  }

  expire(timer: Timer): void {
    if (timer === this.#lameDuck) return this.#drain();
    this.#platform.notify('WATCHDOG=1');
    this.#armWatchdog((this.#scope as ScopeImpl).scheduler);
  }

  /** The scheduler fires this timer, so a program that hangs sends no message. */
  #armWatchdog(scheduler: Scheduler): void {
    if (this.#watchdogMs < Infinity) {
      scheduler.arm(this.#watchdog, scheduler.now() + this.#watchdogMs);
    }
  }

  #onSignal(signal: StopSignal): void {
    this.signals++;
    if (this.signals === 1) return this.#beginStop();
    this.exitCode = 128 + SIGNAL_NUMBER[signal];
    if (this.signals === 2) this.#scope?.cancel(signal);
    else this.#platform.exit(this.exitCode);
  }

  #beginStop(): void {
    const { lameDuckMs, graceMs } = this.#options;
    const scope = this.#scope as ScopeImpl;
    const limit = graceMs === Infinity ? '' : `, for ${msText(graceMs)} at most`;
    this.#platform.notify(`STOPPING=1\nSTATUS=Draining${limit}`);
    if (lameDuckMs === 0) this.#drain();
    else scope.scheduler.arm(this.#lameDuck, scope.scheduler.now() + lameDuckMs);
  }

  #drain(): void {
    this.#scope?.stop({ graceMs: this.#options.graceMs });
  }
}

/**
 * Half of the time after which the manager considers the program hung, in milliseconds; Infinity if
 * the manager does not watch this process (sd_watchdog_enabled(3)). The variables are removed,
 * because child processes are not watched.
 */
function watchdogPeriod(platform: Platform): number {
  const limitUs = Number(platform.environment('WATCHDOG_USEC') ?? Number.NaN);
  const pid = platform.environment('WATCHDOG_PID');
  platform.unsetEnvironment('WATCHDOG_USEC');
  platform.unsetEnvironment('WATCHDOG_PID');
  const isOurs = pid === undefined || Number(pid) === platform.pid;
  return isOurs && limitUs > 0 ? limitUs / 1000 / 2 : Infinity;
}
