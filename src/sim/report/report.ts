/** The report of `simulate` on runs that have all succeeded. */

import type { OrderName } from '../choices/order.ts';
import type { Plan } from '../options.ts';
import type { RunResult, RunStats } from '../run-once.ts';
import { hashText, TraceHash } from './trace-hash.ts';

/** The report of `simulate` on runs that have all succeeded. Numbers are totals over the runs. */
export interface SimReport {
  readonly runs: number;
  /** The seed of the first run. */
  readonly seed: number;
  readonly order: OrderName;
  /** 16 hexadecimal digits: equal for equal traces, on every machine. */
  readonly traceHash: string;
  /** Steps of tasks. */
  readonly steps: number;
  /** Events of every kind: steps, messages, faults. */
  readonly events: number;
  readonly virtualMs: number;
  /** The number of injected faults by name, including crashes, partitions and holds. */
  readonly faults: Readonly<Record<string, number>>;
  /** The number of different orders in which the tasks of a run made their steps. */
  readonly interleavings: number;
  /** False if a run waited for the real process, for example for a promise. */
  readonly deterministic: boolean;
  /**
   * Warnings, each text once, at most 100: handlers that failed without an `onError`, operations
   * never driven, sockets left open.
   */
  readonly warnings: readonly string[];
}

/** The maximum number of different warnings in a report. */
const MAX_WARNINGS = 100;

/** The part of a result that a report needs and that a worker thread can send. */
export function statsOf({ failure, value, lastEvents, recorded, ...stats }: RunResult): RunStats {
  return stats;
}

/** Adds up the runs of a campaign, in the order of their seeds. */
export class RunTotals {
  readonly #plan: Plan;
  readonly #totals = { runs: 0, steps: 0, events: 0, virtualMs: 0, deterministic: true };
  /** The hash of a single run is the run's own. That of several runs combines all. */
  #firstHash = '';
  readonly #hash = new TraceHash();
  readonly #faults: Record<string, number> = {};
  readonly #schedules = new Set<string>();
  readonly #warnings = new Set<string>();

  constructor(plan: Plan) {
    this.#plan = plan;
  }

  /** The number of runs that were added. */
  get runs(): number {
    return this.#totals.runs;
  }

  add(result: RunStats): void {
    const totals = this.#totals;
    if (totals.runs++ === 0) this.#firstHash = result.traceHash;
    this.#hash.word(hashText(result.traceHash));
    totals.steps += result.steps;
    totals.events += result.events;
    totals.virtualMs += result.virtualMs;
    totals.deterministic &&= result.deterministic;
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
      ...this.#totals,
      seed: this.#plan.seed,
      order: this.#plan.settings.order,
      traceHash: this.runs === 1 ? this.#firstHash : this.#hash.hex,
      faults: this.#faults,
      interleavings: this.#schedules.size,
      warnings: [...this.#warnings],
    };
  }
}
