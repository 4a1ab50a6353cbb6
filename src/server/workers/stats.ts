/** The figures of workers: of each one, and summed up. */

import { now } from '../../kernel/current.ts';
import type { Operation, Wait } from '../../kernel/operation.ts';
import { Lazy } from '../../kernel/operation.ts';
import { moveOnAfter } from '../../kernel/scope/with-scope.ts';
import { checkpoint } from '../../kernel/waits.ts';
import type { StatsSource } from '../../world/world.ts';
import type { Notifier } from './notifier.ts';
import type { Worker, WorkerState } from './worker.ts';

/** A worker now. */
export interface WorkerStats {
  /** Its place among the workers, from 1. */
  readonly worker: number;
  readonly pid: number | undefined;
  readonly state: WorkerState;
  /** Milliseconds since it was started. */
  readonly upMs: number;
  /** Of each of its servers: where it listens, and what `server.stats()` gives there. */
  readonly servers: readonly {
    readonly address: string;
    readonly stats: Readonly<Record<string, unknown>>;
  }[];
}

/** The workers now, and what they have done since the beginning. */
export interface WorkersStats {
  /** Those that run: one for each place, and while one is replaced, both. */
  readonly workers: readonly WorkerStats[];
  /** How often a worker that had ended by itself was started again. */
  readonly restarts: number;
  /** How often all of them were replaced. */
  readonly reloads: number;
  /**
   * Every number in the figures of all servers, summed up: `total.accepted`. Workers that have
   * ended count with what they told last, without what is only now, such as `open`. A figure inside
   * of another one is named 'closed.idleTimeoutMs'.
   */
  readonly total: Readonly<Record<string, number>>;
}

export function workerStats(worker: Worker, now: number): WorkerStats {
  const { pid, state, startedAt, servers } = worker;
  const upMs = now - startedAt;
  return Object.freeze({ worker: worker.worker, pid, state, upMs, servers });
}

/** More names than all figures of ours have: a worker that makes up new ones fills no memory. */
const MAX_TOTALS = 1000;

/** What is not summed up: of several, the largest counts. */
const MAXIMA: ReadonlySet<string> = new Set(['longestTurnMs', 'lagMs']);

/** What is only now: a worker that has ended has nothing of it. */
const GAUGES: ReadonlySet<string> = new Set([
  'open',
  'stalled',
  'queued',
  'handshakes.pending',
  'handshakes.waiting',
  'proxyHeaders.pending',
  'proxyHeaders.waiting',
]);

/** Sums of figures by their names. */
export class StatsTotals {
  readonly #sums: Map<string, number>;

  constructor(from: Readonly<Record<string, number>> = {}) {
    this.#sums = new Map(Object.entries(from));
  }

  /** What a worker has told. */
  add({ servers, exit }: Worker): void {
    for (const { stats } of servers) this.#addAll(stats, '', exit === null);
  }

  get record(): Readonly<Record<string, number>> {
    return Object.freeze(Object.fromEntries(this.#sums));
  }

  /** Two levels: deeper than that no figure of ours lies, and a worker may say what it likes. */
  #addAll(figures: object | undefined, prefix: string, isLive: boolean): void {
    for (const [key, value] of Object.entries(figures ?? {})) {
      const name = prefix + key;
      if (typeof value === 'number') this.#addNumber(name, GAUGES.has(name) && !isLive ? 0 : value);
      else if (prefix === '' && typeof value === 'object' && value !== null) {
        this.#addAll(value, `${name}.`, isLive);
      }
    }
  }

  #addNumber(name: string, value: number): void {
    const before = this.#sums.get(name);
    const number = finiteOrZero(value);
    if (before === undefined && this.#sums.size >= MAX_TOTALS) return;
    const sum = MAXIMA.has(name) ? Math.max(before ?? number, number) : (before ?? 0) + number;
    this.#sums.set(name, sum);
  }
}

function finiteOrZero(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : 0;
}

/**
 * The figures of all workers: how they are asked for, and what stays of those that have ended.
 *
 * Whoever calls `stats()` asks anew. A page of metrics is asked for by strangers and by several
 * machines at the same time: its questions are shared, one in FRESH_MS.
 */

/** How long workers have to tell their figures: one that computes does not hold up the others. */
const ANSWER_TIMEOUT_MS = 1000;
/** A page shows figures that are this old at most, or as old as a worker is silent. */
const MAX_AGE_MS = 1000;

interface StatsRequest {
  readonly id: number;
  readonly sentAt: number;
  readonly workers: readonly Worker[];
}

/** What the supervisor itself has done. */
export interface SupervisorCounts {
  readonly restarts: number;
  readonly reloads: number;
}

/** Given to the program as the figures of a server. */
export class WorkersStatsSource implements StatsSource {
  readonly address: object;
  readonly #live: ReadonlySet<Worker>;
  readonly #notifier: Notifier;
  readonly #counts: SupervisorCounts;
  /** Of workers that have ended. */
  readonly #ended = new StatsTotals();
  /** The last one. */
  #lastRequest: StatsRequest = { id: 0, sentAt: -Infinity, workers: [] };

  constructor(name: string, live: ReadonlySet<Worker>, bell: Notifier, counts: SupervisorCounts) {
    this.address = { toString: () => name };
    this.#live = live;
    this.#notifier = bell;
    this.#counts = counts;
  }

  /** A worker has ended: what it told last stays in the sums. */
  retain(worker: Worker): void {
    this.#ended.add(worker);
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
    const isFresh = now() - this.#lastRequest.sentAt < MAX_AGE_MS;
    yield* this.#waitForAnswers(isFresh ? this.#lastRequest : this.#sendRequest());
  }

  /** Asks all workers now, and waits for the answers, for TELL_MS at most. */
  *requestNow(): Generator<Wait, void> {
    yield* this.#waitForAnswers(this.#sendRequest());
  }

  #sendRequest(): StatsRequest {
    const number = this.#lastRequest.id + 1;
    const asked = [...this.#live].filter((worker) => worker.requestStats(number));
    this.#lastRequest = { id: number, sentAt: now(), workers: asked };
    return this.#lastRequest;
  }

  *#waitForAnswers({ id, sentAt, workers }: StatsRequest): Generator<Wait, void> {
    const answered = (): boolean =>
      workers.every((worker) => worker.answeredStatsId >= id || worker.exit !== null);
    const leftMs = Math.max(0, sentAt + ANSWER_TIMEOUT_MS - now());
    yield* moveOnAfter(leftMs, () => this.#notifier.waitUntil('the figures of workers', answered));
  }

  get perWorker(): readonly WorkerStats[] {
    return [...this.#live].map((worker) => workerStats(worker, now()));
  }

  get total(): Readonly<Record<string, number>> {
    const total = new StatsTotals(this.#ended.record);
    for (const worker of this.#live) total.add(worker);
    return total.record;
  }
}
