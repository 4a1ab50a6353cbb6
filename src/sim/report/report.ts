/** What `simulate` tells of runs that have all succeeded. */

import type { OrderName } from '../choices/order.ts';
import type { Plan } from '../options.ts';
import type { RunResult } from '../run-once.ts';
import { hashText, TraceHash } from './trace-hash.ts';

/** What `simulate` tells of runs that have all succeeded. Numbers are totals over the runs. */
export interface SimReport {
  readonly runs: number;
  /** The seed of the first run. */
  readonly seed: number;
  readonly order: OrderName;
  /** 16 hexadecimal digits: equal for equal histories, on every machine. */
  readonly traceHash: string;
  /** Steps of tasks. */
  readonly steps: number;
  /** Everything that has happened: steps, messages, faults. */
  readonly events: number;
  readonly virtualMs: number;
  /** How often each fault has happened, by name; crashes, partitions and holds are among them. */
  readonly faults: Readonly<Record<string, number>>;
  /** Different orders in which the tasks of a run have made their steps. */
  readonly interleavings: number;
  /** False if a run waited for something that is not simulated, such as a promise. */
  readonly deterministic: boolean;
  /** What was worth a warning, each text once: sockets left open, operations never driven. */
  readonly warnings: readonly string[];
}

/** Different warnings that a report has at most. */
const MAX_WARNINGS = 100;

/** What a report needs of a run: nothing that could not go to another thread. */
export type RunStats = Pick<
  RunResult,
  | 'traceHash'
  | 'schedule'
  | 'steps'
  | 'events'
  | 'virtualMs'
  | 'faults'
  | 'deterministic'
  | 'warnings'
>;

export function statsOf(result: RunStats): RunStats {
  const { traceHash, schedule, steps, events } = result;
  const { virtualMs, faults, deterministic, warnings } = result;
  return { traceHash, schedule, steps, events, virtualMs, faults, deterministic, warnings };
}

/** Adds the runs up, in their order. */
export class RunTotals {
  readonly #plan: Plan;
  #runs = 0;
  #steps = 0;
  #events = 0;
  #virtualMs = 0;
  #deterministic = true;
  /** The hash of a single run is the run's own; that of several is one over all. */
  #firstHash = '';
  readonly #hash = new TraceHash();
  readonly #faults: Record<string, number> = {};
  readonly #schedules = new Set<string>();
  readonly #warnings = new Set<string>();

  constructor(plan: Plan) {
    this.#plan = plan;
  }

  /** How many runs there were. */
  get runs(): number {
    return this.#runs;
  }

  add(result: RunStats): void {
    if (this.#runs++ === 0) this.#firstHash = result.traceHash;
    this.#hash.word(hashText(result.traceHash));
    this.#steps += result.steps;
    this.#events += result.events;
    this.#virtualMs += result.virtualMs;
    this.#deterministic &&= result.deterministic;
    this.#schedules.add(result.schedule);
    for (const [name, count] of Object.entries(result.faults)) {
      this.#faults[name] = (this.#faults[name] ?? 0) + count;
    }
    for (const warning of result.warnings) {
      if (this.#warnings.size < MAX_WARNINGS) this.#warnings.add(warning);
    }
  }

  report(): SimReport {
    return {
      runs: this.#runs,
      seed: this.#plan.seed,
      order: this.#plan.settings.order,
      traceHash: this.#runs === 1 ? this.#firstHash : this.#hash.hex,
      steps: this.#steps,
      events: this.#events,
      virtualMs: this.#virtualMs,
      faults: this.#faults,
      interleavings: this.#schedules.size,
      deterministic: this.#deterministic,
      warnings: [...this.#warnings],
    };
  }
}
