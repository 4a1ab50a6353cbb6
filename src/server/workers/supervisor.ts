/**
 * The supervisor of worker processes: starts them, restarts those that end, replaces all of them
 * one by one, and stops them. workers.ts holds the options and the command loop.
 *
 * Invariants:
 *  1. `#live` holds every process that was started and has not ended. The supervisor returns only
 *     when it is empty, except for processes that do not end within KILL_TIMEOUT_MS of SIGKILL.
 *  2. A slot has one current worker. While it is replaced there is a second one, and the old one is
 *     stopped only when the new one is ready: a worker accepts at every moment.
 *  3. Once `ending`, no process is started.
 *  4. A slot is filled again when its worker has ended, or KILL_TIMEOUT_MS after it was killed: a
 *     process that hangs in a system call may not end after SIGKILL and must not keep its slot.
 */
import { all } from '../../flow/combinators/all.ts';
import { now, runningTask } from '../../kernel/current.ts';
import type { Operation, Wait } from '../../kernel/operation.ts';
import { Lazy, watchCallback } from '../../kernel/operation.ts';
import { moveOnAfter } from '../../kernel/scope/with-scope.ts';
import { checkpoint } from '../../kernel/waits.ts';
import type { SocketAddress } from '../../net/address.ts';
import type { Platform, WorkerStart } from '../../world/platform.ts';
import { Notifier } from '../notifier.ts';
import {
  describeStartFailure,
  describeWorker,
  restartLimitError,
  startError,
  stopError,
} from './errors.ts';
import type { WorkersStats } from './stats.ts';
import { WorkersStatsSource } from './stats.ts';
import { Worker, watchLiveness } from './worker.ts';
import type { WorkerEvent, Workers } from './workers.ts';

/** The pause before a restart. It doubles with each failure in a row. */
const FIRST_BACKOFF_MS = 100;
const MAX_BACKOFF_MS = 10_000;
/** The longest pause while no worker is ready and clients wait in the queues of the listeners. */
const MAX_UNSERVED_MS = 1000;
/** A worker that ran this long before it ended was healthy: the pause starts at the first again. */
const HEALTHY_AFTER_MS = 60_000;

/** A worker cancels its own program when its grace period ends; the supervisor acts later. */
const GRACE_MARGIN_MS = 1000;
/** How long a cancelled program may take to unwind. */
const CUT_TIMEOUT_MS = 2000;
/** How long the system may take to end a process after SIGKILL. */
const KILL_TIMEOUT_MS = 2000;

/** The options of `workers` after checks and defaults. */
export interface SupervisorOptions {
  readonly count: number;
  readonly readyTimeoutMs: number;
  readonly graceMs: number;
  /** Infinity: workers are not checked. */
  readonly hangTimeoutMs: number;
  /** The restart limit: at most `times` within `withinMs`, and of workers that never were ready. */
  readonly restarts: { readonly times: number; readonly withinMs: number };
  /** How to start the worker of a slot; `index` counts from 0. */
  workerStart(index: number): WorkerStart;
  onEvent(event: WorkerEvent): void;
  /** Closes the listeners here; the workers keep theirs. */
  closeListeners(): void;
}

interface Slot {
  /** Counts from 0. */
  readonly index: number;
  current: Worker;
  /** Consecutive workers that were not healthy. */
  failures: number;
}

export class Supervisor implements Workers {
  readonly addresses: readonly SocketAddress[];
  readonly statsSource: WorkersStatsSource;
  /** Notified when a worker changes, and on commands such as `stop` and `reload`. */
  readonly notifier: Notifier = new Notifier({ external: true });
  /** The error with which `workers` fails; set once. */
  failure: unknown = null;
  failed = false;
  #stopping = false;
  readonly #platform: Platform;
  readonly #options: SupervisorOptions;
  readonly #live = new Set<Worker>();
  readonly #slots: Slot[] = [];
  /** Times of restarts within the period of the restart limit. */
  readonly #restartTimes: number[] = [];
  /** Consecutive workers, of all slots, that ended before they were ready. */
  #failedStarts = 0;
  readonly #counts = { restarts: 0, reloads: 0 };
  #reloadRequested = false;

