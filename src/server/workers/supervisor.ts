/**
 * The supervisor of worker processes: starts them, replaces those that end, replaces all of them
 * one by one, and ends them together. What it decides is here; what it is told to do is in
 * workers.ts.
 *
 * Invariants:
 *  1. `live` holds every process that was started and has not ended. Nothing returns before it is
 *     empty, except when processes survive SIGKILL for longer than KILL_MS.
 *  2. A place has one current worker. While it is replaced there is a second one, and the old one
 *     is asked to end only when the new one is ready: at every moment somebody accepts.
 *  3. Once `ending`, no process is started.
 *  4. A place is filled again when its worker has ended, or was killed and the system has had
 *     KILL_MS to end it: a process that not even SIGKILL ends (it hangs in a call of the system)
 *     must not keep its place.
 */
import { all } from '../../flow/combinators/all.ts';
import { now, runningTask } from '../../kernel/current.ts';
import type { Operation, Wait } from '../../kernel/operation.ts';
import { Lazy } from '../../kernel/operation.ts';
import { moveOnAfter } from '../../kernel/scope/with-scope.ts';
import { checkpoint } from '../../kernel/waits.ts';
import type { SocketAddress } from '../../net/address.ts';
import type { Platform, WorkerStart } from '../../world/platform.ts';
import {
  describeStartFailure,
  describeWorker,
  restartLimitError,
  startError,
  stopError,
} from './errors.ts';
import { Notifier } from './notifier.ts';
import type { WorkersStats } from './stats.ts';
import { WorkersStatsSource } from './stats.ts';
import { Worker, watchLiveness } from './worker.ts';
import type { WorkerEvent, Workers } from './workers.ts';

/** A worker that ends is followed by the next one after this time, twice as long every time, … */
const FIRST_BACKOFF_MS = 100;
const MAX_BACKOFF_MS = 10_000;
/** … unless it had been ready for so long. */
const HEALTHY_AFTER_MS = 60_000;

/** A worker cuts itself at the end of its own grace; the supervisor comes after that. */
const GRACE_MARGIN_MS = 1000;
/** How long a program that was cancelled may take to unwind. */
const CUT_TIMEOUT_MS = 2000;
/** How long the system may take to end a process with SIGKILL. */
const KILL_TIMEOUT_MS = 2000;

/** What the supervisor has to know, checked and complete. */
export interface SupervisorOptions {
  readonly count: number;
  readonly readyTimeoutMs: number;
  readonly graceMs: number;
  /** Infinity: nobody is asked whether it turns. */
  readonly hangTimeoutMs: number;
  /** The restart limit: more than `times` within `withinMs` is too often. */
  readonly restarts: { readonly times: number; readonly withinMs: number };
  /** How the worker at a place (from 0) begins. */
  workerStart(place: number): WorkerStart;
  onEvent(event: WorkerEvent): void;
  /** Lets the listeners go: from then on they are those of the workers alone. */
  closeListeners(): void;
}

interface Slot {
  /** From 0. */
  readonly index: number;
  current: Worker;
  /** Workers in a row that have not been healthy. */
  failures: number;
}

export class Supervisor implements Workers {
  readonly addresses: readonly SocketAddress[];
  /** Also those of the program's page of metrics. */
  readonly statsSource: WorkersStatsSource;
  readonly notifier: Notifier = new Notifier();
  /** What the end of it all will be reported as; set once. */
  failure: unknown = null;
  failed = false;
  #stopping = false;
  readonly #platform: Platform;
  readonly #options: SupervisorOptions;
  readonly #live = new Set<Worker>();
  readonly #slots: Slot[] = [];
  /** When workers were started again: no more than the limit, and one. */
  readonly #restartTimes: number[] = [];
  readonly #counts = { restarts: 0, reloads: 0 };
  #reloadRequested = false;

