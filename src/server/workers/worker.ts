/**
 * One worker process as seen by its supervisor, and the check that workers are responsive.
 *
 *   starting ──'ready'──► ready ──stop(), kill()──► stopping ──► ended
 *       └────────────stop(), kill()────────────────────▲           ▲
 *                  the process ends, for any reason ───────────────┘
 *
 * A worker runs an arbitrary program, so its messages are validated; unknown ones are ignored.
 */
import { now } from '../../kernel/current.ts';
import type { Wait } from '../../kernel/operation.ts';
import { sleep } from '../../kernel/waits.ts';
import type { Platform, WorkerExit, WorkerProcess, WorkerStart } from '../../world/platform.ts';
import type { FromWorker, ServerStatsMessage } from '../../world/worker-messages.ts';

/** The state of a worker process. */
export type WorkerState = 'starting' | 'ready' | 'stopping' | 'ended';

/** Maximum number of servers per worker in statistics; a worker usually has one or two. */
const MAX_SERVERS = 64;

/** Checks within `hangTimeoutMs`. */
const CHECKS_PER_TIMEOUT = 8;
/** Missed checks after which other workers accept from the queue of a worker. A worker that is only
 *  slow loses nothing by that. */
const UNRESPONSIVE_CHECKS = 2;
/** The resolution of the event loop's timers. */
const MIN_CHECK_INTERVAL_MS = 1;

export interface WorkerInit {
  /** The number of the worker, from 1. */
  readonly worker: number;
  readonly start: WorkerStart;
  /** Called when the state or the statistics of the worker have changed. */
  onChange(): void;
}

export class Worker {
  /** The number of the worker, from 1; `worker` as in events and errors. */
  readonly worker: number;
  readonly startedAt: number;
  state: WorkerState = 'starting';
  /** True once it was ready, also after its end. */
  wasReady = false;
  exit: WorkerExit | null = null;
  stopRequested = false;
  /** SIGKILL was sent to its process. */
  killed = false;
  /** It was killed because it did not respond. */
  hung = false;
  /** The last statistics of its servers that were received. */
  servers: readonly ServerStatsMessage[] = [];
  /** It can accept from the queues of other workers. */
  #takesQueues = false;
  /** The slots of the last 'serve-queues' that was sent. */
  #servedSlots = '';
  /** The last request for statistics that was sent, and the last that was answered. */
  #lastStatsId = 0;
  answeredStatsId = 0;
  /** The last ping that was sent, and the last that was answered. */
  #lastPingId = 0;
  #answeredPingId = 0;
  /** Consecutive checks that found an unanswered ping. */
  #missedChecks = 0;
  /** The last pong reported an open inspector, so a debugger may stop the process. */
  #inspected = false;
  readonly #process: WorkerProcess;
  readonly #onChange: () => void;

