/**
 * The one timer behind all limits in time: it looks at every open connection, every so often.
 *
 * Nothing is armed or moved when a message comes or goes, and an idle connection has no timer. The
 * price is precision: a limit acts up to two looks late. Looks are an eighth of the shortest limit
 * apart, so that is a quarter of it at most.
 *
 * Invariants:
 *  1. The timer is armed exactly while a connection is open and some limit is set.
 *  2. At most MOST_LOOKS connections are looked at in one go: however many there are, tasks are not
 *     held up. The rest of a round follows at once.
 *  3. A process that was held up (stopped, computing) does not take its own silence for that of its
 *     peers: a round that begins late is put off once, and what has come meanwhile is received.
 */
import type { Scheduler } from '../kernel/scheduler.ts';
import type { TimerTarget } from '../kernel/timers.ts';
import { Timer } from '../kernel/timers.ts';
import type { Connection } from './connection.ts';
import type { Limits } from './options.ts';
import type { LimitName } from './stats.ts';

/** Looks within the shortest limit. */
const SWEEPS_PER_LIMIT = 8;
/** Some tens of microseconds. */
const MAX_CHECKS = 512;
/** The event loop's timers have no finer resolution. */
const MIN_INTERVAL_MS = 1;

export class TimeoutSweeper implements TimerTarget {
  readonly #open: ReadonlySet<Connection>;
  readonly #limits: Limits;
  readonly #scheduler: Scheduler;
  readonly #onExceeded: (connection: Connection, limit: LimitName) => void;
  readonly #timer = new Timer(this);
  readonly #intervalMs: number;
  /** The round that has begun, and when. A Set's iterator is right whoever comes or goes. */
  #sweep: Iterator<Connection> | null = null;
  #sweepStartedAt = 0;
  #isPostponed = false;
  /** How late the timer was when it fired last. */
  lagMs = 0;

  constructor(
    open: ReadonlySet<Connection>,
    limits: Limits,
    scheduler: Scheduler,
    passed: (connection: Connection, limit: LimitName) => void,
  ) {
    this.#open = open;
    this.#limits = limits;
    this.#scheduler = scheduler;
    this.#onExceeded = passed;
    this.#intervalMs = Math.max(MIN_INTERVAL_MS, shortestLimitMs(limits) / SWEEPS_PER_LIMIT);
  }

  /** A connection has come. */
  start(): void {
    if (!this.#timer.armed) this.#arm(this.#scheduler.now() + this.#intervalMs);
  }

  /** No connection is left. */
  stop(): void {
    this.#sweep = null;
    this.#scheduler.disarm(this.#timer);
  }

  expire(): void {
    const now = this.#scheduler.now();
    this.lagMs = Math.max(0, now - this.#timer.at);
    this.#isPostponed = !this.#isPostponed && this.lagMs > this.#intervalMs;
    if (this.#isPostponed) return this.#arm(now + this.#intervalMs);
    if (this.#sweep === null) {
      this.#sweep = this.#open.values();
      this.#sweepStartedAt = now;
    }
    if (this.#checkSome(this.#sweep, now)) this.#sweep = null;
    if (this.#open.size === 0) return this.stop();
    const next = this.#sweep === null ? this.#sweepStartedAt + this.#intervalMs : now;
    this.#arm(Math.max(next, now + MIN_INTERVAL_MS));
  }

  /** True: the round is over. */
  #checkSome(round: Iterator<Connection>, now: number): boolean {
    for (let i = 0; i < MAX_CHECKS; i++) {
      const { done, value: connection } = round.next();
      if (done === true) return true;
      const limit = connection.exceededLimit(this.#limits, now);
      if (limit !== null) this.#onExceeded(connection, limit);
    }
    return false;
  }

  #arm(at: number): void {
    this.#scheduler.arm(this.#timer, at);
  }
}

/** Infinity: there is no limit in time. */
function shortestLimitMs(limits: Limits): number {
  const { firstByteMs, idleMs, sendStallMs, lifetimeMs, receiveRate, receiveGraceMs } = limits;
  const graceMs = receiveRate > 0 ? receiveGraceMs : Infinity;
  return Math.min(firstByteMs, idleMs, sendStallMs, lifetimeMs, graceMs);
}
