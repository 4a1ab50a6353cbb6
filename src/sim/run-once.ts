/** One run of a scenario, from its seed to its end. */

import type { Hooks } from '../kernel/hooks.ts';
import type { AsyncContexts } from '../kernel/host.ts';
import { onAbort } from '../support/abort-listeners.ts';
import type { AllowedChoices, Deviations } from './choices/decisions.ts';
import type { OrderName } from './choices/order.ts';
import type { Faults, LinkParameters, MakeNetworkModel, TraceEvent } from './core.ts';
import type { RunRecorder } from './report/recorder.ts';
import type { Failure } from './run-state.ts';
import { Simulator } from './simulator.ts';
import type { Scenario } from './world.ts';
import { WorldImpl } from './world-impl.ts';

/**
 * Real milliseconds for which the clock does not advance while a task waits for the real process.
 * After a wait that timed out (the promise depends on the simulation itself) it is shorter.
 */
const REAL_WAIT_MS = 1000;
const SHORT_REAL_WAIT_MS = 20;
/** The same when the simulation has no future event. */
const FINAL_REAL_WAIT_MS = 10_000;

/** Observations of waits for the real process, which later runs of a campaign share. */
export class RealWaitHistory {
  /** The time limit of the next wait. */
  maxWaitMs: number = REAL_WAIT_MS;
  /** True: the last wait timed out, and the process has not woken a task since. */
  timedOut = false;
}

/** The settings of one run. */
export interface RunSettings {
  readonly seed: number;
  readonly order: OrderName;
  /** For 'pct': the number of events whose order triggers the bug. */
  readonly pctDepth: number;
  readonly link: LinkParameters;
  readonly faults: Faults;
  readonly maxVirtualMs: number;
  readonly maxSteps: number;
  readonly hooks: Hooks | undefined;
  readonly debug: boolean;
  readonly makeNetwork: MakeNetworkModel;
  /** The choices that may differ from their defaults; null: all. */
  readonly allowed: AllowedChoices | null;
  /** Filled with the choices that differ from their defaults. */
  readonly deviations: Deviations | null;
  readonly realWaits: RealWaitHistory;
  /** True: every event is recorded as text. */
  readonly record: boolean;
  /** Records the run for a story or a trace. */
  readonly recorder?: RunRecorder | undefined;
  /** Receives problems that no task can receive. Absent: they fail the run. */
  readonly warn?: ((problem: unknown) => void) | undefined;
  /** Aborting it cancels the scenario. */
  readonly signal?: AbortSignal | undefined;
  /** The name of the scenario's task. Absent: 'main'. */
  readonly name?: string | undefined;
}

/** The numbers of one run that a report adds up. A worker thread can send them. */
export interface RunStats {
  readonly traceHash: string;
  /** Equal for runs in which the tasks ran in the same order. */
  readonly schedule: string;
  /** Steps of tasks. */
  readonly steps: number;
  /** Events of every kind, steps included. */
  readonly events: number;
  readonly virtualMs: number;
  readonly faults: Readonly<Record<string, number>>;
  /** False if the run depended on the real process. */
  readonly deterministic: boolean;
  readonly warnings: readonly string[];
}

export interface RunResult extends RunStats {
  readonly failure: Failure | null;
  /** The return value of the scenario, unless the run failed. */
  readonly value: unknown;
  /** Formats the last events. */
  readonly lastEvents: () => TraceEvent[];
  /** All events, if `record` is set. */
  readonly recorded: readonly string[] | null;
}

/**
 * The services of the real process for a simulation. Only waits for the process (promises,
 * emitters) and turns of the event loop depend on it; results of a run do not.
 */