  constructor(platform: Platform, { worker, start, onChange }: WorkerInit) {
    this.worker = worker;
    this.startedAt = now();
    this.#onChange = onChange;
    this.#process = platform.startWorker(start, {
      onMessage: (message) => this.#onMessage(message),
      onExit: (exit) => this.#onExit(exit),
    });
  }

  /** It is expected to accept the connections in its queue. */
  get isServing(): boolean {
    return this.state === 'ready' && this.#missedChecks < UNRESPONSIVE_CHECKS;
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  /** Asks it to drain and end. Only the first call has an effect. */
  stop(replaced = false): void {
    if (this.exit !== null || this.stopRequested) return;
    this.stopRequested = true;
    this.state = 'stopping';
    if (!this.#process.send({ kind: 'stop', replaced })) this.#process.kill('SIGTERM');
  }

  /** Asks it to cancel its program. */
  cut(): void {
    this.stop();
    if (this.exit === null) this.#process.send({ kind: 'cut' });
  }

  kill(): void {
    this.stopRequested = true;
    if (this.exit !== null) return;
    this.killed = true;
    this.state = 'stopping';
    this.#process.kill('SIGKILL');
  }

  /** Makes it accept also from the queues of `slots`, and from no others. */
  serveQueues(slots: readonly number[]): void {
    const text = slots.join();
    if (!this.#takesQueues || this.state !== 'ready' || text === this.#servedSlots) return;
    if (this.#process.send({ kind: 'serve-queues', slots })) this.#servedSlots = text;
  }

  /** Makes it write its tasks to standard error. */
  showTasks(): void {
    if (this.exit === null) this.#process.send({ kind: 'show-tasks' });
  }

  /** Requests its statistics. False: no answer will come. */
  requestStats(requestId: number): boolean {
    if (this.exit !== null || this.killed || !this.wasReady) return false;
    this.#lastStatsId = requestId;
    return this.#process.send({ kind: 'stats-request', requestId });
  }

  /**
   * Checks whether the last ping was answered and sends the next one. Returns the number of
   * consecutive checks without an answer. A ping that cannot be sent, because the worker does not
   * read or has closed its channel, counts as unanswered.
   */
  pingAndCountMissed(): number {
    const isSilent = this.#answeredPingId < this.#lastPingId && !this.#inspected;
    this.#countMissed(isSilent ? this.#missedChecks + 1 : 0);
    this.#process.send({ kind: 'ping', requestId: ++this.#lastPingId });
    return this.#missedChecks;
  }

  #onMessage(message: unknown): void {
    const received = message as Partial<FromWorker> | null | undefined;
    switch (received?.kind) {
      case 'ready':
        return this.#becomeReady();
      case 'stats':
        return this.#receiveStats(received.requestId, received.servers);
      case 'takes-queues':
        return this.#takeQueues();
      case 'pong':
        return this.#receivePong(received.requestId, received.inspected);
    }
  }

  #becomeReady(): void {
    if (this.state !== 'starting') return;
    this.state = 'ready';
    this.wasReady = true;
    this.#onChange();
  }

  /** A listener of it that is opened later has not received the last 'serve-queues'. */
  #takeQueues(): void {
    this.#takesQueues = true;
    this.#servedSlots = '';
    this.#onChange();
  }

  #receiveStats(requestId: unknown, servers: unknown): void {
    if (!Array.isArray(servers)) return;
    this.servers = servers
      .slice(0, MAX_SERVERS)
      .filter((server) => typeof server === 'object' && server !== null);
    if (isNewAnswer(requestId, this.answeredStatsId, this.#lastStatsId))
      this.answeredStatsId = requestId;
    this.#onChange();
  }

  /** A late answer to an older ping counts too: it has just arrived. */
  #receivePong(requestId: unknown, inspected: unknown): void {
    if (!isNewAnswer(requestId, this.#answeredPingId, this.#lastPingId)) return;
    this.#answeredPingId = requestId;
    this.#inspected = inspected === true;
    this.#countMissed(0);
  }

  #countMissed(count: number): void {
    const wasServing = this.isServing;
    this.#missedChecks = count;
    if (this.isServing !== wasServing) this.#onChange();
  }

  #onExit(exit: WorkerExit): void {
    this.exit = exit;
    this.state = 'ended';
    this.#onChange();
  }
}

/** Whether the request was sent and has not been answered before. */
function isNewAnswer(requestId: unknown, answered: number, asked: number): requestId is number {
  return Number.isInteger(requestId) && Number(requestId) > answered && Number(requestId) <= asked;
}

/**
 * Pings every ready worker at regular intervals, and calls `onHung` for each one that has not
 * answered for `hangTimeoutMs`. A hung worker keeps its process and its listener, so connections
 * would wait in its queue indefinitely.
 *
 * Invariants:
 *  1. Only ready workers are checked. A starting one is limited by `readyTimeoutMs`, a stopping one
 *     by its grace period, and one with an open inspector may stand at a breakpoint.
 *  2. A worker hangs when CHECKS_PER_TIMEOUT consecutive checks found an unanswered ping: at the
 *     limit or up to two checks later, never earlier.
 *  3. A delay of the supervisor itself (stopped, busy) must not count as a hang: time is counted in
 *     checks, and a late check is postponed once, so that pending answers are received first.
 *  4. Each check sends one ping, so at most CHECKS_PER_TIMEOUT + 1 pings are queued for a worker
 *     that does not read.
 */
export function* watchLiveness(
  workers: Iterable<Worker>,
  hangTimeoutMs: number,
  onHung: (worker: Worker, silentMs: number) => void,
): Generator<Wait, never> {
  const intervalMs = Math.max(MIN_CHECK_INTERVAL_MS, hangTimeoutMs / CHECKS_PER_TIMEOUT);
  let isPostponed = false;
  for (;;) {
    const before = now();
    yield* sleep(intervalMs);
    isPostponed = !isPostponed && now() - before > 2 * intervalMs;
    if (isPostponed) continue;
    for (const worker of workers) {
      if (worker.state !== 'ready') continue;
      const isHung = worker.pingAndCountMissed() >= CHECKS_PER_TIMEOUT;
      if (isHung) onHung(worker, CHECKS_PER_TIMEOUT * intervalMs);
    }
  }
}
