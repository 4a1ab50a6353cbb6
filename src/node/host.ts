/**
 * The host in Node's event loop: it decides when the scheduler runs, and when the loop does.
 *
 * Entrances: the network's wake-up (`deliver`), the one timer, and `wake` for everything that comes
 * from elsewhere in the process (promises, other libraries). Each of them ends in `#pump`.
 *
 * Rules:
 *  1. Batches run until 256 steps or 0.5 ms have passed; then the network is asked without
 *     blocking. After 2 ms control returns to libuv in any case, through setImmediate, which is
 *     used only while a backlog remains: it costs about 2 µs.
 *  2. A wake-up from elsewhere is answered in the same tick, but after MICRO_PUMPS of these in a
 *     row through libuv: a task that plays ping-pong with a promise must not keep the loop from its
 *     I/O.
 *  3. One timer serves all deadlines. It also keeps the process alive while a task waits for
 *     something that can come, and only then: Node ends, or `beforeExit` finds a deadlock,
 *     otherwise.
 */
import { performance } from 'node:perf_hooks';
import type { AsyncContext, SchedulerHost } from '../kernel/host.ts';
import type { Scheduler } from '../kernel/scheduler.ts';
import { firstLine } from '../support/checks.ts';
import type { Network, NetworkOwner } from '../world/network.ts';
import { AsyncContexts } from './async-context.ts';

/**
 * The most steps between two looks at the clock. A look costs as much as a step; but a step that
 * moves bytes in bulk, or computes, takes thousands of times as long. So every turn begins with one
 * step, and the stride follows what steps take.
 */
const MAX_STRIDE = 32;
/** Steps, and milliseconds, after which the network is asked. */
const POLL_STEPS = 256;
const POLL_MS = 0.5;
/**
 * After this many steps the network is asked once more before control goes back to libuv: under
 * load something has come meanwhile, and asking costs a fraction of a round through libuv.
 */
const BUSY_STEPS = 4;
/** So often, at most, is the network asked for more before deadlines fire: peers that go on sending
 *  do not put them off for ever. */
const DEADLINE_POLLS = 64;
/** Milliseconds after which control returns to libuv. */
const TURN_MS = 2;
/** Wake-ups from elsewhere that are answered without a return to libuv in between. */
const MICRO_PUMPS = 32;
/** The longest delay of Node's timers; longer ones are armed again when it has passed. */
const MAX_TIMER_MS = 2 ** 31 - 1;

export interface HostOptions {
  readonly now?: (() => number) | undefined;
  readonly random?: (() => number) | undefined;
  /** Called after every pump that left no unfinished task. */
  ended(): void;
}

/** Runs a scheduler inside the event loop of Node. */
export class NodeHost implements SchedulerHost, NetworkOwner, BeforeExitListener {
  readonly now: () => number;
  readonly random: () => number;
  readonly #ended: () => void;
  readonly #contexts = new AsyncContexts();
  #scheduler: Scheduler | null = null;
  /** Set when the program first asks for it. */
  network: Network | null = null;
  /** True while an entrance is open: what becomes ready is seen before it closes. */
  #inside = false;
  #microPumps = 0;
  /** Steps between two looks at the clock, as things are going. */
  #stride = 1;
  /** The one timer while it is armed, the deadline it is for (on the scheduler's clock; not the
   *  time it fires at, which is rounded up), and whether it holds the process. */
  #timer: NodeJS.Timeout | null = null;
  #timerFor = Infinity;
  #holding = false;
  #immediate: NodeJS.Immediate | null = null;
  #closed = false;
  /** True: something outside the program (an AbortSignal, the caller) may always call in. */
  heldExternally = false;

  constructor(options: HostOptions) {
    this.now = options.now ?? (() => performance.now());
    this.random = options.random ?? Math.random;
    this.#ended = options.ended;
  }

  /** From now on the host drives `scheduler`. */
  drive(scheduler: Scheduler): void {
    this.#scheduler = scheduler;
    listenBeforeExit(this);
  }

  // ---- entrances ----

  wake(): void {
    if (this.#inside || this.#closed) return;
    if (this.#microPumps < MICRO_PUMPS) {
      this.#microPumps++;
      process.nextTick(this.#pump);
    } else {
      this.#pumpLater();
    }
  }

  deliver(deliver: () => void): void {
    this.#microPumps = 0;
    if (this.#inside) return deliver();
    this.#inside = true;
    try {
      deliver();
    } finally {
      this.#inside = false;
      this.#pump(); // also for those who were granted before an error
    }
  }

  readonly #pumpFromLoop = (): void => {
    this.#microPumps = 0;
    this.#immediate = null;
    this.#pump();
  };

  readonly #onTimer = (): void => {
    this.#microPumps = 0;
    this.#timer = null;
    this.#pump();
  };

  // ---- running ----

  readonly #pump = (): void => {
    const scheduler = this.#scheduler;
    if (scheduler === null || this.#inside || this.#closed) return;
    this.#inside = true;
    let backlog: boolean;
    try {
      backlog = this.#contexts.own.runInAsyncScope(this.#runBatches, this, scheduler);
    } finally {
      this.#inside = false;
    }
    if (scheduler.live === 0) return this.#ended();
    if (backlog) this.#pumpLater();
    this.#arm(scheduler);
  };

  /** Rule 1. True if tasks are ready but libuv has to come first. */
  #runBatches(scheduler: Scheduler): boolean {
    const begun = performance.now();
    let now = begun;
    this.#stride = 1;
    for (;;) {
      const stepsBefore = scheduler.steps;
      const idle = this.#runUntilPoll(scheduler, now);
      now = performance.now();
      if (now - begun > scheduler.longestMs) scheduler.longestMs = now - begun;
      if (now - begun >= TURN_MS) return !idle;
      if (idle && scheduler.steps - stepsBefore < BUSY_STEPS) return false;
      const found = this.#poll(scheduler);
      // Not `!idle`: a hook may have woken a task while the network was asked.
      if (found < 0 || (idle && found === 0)) return scheduler.delay() === 0;
    }
  }

