/**
 * The timer of all time limits: it checks every open connection at regular intervals.
 *
 * No timer is armed or moved when a message is sent or received, and an idle connection has none.
 * The price is precision: a limit takes effect up to two sweeps late. Sweeps are an eighth of the
 * shortest limit apart, so that is a quarter of it at most.
 *
 * Invariants:
 *  1. The timer is armed exactly while a connection is open and a limit is set.
 *  2. At most MAX_CHECKS connections are checked at once, so that tasks are not delayed; the rest
 *     of the sweep follows in the next turns.
 *  3. A delay of the process itself (stopped, busy) must not count as inactivity of its peers: a
 *     sweep that starts late is postponed once, and pending input is received meanwhile.
 */
import type { Scheduler } from '../kernel/scheduler.ts';
import type { TimerTarget } from '../kernel/timers.ts';
import { Timer } from '../kernel/timers.ts';
import type { Connection } from './connection.ts';
import type { ConnectionList } from './connection-list.ts';
import type { Limits } from './options.ts';
import type { LimitName } from './stats.ts';

/** Sweeps within the shortest limit. */
const SWEEPS_PER_LIMIT = 8;
/** Takes some tens of microseconds. */
const MAX_CHECKS = 512;
/** The resolution of the event loop's timers. */
const MIN_INTERVAL_MS = 1;

export class TimeoutSweeper implements TimerTarget {
  readonly #open: ConnectionList;
  readonly #limits: Limits;
  readonly #scheduler: Scheduler;
  readonly #onExceeded: (connection: Connection, limit: LimitName) => void;
  readonly #timer = new Timer(this);
  readonly #intervalMs: number;
  #isSweeping = false;
  #sweepStartedAt = 0;
  #isPostponed = false;
  /** How late the timer last fired, in milliseconds. */
  lagMs = 0;

  constructor(
    open: ConnectionList,
    limits: Limits,
    scheduler: Scheduler,
    onExceeded: (connection: Connection, limit: LimitName) => void,
  ) {
    this.#open = open;
    this.#limits = limits;
    this.#scheduler = scheduler;
    this.#onExceeded = onExceeded;
    this.#intervalMs = Math.max(MIN_INTERVAL_MS, shortestLimitMs(limits) / SWEEPS_PER_LIMIT);
  }

  /** Called when a connection was added. */
  start(): void {
    if (!this.#timer.armed) this.#arm(this.#scheduler.now() + this.#intervalMs);
  }

  /** Called when no connection is left. */
  stop(): void {
    this.#isSweeping = false;
    this.#scheduler.disarm(this.#timer);
  }

  expire(): void {
    const now = this.#scheduler.now();
    this.lagMs = Math.max(0, now - this.#timer.at);
    this.#isPostponed = !this.#isPostponed && this.lagMs > this.#intervalMs;
    if (this.#isPostponed) return this.#arm(now + this.#intervalMs);
    if (!this.#isSweeping) {
      this.#open.beginSweep();
      this.#sweepStartedAt = now;
    }
    this.#isSweeping = !this.#checkSome(now);
    if (this.#open.size === 0) return this.stop();
    const next = this.#isSweeping ? now : this.#sweepStartedAt + this.#intervalMs;
    this.#arm(Math.max(next, now + MIN_INTERVAL_MS));
  }

  /** True: the sweep is complete. */
  #checkSome(now: number): boolean {
    for (let i = 0; i < MAX_CHECKS; i++) {
      const connection = this.#open.nextInSweep();
      if (connection === null) return true;
      const limit = connection.exceededLimit(this.#limits, now);
      if (limit !== null) this.#onExceeded(connection, limit);
    }
    return false;
  }

  #arm(at: number): void {
    this.#scheduler.arm(this.#timer, at);
  }
}

/** Infinity: no time limit is set. */
function shortestLimitMs(limits: Limits): number {
  const { firstByteMs, idleMs, sendStallMs, lifetimeMs, receiveRate, receiveGraceMs } = limits;
  const graceMs = receiveRate > 0 ? receiveGraceMs : Infinity;
  return Math.min(firstByteMs, idleMs, sendStallMs, lifetimeMs, graceMs);
}
