/**
 * The figures of all workers: how they are asked for, and what stays of those that have ended.
 *
 * Whoever calls `stats()` asks anew. A page of metrics is asked for by strangers and by several
 * machines at the same time: its questions are shared, one in FRESH_MS.
 */
import type { Operation, Wait } from '../kernel/operation.ts';
import { Lazy } from '../kernel/operation.ts';
import { now } from '../kernel/time.ts';
import { checkpoint } from '../kernel/waits.ts';
import { moveOnAfter } from '../kernel/with-scope.ts';
import type { Figures } from '../world/program.ts';
import type { Bell } from './bell.ts';
import type { WorkerRecord } from './worker.ts';
import type { WorkerStats } from './worker-stats.ts';
import { statsOf, Totals } from './worker-stats.ts';

/** How long workers have to tell their figures: one that computes does not hold up the others. */
const TELL_MS = 1000;
/** A page shows figures that are this old at most, or as old as a worker is silent. */
const FRESH_MS = 1000;

interface Question {
  readonly number: number;
  readonly at: number;
  readonly asked: readonly WorkerRecord[];
}

/** What the supervisor itself has done. */
export interface SupervisorCounts {
  readonly restarts: number;
  readonly reloads: number;
}

/** Given to the program as the figures of a server. */
export class WorkerFigures implements Figures {
  readonly address: object;
  readonly #live: ReadonlySet<WorkerRecord>;
  readonly #bell: Bell;
  readonly #counts: SupervisorCounts;
  /** Of workers that have ended. */
  readonly #gone = new Totals();
  /** The last one. */
  #question: Question = { number: 0, at: -Infinity, asked: [] };

  constructor(name: string, live: ReadonlySet<WorkerRecord>, bell: Bell, counts: SupervisorCounts) {
    this.address = { toString: () => name };
    this.#live = live;
    this.#bell = bell;
    this.#counts = counts;
  }

  /** A worker has ended: what it told last stays in the sums. */
  keep(worker: WorkerRecord): void {
    this.#gone.add(worker);
  }

  stats(): Readonly<Record<string, number>> {
    const { restarts, reloads } = this.#counts;
    return { restarts, reloads, ...this.total };
  }

  /** Asks all workers, unless that was just done. Cancel: only the waiting ends. */
  refresh(): Operation<void> {
    return new Lazy(() => this.#refresh());
  }

  *#refresh(): Generator<Wait, void> {
    yield* checkpoint();
    const isFresh = now() - this.#question.at < FRESH_MS;
    yield* this.#answers(isFresh ? this.#question : this.#put());
  }

  /** Asks all workers now, and waits for the answers, for TELL_MS at most. */
  *ask(): Generator<Wait, void> {
    yield* this.#answers(this.#put());
  }

  #put(): Question {
    const number = this.#question.number + 1;
    const asked = [...this.#live].filter((worker) => worker.ask(number));
    this.#question = { number, at: now(), asked };
    return this.#question;
  }

  *#answers({ number, at, asked }: Question): Generator<Wait, void> {
    const answered = (): boolean =>
      asked.every((worker) => worker.answered >= number || worker.exit !== null);
    const leftMs = Math.max(0, at + TELL_MS - now());
    yield* moveOnAfter(leftMs, () => this.#bell.until('the figures of workers', answered));
  }

  get each(): readonly WorkerStats[] {
    return [...this.#live].map((worker) => statsOf(worker, now()));
  }

  get total(): Readonly<Record<string, number>> {
    const total = new Totals(this.#gone.record);
    for (const worker of this.#live) total.add(worker);
    return total.record;
  }
}
