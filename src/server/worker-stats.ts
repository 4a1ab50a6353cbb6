/** The figures of workers: of each one, and summed up. */
import type { WorkerRecord, WorkerState } from './worker.ts';

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

export function statsOf(worker: WorkerRecord, now: number): WorkerStats {
  const { pid, state, startedAt, servers } = worker;
  const upMs = now - startedAt;
  return Object.freeze({ worker: worker.worker, pid, state, upMs, servers });
}

/** More names than all figures of ours have: a worker that makes up new ones fills no memory. */
const MOST_FIGURES = 1000;

/** What is not summed up: of several, the largest counts. */
const LONGEST: ReadonlySet<string> = new Set(['longestTurnMs', 'lagMs']);

/** What is only now: a worker that has ended has nothing of it. */
const CURRENT: ReadonlySet<string> = new Set([
  'open',
  'stalled',
  'queued',
  'handshakes.underWay',
  'handshakes.waiting',
  'proxyHeaders.underWay',
  'proxyHeaders.waiting',
]);

/** Sums of figures by their names. */
export class Totals {
  readonly #sums: Map<string, number>;

  constructor(from: Readonly<Record<string, number>> = {}) {
    this.#sums = new Map(Object.entries(from));
  }

  /** What a worker has told. */
  add({ servers, exit }: WorkerRecord): void {
    for (const { stats } of servers) this.#addAll(stats, '', exit === null);
  }

  get record(): Readonly<Record<string, number>> {
    return Object.freeze(Object.fromEntries(this.#sums));
  }

  /** Two levels: deeper than that no figure of ours lies, and a worker may say what it likes. */
  #addAll(figures: object | undefined, prefix: string, isLive: boolean): void {
    for (const [key, value] of Object.entries(figures ?? {})) {
      const name = prefix + key;
      if (typeof value === 'number') this.#note(name, CURRENT.has(name) && !isLive ? 0 : value);
      else if (prefix === '' && typeof value === 'object' && value !== null) {
        this.#addAll(value, `${name}.`, isLive);
      }
    }
  }

  #note(name: string, value: number): void {
    const before = this.#sums.get(name);
    const number = numberOf(value);
    if (before === undefined && this.#sums.size >= MOST_FIGURES) return;
    const sum = LONGEST.has(name) ? Math.max(before ?? number, number) : (before ?? 0) + number;
    this.#sums.set(name, sum);
  }
}

function numberOf(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : 0;
}
