/** One run of a scenario, from its seed to its end. */

import type { Hooks } from '../kernel/hooks.ts';
import type { AllowedChoices, Deviations } from './choices/decisions.ts';
import type { OrderName } from './choices/order.ts';
import type { Faults, Link, MakeNetworkModel, TraceEvent } from './core.ts';
import type { Failure } from './run-state.ts';
import { Simulator } from './simulator.ts';
import type { Scenario } from './world.ts';
import { WorldImpl } from './world-impl.ts';

/**
 * Real milliseconds for which time stands still while a task waits for the process around. Once
 * that was in vain (the promise waited for something inside the simulation), it is less.
 */
const REAL_WAIT_MS = 1000;
const SHORT_REAL_WAIT_MS = 20;
/** The same where nothing else is left to happen. */
const FINAL_REAL_WAIT_MS = 10_000;

/** What has come of one run. */
export interface RunResult {
  readonly failure: Failure | null;
  /** What the scenario returned, unless the run failed. */
  readonly value: unknown;
  readonly traceHash: string;
  /** The same for runs in which the tasks ran in the same order. */
  readonly schedule: string;
  /** Steps of tasks; events of every kind, steps included. */
  readonly steps: number;
  readonly events: number;
  readonly virtualMs: number;
  readonly faults: Readonly<Record<string, number>>;
  /** False if the process around had a part in it. */
  readonly deterministic: boolean;
  readonly warnings: readonly string[];
  /** Puts the last events into words. */
  lastEvents(): TraceEvent[];
  /** All events, if they were to be written down. */
  readonly recorded: readonly string[] | null;
}

/** Runs `scenario` once. A failure of it is in the result; this rejects for nothing. */
export async function runOnce(
  scenario: Scenario,
  settings: RunSettings,
  outside: RealProcess,
): Promise<RunResult> {
  const simulator = new Simulator(settings);
  const forget = startScenario(simulator, scenario);
  const visit = new ExternalWait(simulator, outside);
  for (let pause = simulator.advance(); pause !== 'ended'; pause = simulator.advance()) {
    if (pause === 'breath') await outside.yieldToEventLoop();
    else await visit.wait();
  }
  forget();
  visit.stop();
  simulator.runState.hosts.removeAll();
  return resultOf(simulator);
}

/** The answer lets go of the signal that may cut the scenario short. */
function startScenario(simulator: Simulator, scenario: Scenario): () => void {
  const world = new WorldImpl(simulator);
  const main = simulator.runState.hosts.add('main', () => scenario(world), 1);
  const { signal } = simulator.settings;
  const onAbort = (): void => main.process?.scheduler.main?.cancel(signal?.reason);
  if (signal?.aborted === true) onAbort();
  signal?.addEventListener('abort', onAbort, { once: true });
  return () => signal?.removeEventListener('abort', onAbort);
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

/** How a run waits for the process around it. */
class ExternalWait {
  readonly #simulator: Simulator;
  readonly #realProcess: RealProcess;
  #wake: () => void = () => {};
  #maxWaitMs = REAL_WAIT_MS;
  /** True: waiting was in vain, and nobody has come since. */
  #timedOut = false;

  constructor(simulator: Simulator, outside: RealProcess) {
    this.#simulator = simulator;
    this.#realProcess = outside;
    simulator.onExternalWakeUp = () => {
      simulator.runState.usedRealProcess = true;
      this.#timedOut = false;
      this.#wake();
    };
  }

  /** Until a task was woken from outside; after a while time has to go on without. */
  async wait(): Promise<void> {
    const { runState, ready } = this.#simulator;
    runState.usedRealProcess = true;
    await this.#realProcess.yieldToEventLoop();
    if (ready.length > 0) return;
    const last = !this.#simulator.hasFutureEvents;
    if (last || !this.#timedOut) await this.#waitUpTo(last ? FINAL_REAL_WAIT_MS : this.#maxWaitMs);
    if (ready.length > 0) return;
    this.#timedOut = true;
    this.#maxWaitMs = SHORT_REAL_WAIT_MS;
    runState.timeMayAdvance = true;
  }

  #waitUpTo(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const forget = this.#realProcess.setTimer(ms, resolve);
      this.#wake = () => {
        forget();
        resolve();
      };
    });
  }

  stop(): void {
    this.#simulator.onExternalWakeUp = null;
    this.#wake = () => {};
  }
}

/** What one run is told, checked and complete. */

export interface RunSettings {
  readonly seed: number;
  readonly order: OrderName;
  /** Of 'pct': how many events in a particular order a bug may need to be found. */
  readonly pctDepth: number;
  readonly link: Link;
  readonly faults: Faults;
  readonly maxVirtualMs: number;
  readonly maxSteps: number;
  readonly hooks: Hooks | undefined;
  readonly debug: boolean;
  readonly makeNetwork: MakeNetworkModel;
  /** The choices that may differ from their defaults; null: all. */
  readonly allowed: AllowedChoices | null;
  /** Filled with the choices that did differ. */
  readonly deviations: Deviations | null;
  /** True: every event is written down. */
  readonly record: boolean;
  /** Where problems go that no task receives. Absent: they fail the run. */
  readonly warn?: (problem: unknown) => void;
  /** Aborting it cancels the scenario. */
  readonly signal?: AbortSignal;
  /** The name of the scenario's task. Absent: 'main'. */
  readonly name?: string;
}

/**
 * What a simulation asks of the process around it, given to it by the entry file. Only waits that
 * belong to the process (promises, emitters) and the event loop's turn depend on it; nothing that a
 * run computes does.
 */

export interface RealProcess {
  /** Lets the event loop turn once: signals, timers and I/O of the process are served. */
  yieldToEventLoop(): Promise<void>;
  /** Calls `action` after so many real milliseconds, and holds the process until then. */
  setTimer(ms: number, action: () => void): () => void;
  /** A question that is answered with true once so many real milliseconds have passed. */
  deadline(ms: number): () => boolean;
  /**
   * Has `used` called whenever the running task reaches for the real world, with the name of what
   * it reached for ("Math.random"). The answer ends that.
   */
  watchRealSources(used: (name: string) => void): () => void;
}
