/** Statistics of workers: of each one, and totals. */
import { now } from '../../kernel/current.ts';
import type { Operation, Wait } from '../../kernel/operation.ts';
import { Lazy } from '../../kernel/operation.ts';
import { moveOnAfter } from '../../kernel/scope/with-scope.ts';
import { checkpoint } from '../../kernel/waits.ts';
import type { MetricDefinition, MetricDefinitions } from '../../world/platform.ts';
import type { ServerStatsMessage } from '../../world/worker-messages.ts';
import type { StatsSource, WorkerNumbers } from '../../world/world.ts';
import type { Notifier } from '../notifier.ts';
import { counter, numbersIn, SERVER_METRICS } from '../stats.ts';
import type { Worker, WorkerState } from './worker.ts';

/** The current state and statistics of a worker. */
export interface WorkerStats {
  /** The number of the worker, from 1. */
  readonly worker: number;
  readonly pid: number | undefined;
  readonly state: WorkerState;
  /** Milliseconds since it was started. */
  readonly upMs: number;
  /** For each of its servers: the address, and the result of `server.stats()`. */
  readonly servers: readonly ServerStatsMessage[];
}

/** The current workers, and counters since the start. */
export interface WorkersStats {
  /** The running workers; while one is replaced, the old and the new one. */
  readonly workers: readonly WorkerStats[];
  /** How often a worker was restarted after it had ended by itself. */
  readonly restarts: number;
  /** How often all workers were replaced. */
  readonly reloads: number;
  /**
   * The sums of all numbers in the statistics of all servers, such as `total.accepted`; for times,
   * such as `longestTurnMs`, the maximum. A number in a nested record is named
   * 'closed.idleTimeoutMs'. Workers that have ended are included with their last counters, and
   * without gauges such as `open`.
   */
  readonly total: Readonly<Record<string, number>>;
}

/** More than the number of metrics of a server. It bounds the memory that a worker can fill. */
const MAX_TOTALS = 1000;

/** A number without a definition is kept in the totals like a counter. */
const DEFINITIONS: Readonly<Record<string, Partial<MetricDefinition>>> = SERVER_METRICS;

/** How long workers may take to answer: a busy one must not delay the statistics of the others. */
const ANSWER_TIMEOUT_MS = 1000;
/** Requests for /metrics within this time share one request to the workers. */
const MAX_AGE_MS = 1000;

/** Totals of statistics, by name. */
export class StatsTotals {
  readonly #totals: Map<string, number>;

  constructor(from: Readonly<Record<string, number>> = {}) {
    this.#totals = new Map(Object.entries(from));
  }

  /** Adds the last statistics of a worker. */
  add({ servers, exit }: Worker): void {
    for (const { stats } of servers) {
      for (const [name, value] of numbersIn(stats ?? {})) this.#add(name, value, exit !== null);
    }
  }

  get record(): Readonly<Record<string, number>> {
    return Object.freeze(Object.fromEntries(this.#totals));
  }

  #add(name: string, value: number, hasEnded: boolean): void {
    const before = this.#totals.get(name);
    if (before === undefined && this.#totals.size >= MAX_TOTALS) return;
    const { kind = 'counter', total = 'sum' } = DEFINITIONS[name] ?? {};
    const isMaximum = total === 'maximum';
    const isGone = hasEnded && kind === 'gauge' && !isMaximum;
    const added = isGone || !Number.isFinite(value) ? 0 : value;
    this.#totals.set(name, isMaximum ? Math.max(before ?? added, added) : (before ?? 0) + added);
  }
}

interface StatsRequest {
  readonly id: number;
  readonly sentAt: number;
  readonly workers: readonly Worker[];
}

/** The state of the supervisor, which changes while the source is used. */
interface WorkersStatsOrigin {
  /** The processes that were started and have not ended. */
  readonly live: ReadonlySet<Worker>;
  /** The number of workers that are to run. */
  readonly wanted: number;
  readonly counts: Pick<WorkersStats, 'restarts' | 'reloads'>;
}

/**
 * The statistics of all workers: requests them, and keeps those of workers that have ended. The
 * supervisor registers it with the program like a server, so that /metrics shows the totals.
 */
export class WorkersStatsSource implements StatsSource {
  readonly address: object;
  readonly metrics: MetricDefinitions = {
    ...SERVER_METRICS,
    restarts: counter('Restarts of workers that had ended by themselves.'),
    reloads: counter('Replacements of all workers.'),
  };
  readonly #live: ReadonlySet<Worker>;
  readonly #notifier: Notifier;
  /** The number of workers that are to run. */
  readonly #wanted: number;
  readonly #counts: Pick<WorkersStats, 'restarts' | 'reloads'>;
  /** Totals of workers that have ended. */
  readonly ended: StatsTotals = new StatsTotals();
  #lastRequest: StatsRequest = { id: 0, sentAt: -Infinity, workers: [] };

  constructor(name: string, notifier: Notifier, from: WorkersStatsOrigin) {
    this.address = { toString: () => name };
    this.#notifier = notifier;
    this.#live = from.live;
    this.#wanted = from.wanted;
    this.#counts = from.counts;
  }

  stats(): Readonly<Record<string, number>> {
    return { ...this.#counts, ...this.total };
  }

  get workers(): WorkerNumbers {
    let ready = 0;
    for (const { isServing } of this.#live) if (isServing) ready++;
    return { wanted: this.#wanted, ready };
  }

  showTasks(): void {
    for (const worker of this.#live) worker.showTasks();
  }

  /** Requests new statistics unless that was just done. Cancel: the request goes on. */
  refresh(): Operation<void> {
    return new Lazy(() => this.#refresh());
  }

  *#refresh(): Generator<Wait, void> {
    yield* checkpoint();
    const isFresh = now() - this.#lastRequest.sentAt < MAX_AGE_MS;
    yield* this.#waitForAnswers(isFresh ? this.#lastRequest : this.#sendRequest());
  }

  /** Requests new statistics from all workers and waits for the answers, up to the time limit. */
  *requestNow(): Generator<Wait, void> {
    yield* this.#waitForAnswers(this.#sendRequest());
  }

  #sendRequest(): StatsRequest {
    const id = this.#lastRequest.id + 1;
    const workers = [...this.#live].filter((worker) => worker.requestStats(id));
    this.#lastRequest = { id, sentAt: now(), workers };
    return this.#lastRequest;
  }

  *#waitForAnswers({ id, sentAt, workers }: StatsRequest): Generator<Wait, void> {
    const isAnswered = (): boolean =>
      workers.every((worker) => worker.answeredStatsId >= id || worker.exit !== null);
    const leftMs = Math.max(0, sentAt + ANSWER_TIMEOUT_MS - now());
    yield* moveOnAfter(leftMs, () =>
      this.#notifier.waitUntil('the statistics of workers', isAnswered),
    );
  }

  get perWorker(): readonly WorkerStats[] {
    return Array.from(this.#live, ({ worker, pid, state, startedAt, servers }) =>
      Object.freeze({ worker, pid, state, upMs: now() - startedAt, servers }),
    );
  }

  get total(): Readonly<Record<string, number>> {
    const total = new StatsTotals(this.ended.record);
    for (const worker of this.#live) total.add(worker);
    return total.record;
  }
}
