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
import { all } from '../flow/all.ts';
import { currentRecord } from '../kernel/current.ts';
import type { Operation, Wait } from '../kernel/operation.ts';
import { Lazy } from '../kernel/operation.ts';
import { now } from '../kernel/time.ts';
import { checkpoint } from '../kernel/waits.ts';
import { moveOnAfter } from '../kernel/with-scope.ts';
import type { SocketAddress } from '../net/address.ts';
import type { Platform, WorkerStart } from '../world/platform.ts';
import { Bell } from './bell.ts';
import { watchLiveness } from './liveness.ts';
import { WorkerRecord } from './worker.ts';
import {
  nameOf,
  notStarted,
  notStopped,
  restartedTooOften,
  startFailure,
} from './worker-errors.ts';
import { WorkerFigures } from './worker-figures.ts';
import type { WorkersStats } from './worker-stats.ts';
import type { WorkerEvent, Workers } from './workers.ts';

/** A worker that ends is followed by the next one after this time, twice as long every time, … */
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 10_000;
/** … unless it had been ready for so long. */
const HEALTHY_MS = 60_000;

/** A worker cuts itself at the end of its own grace; the supervisor comes after that. */
const MARGIN_MS = 1000;
/** How long a program that was cancelled may take to unwind. */
const CUT_MS = 2000;
/** How long the system may take to end a process with SIGKILL. */
const KILL_MS = 2000;

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
  startAt(place: number): WorkerStart;
  onEvent(event: WorkerEvent): void;
  /** Lets the listeners go: from then on they are those of the workers alone. */
  closeListeners(): void;
}

interface Slot {
  /** From 0. */
  readonly place: number;
  current: WorkerRecord;
  /** Workers in a row that have not been healthy. */
  failures: number;
}

export class Supervisor implements Workers {
  readonly addresses: readonly SocketAddress[];
  /** Also those of the program's page of metrics. */
  readonly figures: WorkerFigures;
  readonly bell: Bell = new Bell();
  /** What the end of it all will be reported as; set once. */
  failure: unknown = null;
  failed = false;
  #stopping = false;
  readonly #platform: Platform;
  readonly #options: SupervisorOptions;
  readonly #live = new Set<WorkerRecord>();
  readonly #slots: Slot[] = [];
  /** When workers were started again: no more than the limit, and one. */
  readonly #restartTimes: number[] = [];
  readonly #counts = { restarts: 0, reloads: 0 };
  #reloadAsked = false;