  constructor(platform: Platform, addresses: readonly SocketAddress[], options: SupervisorOptions) {
    this.#platform = platform;
    this.addresses = addresses;
    this.#options = options;
    const name = `workers at ${addresses.join(', ')}`;
    this.statsSource = new WorkersStatsSource(name, this.notifier, {
      live: this.#live,
      wanted: options.count,
      counts: this.#counts,
    });
  }

  /** True: no worker is started any more. */
  get ending(): boolean {
    return this.#stopping || this.failed;
  }

  stop(): void {
    this.#stopping = true;
    this.notifier.notify();
  }

  reload(): void {
    this.#reloadRequested = true;
    this.notifier.notify();
  }

  fail(error: unknown): void {
    if (!this.failed) this.failure = error;
    this.failed = true;
    this.notifier.notify();
  }

  stats(): Operation<WorkersStats> {
    return new Lazy(() => this.#collectStats());
  }

  // ---- start ----

  /**
   * Starts all workers and waits until each is ready. The first failure stops all of them. One
   * worker starts alone, so that an error in the module is reported once.
   */
  *startAll(): Generator<Wait, void> {
    const indexes = Array.from({ length: this.#options.count }, (_, index) => index);
    yield* this.#startSlots(indexes.slice(0, 1));
    if (!this.ending) yield* this.#startSlots(indexes.slice(1));
  }

  *#startSlots(indexes: readonly number[]): Generator<Wait, void> {
    const slots = indexes.map((index) => ({ index, current: this.#start(index), failures: 0 }));
    this.#slots.push(...slots);
    for (const slot of slots) {
      yield* this.#waitUntilReady(slot.current);
      while (!this.ending && endedByGroupSignal(slot.current)) yield* this.#startAgain(slot);
      if (this.ending) return;
      const { current } = slot;
      if (!current.wasReady) return this.fail(startError(current, this.#options.readyTimeoutMs));
    }
  }

  /** A signal to the process group also ends a worker that does not observe signals yet. */
  *#startAgain(slot: Slot): Generator<Wait, void> {
    const { current } = slot;
    const { worker, pid, exit } = current;
    if (this.#restartLimitExceeded()) {
      return this.fail(restartLimitError(current, this.#options.restarts, false));
    }
    if (exit !== null) this.#emit({ kind: 'ended', worker, pid, exit, restartMs: 0 });
    this.#counts.restarts++;
    slot.current = this.#start(slot.index);
    yield* this.#waitUntilReady(slot.current);
  }

  #start(index: number): Worker {
    const worker = new Worker(this.#platform, {
      worker: index + 1,
      start: this.#options.workerStart(index),
      onChange: () => this.#workerChanged(worker),
    });
    this.#live.add(worker);
    this.#emit({ kind: 'started', worker: worker.worker, pid: worker.pid });
    return worker;
  }

  /** Called outside of tasks. */
  #workerChanged(worker: Worker): void {
    if (worker.exit !== null && this.#live.delete(worker)) this.statsSource.ended.add(worker);
    this.#shareQueues();
    this.notifier.notify();
  }

  /**
   * The clients in the queue of a worker that is not ready, or does not respond, would wait for its
   * restart, so all ready workers accept from that queue meanwhile.
   */
  #shareQueues(): void {
    if (this.ending) return;
    const served = new Set(this.#slots.filter(isServed).map(({ index }) => index));
    const unserved = Array.from({ length: this.#options.count }, (_, index) => index).filter(
      (index) => !served.has(index),
    );
    for (const worker of this.#live) worker.serveQueues(unserved);
  }

  /** Waits until the worker is ready, has failed, or has exceeded `readyTimeoutMs`. */
  *#waitUntilReady(worker: Worker): Generator<Wait, void> {
    const isSettled = (): boolean => worker.state !== 'starting' || this.ending;
    const what = `${describeWorker(worker)} to be ready`;
    const leftMs = Math.max(0, worker.startedAt + this.#options.readyTimeoutMs - now());
    yield* moveOnAfter(leftMs, () => this.notifier.waitUntil(what, isSettled));
    if (worker.wasReady) this.#emit({ kind: 'ready', worker: worker.worker, pid: worker.pid });
  }

  // ---- restart ----

  /** For each slot, an operation that restarts its worker whenever it ends. */
  restartLoops(): readonly (() => Operation<void>)[] {
    return this.#slots.map((slot) => () => this.#restartLoop(slot));
  }

  *#restartLoop(slot: Slot): Generator<Wait, void> {
    while (!this.ending) {
      const { current } = slot;
      const isDone = (): boolean => this.ending || slot.current !== current;
      const hasEnded = (): boolean => current.exit !== null || current.killed;
      const what = `${describeWorker(current)} to end`;
      yield* this.notifier.waitUntil(what, () => isDone() || hasEnded());
      if (isDone()) continue;
      if (current.exit === null) yield* this.#exitsWithin(current, KILL_TIMEOUT_MS);
      if (isDone()) continue;
      yield* this.#backOff(slot, current);
      if (isDone()) continue;
      this.#counts.restarts++;
      slot.current = this.#start(slot.index);
      yield* this.#waitUntilReady(slot.current);
      // A worker that hangs at its start is treated like one that has ended.
      if (!this.ending && !slot.current.wasReady) slot.current.kill();
    }
  }

  /** Kills workers that hang; `#restartLoop` starts the next ones. */
  *killHungWorkers(): Generator<Wait, void> {
    const { hangTimeoutMs } = this.#options;
    if (hangTimeoutMs === Infinity) return;
    yield* watchLiveness(this.#live, hangTimeoutMs, (hung, silentMs) => {
      this.#emit({ kind: 'hung', worker: hung.worker, pid: hung.pid, silentMs });
      hung.hung = true;
      hung.kill();
      this.#workerChanged(hung);
    });
  }

  /** Waits before the next start; a reload may fill the slot meanwhile. */
  *#backOff(slot: Slot, ended: Worker): Generator<Wait, void> {
    const wasHealthy = ended.wasReady && now() - ended.startedAt >= HEALTHY_AFTER_MS;
    slot.failures = wasHealthy ? 1 : slot.failures + 1;
    const wantedMs = Math.min(FIRST_BACKOFF_MS * 2 ** (slot.failures - 1), MAX_BACKOFF_MS);
    const pauseMs = this.#clientsWait ? Math.min(wantedMs, MAX_UNSERVED_MS) : wantedMs;
    const { worker, pid, exit } = ended;
    this.#failedStarts = ended.wasReady ? 0 : this.#failedStarts + 1;
    const { restarts } = this.#options;
    const neverReady = this.#failedStarts > restarts.times;
    const isLast = this.#restartLimitExceeded() || neverReady;
    const restartMs = isLast ? undefined : pauseMs;
    if (exit !== null) this.#emit({ kind: 'ended', worker, pid, exit, restartMs });
    if (isLast) return this.fail(restartLimitError(ended, restarts, neverReady));
    const isDone = (): boolean => this.ending || slot.current !== ended;
    yield* this.#pause(Math.min(pauseMs, MAX_UNSERVED_MS), isDone);
    yield* this.#pause(pauseMs - MAX_UNSERVED_MS, () => isDone() || this.#clientsWait);
  }

  *#pause(ms: number, isOver: () => boolean): Generator<Wait, void> {
    if (ms > 0) yield* moveOnAfter(ms, () => this.notifier.waitUntil('the next start', isOver));
  }

  /** No worker accepts connections. */
  get #clientsWait(): boolean {
    return this.addresses.length > 0 && this.statsSource.workers.ready === 0;
  }

  /** Counts a restart. */
  #restartLimitExceeded(): boolean {
    const { times, withinMs } = this.#options.restarts;
    const at = now();
    while (this.#restartTimes[0] !== undefined && this.#restartTimes[0] <= at - withinMs) {
      this.#restartTimes.shift();
    }
    this.#restartTimes.push(at);
    return this.#restartTimes.length > times;
  }

  // ---- reload ----

  /** Replaces all workers on request. A request during a reload starts another one after it. */
  *reloadLoop(): Generator<Wait, void> {
    for (;;) {
      yield* this.notifier.waitUntil('a reload', () => this.#reloadRequested && !this.ending);
      this.#reloadRequested = false;
      this.#emit({ kind: 'reloading' });
      const failed = yield* this.#replaceAll();
      if (this.ending) return;
      if (failed === undefined) {
        this.#counts.reloads++;
        this.#emit({ kind: 'reloaded' });
      } else {
        const reason = describeStartFailure(failed, this.#options.readyTimeoutMs);
        this.#emit({ kind: 'reload-failed', worker: failed.worker, pid: failed.pid, reason });
      }
    }
  }

  /** Stops at the first new worker that fails, which it returns: the old workers continue. */
  *#replaceAll(): Generator<Wait, Worker | undefined> {
    for (const slot of this.#slots) {
      if (this.ending) return undefined;
      const next = this.#start(slot.index);
      yield* this.#waitUntilReady(next);
      if (this.ending) return undefined;
      if (!next.wasReady) {
        next.kill();
        return next;
      }
      const old = slot.current;
      slot.current = next;
      slot.failures = 0;
      this.#workerChanged(next);
      old.stop(true);
      yield* this.#stopWorker(old);
    }
    return undefined;
  }

  // ---- stop ----

  /**
   * Stops all workers concurrently; the first that does not end cleanly is the failure. The
   * listeners are closed here first: after the workers have closed theirs, new connections would
   * wait in a queue that no process serves.
   */
  *stopAll(): Generator<Wait, void> {
    this.#options.closeListeners();
    const workers = [...this.#live];
    yield* all(workers.map((worker) => () => this.#stopWorker(worker)));
    const failed = workers.find((worker) => !exitedCleanly(worker));
    if (failed !== undefined) this.fail(stopError(failed));
  }

  /** Drains a worker, cuts it at the end of its grace period, and then kills its process. */
  *#stopWorker(worker: Worker): Generator<Wait, void> {
    worker.stop();
    if (yield* this.#exitsWithin(worker, this.#options.graceMs + GRACE_MARGIN_MS)) return;
    yield* this.#cutWorker(worker);
  }

  *#cutWorker(worker: Worker): Generator<Wait, void> {
    worker.cut();
    if (yield* this.#exitsWithin(worker, CUT_TIMEOUT_MS)) return;
    worker.kill();
    yield* this.#exitsWithin(worker, KILL_TIMEOUT_MS);
  }

  *#exitsWithin(worker: Worker, ms: number): Generator<Wait, boolean> {
    const hasEnded = (): boolean => worker.exit !== null;
    const what = `${describeWorker(worker)} to end`;
    yield* moveOnAfter(ms, () => this.notifier.waitUntil(what, hasEnded));
    return hasEnded();
  }

  /** After a cancellation. Takes at most CUT_TIMEOUT_MS + KILL_TIMEOUT_MS. */
  *cutAll(): Generator<Wait, void> {
    yield* all([...this.#live].map((worker) => () => this.#cutWorker(worker)));
  }

  get hasLive(): boolean {
    return this.#live.size > 0;
  }

  // ---- statistics and events ----

  *#collectStats(): Generator<Wait, WorkersStats> {
    yield* checkpoint();
    const { statsSource } = this;
    yield* statsSource.requestNow();
    const { perWorker, total } = statsSource;
    return Object.freeze({ workers: Object.freeze(perWorker), ...this.#counts, total });
  }

  #emit(event: WorkerEvent): void {
    const { scheduler } = runningTask();
    try {
      watchCallback(this.#options.onEvent(event), (error) => scheduler.unhandled(error));
    } catch (thrown) {
      scheduler.unhandled(thrown);
    }
  }
}

function isServed({ current }: Slot): boolean {
  return current.isServing;
}

/** Signals that a terminal sends to all processes of a job. */
const GROUP_SIGNALS = ['SIGHUP', 'SIGINT'];

function endedByGroupSignal({ exit, wasReady }: Worker): boolean {
  return !wasReady && GROUP_SIGNALS.includes(exit?.signal ?? '');
}

/** Code 0 is the result of a drain. A worker that was not ready may not handle signals yet. */
function exitedCleanly(worker: Worker): boolean {
  const { exit, wasReady } = worker;
  if (exit === null || exit.error !== undefined) return false;
  const isStopped = exit.signal === 'SIGTERM' && !wasReady;
  return exit.code === 0 || isStopped || endedByGroupSignal(worker);
}