  constructor(platform: Platform, addresses: readonly SocketAddress[], options: SupervisorOptions) {
    this.#platform = platform;
    this.addresses = addresses;
    this.#options = options;
    const name = `workers at ${addresses.join(', ')}`;
    this.statsSource = new WorkersStatsSource(name, this.#live, this.notifier, this.#counts);
  }

  /** Nobody is started any more. */
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

  // ---- the beginning ----

  /**
   * Starts all workers and waits until each is ready; the first that is not fails the whole. One
   * begins alone, so that what is wrong with the module is met, and told, once.
   */
  *startAll(): Generator<Wait, void> {
    const indexes = Array.from({ length: this.#options.count }, (_, index) => index);
    yield* this.#startSlots(indexes.slice(0, 1));
    if (!this.ending) yield* this.#startSlots(indexes.slice(1));
  }

  *#startSlots(indexes: readonly number[]): Generator<Wait, void> {
    const slots = indexes.map((index) => ({ index, current: this.#start(index), failures: 0 }));
    this.#slots.push(...slots);
    for (const { current } of slots) {
      yield* this.#waitUntilReady(current);
      if (this.ending) return;
      if (!current.wasReady) return this.fail(startError(current, this.#options.readyTimeoutMs));
    }
  }

  #start(place: number): Worker {
    const worker = new Worker(this.#platform, {
      worker: place + 1,
      now: now(),
      start: this.#options.workerStart(place),
      onChange: () => this.#workerChanged(worker),
    });
    this.#live.add(worker);
    this.#emit({ kind: 'started', worker: worker.worker, pid: worker.pid });
    return worker;
  }

  /** Called from outside of tasks. */
  #workerChanged(worker: Worker): void {
    if (worker.exit !== null && this.#live.delete(worker)) this.statsSource.retain(worker);
    this.notifier.notify();
  }

  /** Waits until the worker is ready or will not become so, or has had its time. */
  *#waitUntilReady(worker: Worker): Generator<Wait, void> {
    const settled = (): boolean => worker.state !== 'starting' || this.ending;
    const what = `${describeWorker(worker)} to be ready`;
    const leftMs = Math.max(0, worker.startedAt + this.#options.readyTimeoutMs - now());
    yield* moveOnAfter(leftMs, () => this.notifier.waitUntil(what, settled));
    if (!worker.wasReady) return;
    this.#emit({ kind: 'ready', worker: worker.worker, pid: worker.pid });
  }

  // ---- those that end by themselves ----

  /** Keeps every place taken, for as long as the whole goes on. */
  restartLoops(): readonly (() => Operation<void>)[] {
    return this.#slots.map((slot) => () => this.#restartLoop(slot));
  }

  *#restartLoop(slot: Slot): Generator<Wait, void> {
    while (!this.ending) {
      const { current } = slot;
      const isLeft = (): boolean => this.ending || slot.current !== current;
      const isOver = (): boolean => current.exit !== null || current.killed;
      yield* this.notifier.waitUntil(
        `${describeWorker(current)} to end`,
        () => isLeft() || isOver(),
      );
      if (isLeft()) continue;
      if (current.exit === null) yield* this.#exitsWithin(current, KILL_TIMEOUT_MS);
      if (isLeft()) continue;
      yield* this.#backOff(slot, current);
      if (isLeft()) continue;
      this.#counts.restarts++;
      slot.current = this.#start(slot.index);
      yield* this.#waitUntilReady(slot.current);
      // One that hangs at its beginning counts as one that has ended.
      if (!this.ending && !slot.current.wasReady) slot.current.kill();
    }
  }

  /** Ends workers that hang, for as long as the whole goes on. */
  *killHungWorkers(): Generator<Wait, void> {
    const { hangTimeoutMs } = this.#options;
    if (hangTimeoutMs === Infinity) return;
    yield* watchLiveness(this.#live, hangTimeoutMs, (hung, silentMs) => {
      this.#emit({ kind: 'hung', worker: hung.worker, pid: hung.pid, silentMs });
      hung.hung = true;
      hung.kill();
      this.notifier.notify();
    });
  }

  /** Waits before the next worker begins; a reload may fill the place meanwhile. */
  *#backOff(slot: Slot, ended: Worker): Generator<Wait, void> {
    const healthy = ended.wasReady && now() - ended.startedAt >= HEALTHY_AFTER_MS;
    slot.failures = healthy ? 1 : slot.failures + 1;
    const pauseMs = Math.min(FIRST_BACKOFF_MS * 2 ** (slot.failures - 1), MAX_BACKOFF_MS);
    const { worker, pid, exit } = ended;
    const isLast = this.#restartLimitExceeded();
    const restartMs = isLast ? undefined : pauseMs;
    if (exit !== null) this.#emit({ kind: 'ended', worker, pid, exit, restartMs });
    if (isLast) return this.fail(restartLimitError(ended, this.#options.restarts));
    yield* moveOnAfter(pauseMs, () =>
      this.notifier.waitUntil('the next try', () => this.ending || slot.current !== ended),
    );
  }

  /** Notes one more restart. */
  #restartLimitExceeded(): boolean {
    const { times, withinMs } = this.#options.restarts;
    const at = now();
    while (this.#restartTimes[0] !== undefined && this.#restartTimes[0] <= at - withinMs) {
      this.#restartTimes.shift();
    }
    this.#restartTimes.push(at);
    return this.#restartTimes.length > times;
  }

  // ---- replacing all ----

  /** Replaces all workers when somebody asks for it. What is asked for meanwhile follows. */
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

  /** The first new worker that fails is the last: the old ones serve on. */
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
      this.notifier.notify();
      old.stop(true);
      yield* this.#stopWorker(old);
    }
    return undefined;
  }

  // ---- the end ----

  /**
   * Ends all workers at the same time. The first that does not end well is the failure. A worker
   * takes what waits in its queue and closes its listener; if that were still open here, whoever
   * comes then would wait in a queue that nobody serves.
   */
  *stopAll(): Generator<Wait, void> {
    this.#options.closeListeners();
    const ending = [...this.#live];
    yield* all(ending.map((worker) => () => this.#stopWorker(worker)));
    const bad = ending.find((worker) => !exitedCleanly(worker));
    if (bad !== undefined) this.fail(stopError(bad));
  }

  /** Drains a worker: asks it, cuts it when its grace is over, and then ends its process. */
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
    const ended = (): boolean => worker.exit !== null;
    yield* moveOnAfter(ms, () =>
      this.notifier.waitUntil(`${describeWorker(worker)} to end`, ended),
    );
    return ended();
  }

  /** After a cancellation: takes at most CUT_MS + KILL_MS. */
  *cutAll(): Generator<Wait, void> {
    yield* all([...this.#live].map((worker) => () => this.#cutWorker(worker)));
  }

  get hasLive(): boolean {
    return this.#live.size > 0;
  }

  // ---- telling ----

  *#collectStats(): Generator<Wait, WorkersStats> {
    yield* checkpoint();
    const { statsSource } = this;
    yield* statsSource.requestNow();
    const { perWorker, total } = statsSource;
    return Object.freeze({ workers: Object.freeze(perWorker), ...this.#counts, total });
  }

  #emit(event: WorkerEvent): void {
    try {
      this.#options.onEvent(event);
    } catch (thrown) {
      runningTask().scheduler.unhandled(thrown);
    }
  }
}

/** Zero is how a program ends that was drained; a signal that nobody heard counts as well. */
function exitedCleanly({ exit, wasReady }: Worker): boolean {
  if (exit === null || exit.error !== undefined) return false;
  return exit.code === 0 || (exit.signal === 'SIGTERM' && !wasReady);
}