export interface RealProcess {
  /** Lets the event loop turn once, which serves signals, timers and I/O of the process. */
  yieldToEventLoop(): Promise<void>;
  /** Calls `action` after `ms` real milliseconds. The returned function cancels the timer. */
  setTimer(ms: number, action: () => void): () => void;
  /** Returns a function that returns true once `ms` real milliseconds have passed. */
  deadline(ms: number): () => boolean;
  /**
   * Calls `onUse` whenever a running task uses a nondeterministic source, with the name of the
   * source ("Math.random"). The returned function ends that.
   */
  watchRealSources(onUse: (name: string) => void): () => void;
  /** Creates the async contexts of a run that begins in the calling code. */
  asyncContexts(): AsyncContexts;
  /** The default of the option `debug`. */
  debug(): boolean;
}

/** Runs `scenario` once. Does not reject: the result contains the failure. */
export async function runOnce(
  scenario: Scenario,
  settings: RunSettings,
  realProcess: RealProcess,
): Promise<RunResult> {
  const simulator = new Simulator(settings);
  settings.recorder?.begin(simulator);
  const contexts = realProcess.asyncContexts();
  simulator.contexts = contexts;
  const removeAbortListener = startScenario(simulator, scenario);
  const wait = new RealProcessWait(simulator, realProcess);
  const advance = () => contexts.around(() => simulator.advance());
  for (let reason = advance(); reason !== 'ended'; reason = advance()) {
    if (reason === 'yield') await realProcess.yieldToEventLoop();
    else await wait.wait();
  }
  removeAbortListener();
  wait.stop();
  simulator.runState.hosts.removeAll();
  return resultOf(simulator);
}

/** Returns a function that removes the listener of the abort signal. */
function startScenario(simulator: Simulator, scenario: Scenario): () => void {
  const world = new WorldImpl(simulator);
  const main = simulator.runState.hosts.add('main', () => scenario(world), 1);
  const { signal } = simulator.settings;
  if (signal === undefined) return () => {};
  const cancel = (): void => main.process?.scheduler.main?.cancel(signal.reason);
  if (signal.aborted) cancel();
  return onAbort(signal, cancel);
}

function resultOf(simulator: Simulator): RunResult {
  const { runState, history } = simulator;
  return {
    failure: runState.failure,
    value: runState.value,
    traceHash: history.hex,
    schedule: history.schedule,
    steps: simulator.steps,
    events: history.count,
    virtualMs: simulator.now,
    faults: simulator.faultCounts,
    deterministic: !runState.usedRealProcess,
    warnings: [...runState.warnings],
    lastEvents: () => history.lastEvents(),
    recorded: history.recorded,
  };
}

/** Waits of a run for the real process. */
class RealProcessWait {
  readonly #simulator: Simulator;
  readonly #realProcess: RealProcess;
  #wake: () => void = () => {};
  readonly #history: RealWaitHistory;

  constructor(simulator: Simulator, realProcess: RealProcess) {
    this.#simulator = simulator;
    this.#realProcess = realProcess;
    this.#history = simulator.settings.realWaits;
    simulator.onExternalWakeUp = () => {
      simulator.runState.usedRealProcess = true;
      this.#history.timedOut = false;
      this.#wake();
    };
  }

  /** Waits until the process wakes a task. After a time limit, virtual time may advance. */
  async wait(): Promise<void> {
    const { runState, ready } = this.#simulator;
    runState.usedRealProcess = true;
    await this.#realProcess.yieldToEventLoop();
    if (ready.length > 0) return;
    const isLast = !this.#simulator.hasFutureEvents;
    if (isLast || !this.#history.timedOut) {
      await this.#waitUpTo(isLast ? FINAL_REAL_WAIT_MS : this.#history.maxWaitMs);
    }
    if (ready.length > 0) return;
    this.#history.timedOut = true;
    this.#history.maxWaitMs = SHORT_REAL_WAIT_MS;
    runState.timeMayAdvance = true;
  }

  #waitUpTo(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const cancelTimer = this.#realProcess.setTimer(ms, resolve);
      this.#wake = () => {
        cancelTimer();
        resolve();
      };
    });
  }

  stop(): void {
    this.#simulator.onExternalWakeUp = null;
    this.#wake = () => {};
  }
}