  /** True: no task is ready any more. False: it is time to look at the network. */
  #runUntilPoll(scheduler: Scheduler, since: number): boolean {
    const most = scheduler.steps + POLL_STEPS;
    let look = scheduler.steps + this.#stride;
    let last = since;
    while (scheduler.turn(this.#stride) === 0) {
      if (scheduler.steps < look) continue;
      const now = performance.now();
      this.#adaptStride(now - last);
      last = now;
      if (scheduler.steps >= most || now - since >= POLL_MS) return false;
      look = scheduler.steps + this.#stride;
    }
    return true;
  }

  /** A stride took `ms`: aims at a few looks at the clock in POLL_MS. */
  #adaptStride(ms: number): void {
    const asLong = POLL_MS / 4 / ms;
    if (asLong < 0.5) this.#stride = Math.max(1, Math.floor(this.#stride * asLong));
    else if (asLong > 2) this.#stride = Math.min(MAX_STRIDE, this.#stride << 1);
  }

  /** Of how many sockets something was heard; −1: only libuv can tell. */
  #poll(scheduler: Scheduler): number {
    if (this.network === null) return 0;
    scheduler.callHook('polled');
    return this.network.poll();
  }

  #pumpLater(): void {
    this.#immediate ??= setImmediate(this.#pumpFromLoop);
  }

  // ---- waiting ----

  /** Rule 3. */
  #arm(scheduler: Scheduler): void {
    const at = scheduler.nextTimerAt;
    this.#armTimer(scheduler, at);
    this.#hold(at !== Infinity || scheduler.externalWaits > 0 || this.heldExternally);
  }

  /** The timer may stay armed too early: it fires for nothing once, and is armed again then. */
  #armTimer(scheduler: Scheduler, at: number): void {
    if (this.#timer !== null && this.#timerFor <= at) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    const delay = Math.max(1, Math.ceil(at - scheduler.now()));
    this.#timer = setTimeout(this.#onTimer, Math.min(delay, MAX_TIMER_MS));
    this.#timerFor = at;
    this.#holding = true;
  }

  #hold(wanted: boolean): void {
    if (wanted === this.#holding) return;
    this.#holding = wanted;
    if (wanted) this.#timer?.ref();
    else this.#timer?.unref();
  }

  /** The loop has run empty: nothing outside can wake a task any more. */
  loopEmptied(): void {
    if (this.#closed || this.#scheduler === null) return;
    // What was cancelled because of a deadlock has run into another one: there is no way out.
    if (this.#scheduler.deadlock !== null) return this.#ended();
    this.#scheduler.declareDeadlock();
    this.#pump();
  }

  // ---- the end ----

  /** Readiness that has come meanwhile wins over the deadlines that are due. */
  beforeDeadlines(): void {
    const scheduler = this.#scheduler;
    if (scheduler === null) return;
    for (let left = DEADLINE_POLLS; left > 0 && this.#poll(scheduler) > 0; left--);
  }

  captureContext(): AsyncContext | null {
    return this.#contexts.capture();
  }

  warn(problem: unknown): void {
    process.emitWarning(problem instanceof Error ? problem : new Error(firstLine(problem)));
  }

  /** Lets go of the loop. */
  close(): void {
    this.#closed = true;
    listenBeforeExit(this, false);
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (this.#immediate !== null) clearImmediate(this.#immediate);
    this.#timer = null;
  }
}

/** One `beforeExit` listener of the process for all hosts: a listener each would warn after ten. */

/** Who wants to hear that Node's event loop has nothing left to wait for. */
export interface BeforeExitListener {
  loopEmptied(): void;
}

const beforeExitListeners = new Set<BeforeExitListener>();

/** Adds `idler`, or takes it out. */
export function listenBeforeExit(idler: BeforeExitListener, wanted = true): void {
  if (wanted) beforeExitListeners.add(idler);
  else beforeExitListeners.delete(idler);
  process.off('beforeExit', notifyBeforeExit);
  if (beforeExitListeners.size > 0) process.on('beforeExit', notifyBeforeExit);
}

function notifyBeforeExit(): void {
  for (const idler of [...beforeExitListeners]) idler.loopEmptied();
}