  constructor(platform: Platform, addresses: readonly SocketAddress[], options: SupervisorOptions) {
    this.#platform = platform;
    this.addresses = addresses;
    this.#options = options;
    const name = `workers at ${addresses.join(', ')}`;
    this.figures = new WorkerFigures(name, this.#live, this.bell, this.#counts);
  }

  /** Nobody is started any more. */
  get ending(): boolean {
    return this.#stopping || this.failed;
  }

  stop(): void {
    this.#stopping = true;
    this.bell.ring();
  }

  reload(): void {
    this.#reloadAsked = true;
    this.bell.ring();
  }

  fail(error: unknown): void {
    if (!this.failed) this.failure = error;
    this.failed = true;
    this.bell.ring();
  }

  stats(): Operation<WorkersStats> {
    return new Lazy(() => this.#askAll());
  }

  // ---- the beginning ----

  /**
   * Starts all workers and waits until each is ready; the first that is not fails the whole. One
   * begins alone, so that what is wrong with the module is met, and told, once.
   */
  *startAll(): Generator<Wait, void> {
    const places = Array.from({ length: this.#options.count }, (_, place) => place);
    yield* this.#startSome(places.slice(0, 1));
    if (!this.ending) yield* this.#startSome(places.slice(1));
  }

  *#startSome(places: readonly number[]): Generator<Wait, void> {
    const slots = places.map((place) => ({ place, current: this.#start(place), failures: 0 }));
    this.#slots.push(...slots);
    for (const { current } of slots) {
      yield* this.#settled(current);
      if (this.ending) return;
      if (!current.wasReady) return this.fail(notStarted(current, this.#options.readyTimeoutMs));
    }
  }

  #start(place: number): WorkerRecord {
    const worker = new WorkerRecord(this.#platform, {
      worker: place + 1,
      now: now(),
      start: this.#options.startAt(place),
      changed: () => this.#changed(worker),
    });
    this.#live.add(worker);
    this.#tell({ kind: 'started', worker: worker.worker, pid: worker.pid });
    return worker;
  }

  /** Called from outside of tasks. */
  #changed(worker: WorkerRecord): void {
    if (worker.exit !== null && this.#live.delete(worker)) this.figures.keep(worker);
    this.bell.ring();
  }

  /** Waits until the worker is ready or will not become so, or has had its time. */
  *#settled(worker: WorkerRecord): Generator<Wait, void> {
    const settled = (): boolean => worker.state !== 'starting' || this.ending;
    const what = `${nameOf(worker)} to be ready`;
    const leftMs = Math.max(0, worker.startedAt + this.#options.readyTimeoutMs - now());
    yield* moveOnAfter(leftMs, () => this.bell.until(what, settled));
    if (!worker.wasReady) return;
    this.#tell({ kind: 'ready', worker: worker.worker, pid: worker.pid });
  }

  // ---- those that end by themselves ----

  /** Keeps every place taken, for as long as the whole goes on. */
  keepers(): readonly (() => Operation<void>)[] {
    return this.#slots.map((slot) => () => this.#keep(slot));
  }

  *#keep(slot: Slot): Generator<Wait, void> {
    while (!this.ending) {
      const { current } = slot;
      const isLeft = (): boolean => this.ending || slot.current !== current;
      const isOver = (): boolean => current.exit !== null || current.killed;
      yield* this.bell.until(`${nameOf(current)} to end`, () => isLeft() || isOver());
      if (isLeft()) continue;
      if (current.exit === null) yield* this.#endedWithin(current, KILL_MS);
      if (isLeft()) continue;
      yield* this.#pause(slot, current);
      if (isLeft()) continue;
      this.#counts.restarts++;
      slot.current = this.#start(slot.place);
      yield* this.#settled(slot.current);
      // One that hangs at its beginning counts as one that has ended.
      if (!this.ending && !slot.current.wasReady) slot.current.kill();
    }
  }

  /** Ends workers that hang, for as long as the whole goes on. */
  *watch(): Generator<Wait, void> {
    const { hangTimeoutMs } = this.#options;
    if (hangTimeoutMs === Infinity) return;
    yield* watchLiveness(this.#live, hangTimeoutMs, (hung, silentMs) => {
      this.#tell({ kind: 'hung', worker: hung.worker, pid: hung.pid, silentMs });
      hung.hung = true;
      hung.kill();
      this.bell.ring();
    });
  }

  /** Waits before the next worker begins; a reload may fill the place meanwhile. */
  *#pause(slot: Slot, ended: WorkerRecord): Generator<Wait, void> {
    const healthy = ended.wasReady && now() - ended.startedAt >= HEALTHY_MS;
    slot.failures = healthy ? 1 : slot.failures + 1;
    const pauseMs = Math.min(FIRST_PAUSE_MS * 2 ** (slot.failures - 1), LONGEST_PAUSE_MS);
    const { worker, pid, exit } = ended;
    const isLast = this.#tooOften();
    const restartMs = isLast ? undefined : pauseMs;
    if (exit !== null) this.#tell({ kind: 'ended', worker, pid, exit, restartMs });
    if (isLast) return this.fail(restartedTooOften(ended, this.#options.restarts));
    yield* moveOnAfter(pauseMs, () =>
      this.bell.until('the next try', () => this.ending || slot.current !== ended),
    );
  }

  /** Notes one more restart. */
  #tooOften(): boolean {
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
  *reloads(): Generator<Wait, void> {
    for (;;) {
      yield* this.bell.until('a reload', () => this.#reloadAsked && !this.ending);
      this.#reloadAsked = false;
      this.#tell({ kind: 'reloading' });
      const failed = yield* this.#reloadOnce();
      if (this.ending) return;
      if (failed === undefined) {
        this.#counts.reloads++;
        this.#tell({ kind: 'reloaded' });
      } else {
        const reason = startFailure(failed, this.#options.readyTimeoutMs);
        this.#tell({ kind: 'reload-failed', worker: failed.worker, pid: failed.pid, reason });
      }
    }
  }

  /** The first new worker that fails is the last: the old ones serve on. */
  *#reloadOnce(): Generator<Wait, WorkerRecord | undefined> {
    for (const slot of this.#slots) {
      if (this.ending) return undefined;
      const next = this.#start(slot.place);
      yield* this.#settled(next);
      if (this.ending) return undefined;
      if (!next.wasReady) {
        next.kill();
        return next;
      }
      const old = slot.current;
      slot.current = next;
      slot.failures = 0;
      this.bell.ring();
      old.stop(true);
      yield* this.#end(old);
    }
    return undefined;
  }

  // ---- the end ----

  /**
   * Ends all workers at the same time. The first that does not end well is the failure. A worker
   * takes what waits in its queue and closes its listener; if that were still open here, whoever
   * comes then would wait in a queue that nobody serves.
   */
  *endAll(): Generator<Wait, void> {
    this.#options.closeListeners();
    const ending = [...this.#live];
    yield* all(ending.map((worker) => () => this.#end(worker)));
    const bad = ending.find((worker) => !endedWell(worker));
    if (bad !== undefined) this.fail(notStopped(bad));
  }

  /** Drains a worker: asks it, cuts it when its grace is over, and then ends its process. */
  *#end(worker: WorkerRecord): Generator<Wait, void> {
    worker.stop();
    if (yield* this.#endedWithin(worker, this.#options.graceMs + MARGIN_MS)) return;
    yield* this.#cut(worker);
  }

  *#cut(worker: WorkerRecord): Generator<Wait, void> {
    worker.cut();
    if (yield* this.#endedWithin(worker, CUT_MS)) return;
    worker.kill();
    yield* this.#endedWithin(worker, KILL_MS);
  }

  *#endedWithin(worker: WorkerRecord, ms: number): Generator<Wait, boolean> {
    const ended = (): boolean => worker.exit !== null;
    yield* moveOnAfter(ms, () => this.bell.until(`${nameOf(worker)} to end`, ended));
    return ended();
  }

  /** After a cancellation: takes at most CUT_MS + KILL_MS. */
  *cutAll(): Generator<Wait, void> {
    yield* all([...this.#live].map((worker) => () => this.#cut(worker)));
  }

  get hasLive(): boolean {
    return this.#live.size > 0;
  }

  // ---- telling ----

  *#askAll(): Generator<Wait, WorkersStats> {
    yield* checkpoint();
    const { figures } = this;
    yield* figures.ask();
    const { each, total } = figures;
    return Object.freeze({ workers: Object.freeze(each), ...this.#counts, total });
  }

  #tell(event: WorkerEvent): void {
    try {
      this.#options.onEvent(event);
    } catch (thrown) {
      currentRecord().scheduler.unhandled(thrown);
    }
  }
}

/** Zero is how a program ends that was drained; a signal that nobody heard counts as well. */
function endedWell({ exit, wasReady }: WorkerRecord): boolean {
  if (exit === null || exit.error !== undefined) return false;
  return exit.code === 0 || (exit.signal === 'SIGTERM' && !wasReady);
}
