/** One run of a scenario, from its seed to its end. */
import type { TraceEvent } from './core.ts';
import type { Failure } from './course.ts';
import type { Outside } from './outside.ts';
import type { RunSettings } from './settings.ts';
import { Simulator } from './simulator.ts';
import type { Scenario } from './world.ts';
import { WorldRecord } from './world-record.ts';

/**
 * Real milliseconds for which time stands still while a task waits for the process around. Once
 * that was in vain (the promise waited for something inside the simulation), it is less.
 */
const PATIENCE_MS = 1000;
const LESS_PATIENCE_MS = 20;
/** The same where nothing else is left to happen. */
const LAST_PATIENCE_MS = 10_000;

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
  outside: Outside,
): Promise<RunResult> {
  const simulator = new Simulator(settings);
  const forget = begin(simulator, scenario);
  const visit = new Visit(simulator, outside);
  for (let pause = simulator.advance(); pause !== 'ended'; pause = simulator.advance()) {
    if (pause === 'breath') await outside.breathe();
    else await visit.wait();
  }
  forget();
  visit.end();
  simulator.course.hosts.end();
  return resultOf(simulator);
}

/** The answer lets go of the signal that may cut the scenario short. */
function begin(simulator: Simulator, scenario: Scenario): () => void {
  const world = new WorldRecord(simulator);
  const main = simulator.course.hosts.add('main', () => scenario(world), 1);
  const { signal } = simulator.settings;
  const onAbort = (): void => main.life?.scheduler.main?.cancel(signal?.reason);
  if (signal?.aborted === true) onAbort();
  signal?.addEventListener('abort', onAbort, { once: true });
  return () => signal?.removeEventListener('abort', onAbort);
}

function resultOf(simulator: Simulator): RunResult {
  const { course, history } = simulator;
  return {
    failure: course.failure,
    value: course.value,
    traceHash: history.hex,
    schedule: history.schedule,
    steps: simulator.steps,
    events: history.count,
    virtualMs: simulator.now,
    faults: simulator.faultCounts,
    deterministic: !course.touchedOutside,
    warnings: [...course.warnings],
    lastEvents: () => history.last(),
    recorded: history.recorded,
  };
}

/** How a run waits for the process around it. */
class Visit {
  readonly #simulator: Simulator;
  readonly #outside: Outside;
  #woken: () => void = () => {};
  #patienceMs = PATIENCE_MS;
  /** True: waiting was in vain, and nobody has come since. */
  #inVain = false;

  constructor(simulator: Simulator, outside: Outside) {
    this.#simulator = simulator;
    this.#outside = outside;
    simulator.wokenOutside = () => {
      simulator.course.touchedOutside = true;
      this.#inVain = false;
      this.#woken();
    };
  }

  /** Until a task was woken from outside; after a while time has to go on without. */
  async wait(): Promise<void> {
    const { course, ready } = this.#simulator;
    course.touchedOutside = true;
    await this.#outside.breathe();
    if (ready.length > 0) return;
    const last = !this.#simulator.somethingIsToCome;
    if (last || !this.#inVain) await this.#hold(last ? LAST_PATIENCE_MS : this.#patienceMs);
    if (ready.length > 0) return;
    this.#inVain = true;
    this.#patienceMs = LESS_PATIENCE_MS;
    course.letTimePass = true;
  }

  #hold(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const forget = this.#outside.later(ms, resolve);
      this.#woken = () => {
        forget();
        resolve();
      };
    });
  }

  end(): void {
    this.#simulator.wokenOutside = null;
    this.#woken = () => {};
  }
}
