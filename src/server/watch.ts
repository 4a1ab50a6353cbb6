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
import type { ConnectionRecord } from './connection-record.ts';
import type { Limits } from './options.ts';
import type { LimitName } from './reports.ts';

/** Looks within the shortest limit. */
const LOOKS = 8;
/** Some tens of microseconds. */
const MOST_LOOKS = 512;
/** The event loop's timers have no finer resolution. */
const LEAST_MS = 1;

export class Watch implements TimerTarget {
  readonly #open: ReadonlySet<ConnectionRecord>;
  readonly #limits: Limits;
  readonly #scheduler: Scheduler;
  readonly #passed: (connection: ConnectionRecord, limit: LimitName) => void;
  readonly #timer = new Timer(this);
  readonly #everyMs: number;
  /** The round that has begun, and when. A Set's iterator is right whoever comes or goes. */
  #round: Iterator<ConnectionRecord> | null = null;
  #roundBegan = 0;
  #isPutOff = false;
  /** How late the timer was when it fired last. */
  lagMs = 0;

  constructor(
    open: ReadonlySet<ConnectionRecord>,
    limits: Limits,
    scheduler: Scheduler,
    passed: (connection: ConnectionRecord, limit: LimitName) => void,
  ) {
    this.#open = open;
    this.#limits = limits;
    this.#scheduler = scheduler;
    this.#passed = passed;
    this.#everyMs = Math.max(LEAST_MS, shortest(limits) / LOOKS);
  }

  /** A connection has come. */
  begin(): void {
    if (!this.#timer.armed) this.#arm(this.#scheduler.now() + this.#everyMs);
  }

  /** No connection is left. */
  end(): void {
    this.#round = null;
    this.#scheduler.disarm(this.#timer);
  }

  expire(): void {
    const now = this.#scheduler.now();
    this.lagMs = Math.max(0, now - this.#timer.at);
    this.#isPutOff = !this.#isPutOff && this.lagMs > this.#everyMs;
    if (this.#isPutOff) return this.#arm(now + this.#everyMs);
    if (this.#round === null) {
      this.#round = this.#open.values();
      this.#roundBegan = now;
    }
    if (this.#look(this.#round, now)) this.#round = null;
    if (this.#open.size === 0) return this.end();
    const next = this.#round === null ? this.#roundBegan + this.#everyMs : now;
    this.#arm(Math.max(next, now + LEAST_MS));
  }

  /** True: the round is over. */
  #look(round: Iterator<ConnectionRecord>, now: number): boolean {
    for (let i = 0; i < MOST_LOOKS; i++) {
      const { done, value: connection } = round.next();
      if (done === true) return true;
      const limit = connection.overdue(this.#limits, now);
      if (limit !== null) this.#passed(connection, limit);
    }
    return false;
  }

  #arm(at: number): void {
    this.#scheduler.arm(this.#timer, at);
  }
}

/** Infinity: there is no limit in time. */
function shortest(limits: Limits): number {
  const { firstByteMs, idleMs, sendStallMs, lifetimeMs, receiveRate, receiveGraceMs } = limits;
  const graceMs = receiveRate > 0 ? receiveGraceMs : Infinity;
  return Math.min(firstByteMs, idleMs, sendStallMs, lifetimeMs, graceMs);
}
