/**
 * One worker process, as its supervisor sees it.
 *
 *   starting ──it says so──▶ ready ──stop(), kill()──▶ stopping ──▶ ended
 *       └───────────────stop(), kill()────────────────────▲           ▲
 *                   whatever happens to the process ───────────────────┘
 *
 * It runs a program that anybody may have written: what it sends is looked at before it is
 * believed, and what is none of ours wakes nobody.
 */

import { now } from '../../kernel/current.ts';
import type { Wait } from '../../kernel/operation.ts';
import { sleep } from '../../kernel/waits.ts';
import type { Platform, WorkerExit, WorkerProcess, WorkerStart } from '../../world/platform.ts';
import type { FromWorker, ServerStatsMessage, ToWorker } from '../../world/worker-messages.ts';

/** How a worker is doing. */
export type WorkerState = 'starting' | 'ready' | 'stopping' | 'ended';

/** Servers of one worker that are looked at; a worker has one or two. */
const MAX_SERVERS = 64;

/** Who a new worker is, and who wants to hear of it. */
export interface WorkerInit {
  /** Its place among the workers, from 1. */
  readonly worker: number;
  readonly now: number;
  readonly start: WorkerStart;
  /** Something about it has changed. */
  onChange(): void;
}

export class Worker {
  /** Its place among the workers, from 1. */
  readonly worker: number;
  readonly startedAt: number;
  state: WorkerState = 'starting';
  /** It has been ready, whatever has become of it. */
  wasReady = false;
  exit: WorkerExit | null = null;
  /** It was asked to end, or made to. */
  stopRequested = false;
  /** Its process was ended with SIGKILL by us: it does not hear anything else. */
  killed = false;
  /** It was killed because it did not answer any more. */
  hung = false;
  /** The figures of its servers, as it told them last. */
  servers: readonly ServerStatsMessage[] = [];
  /** The last question for its figures that it was asked, and the last that it has answered. */
  #lastStatsId = 0;
  answeredStatsId = 0;
  /** Likewise, of those whether it turns. */
  #lastPingId = 0;
  #answeredPingId = 0;
  /** Looks in a row that have found a question without an answer, and none since. */
  #missedChecks = 0;
  /** A debugger can stop it: so it said last. */
  #inspected = false;
  readonly #process: WorkerProcess;
  readonly #onChange: () => void;

  constructor(platform: Platform, birth: WorkerInit) {
    this.worker = birth.worker;
    this.startedAt = birth.now;
    this.#onChange = birth.onChange;
    this.#process = platform.startWorker(birth.start, {
      onMessage: (message) => this.#onMessage(message),
      onExit: (exit) => this.#onExit(exit),
    });
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  /** Asks it to come to its end. It hears that once, however often it is said. */
  stop(replaced = false): void {
    if (this.exit !== null || this.stopRequested) return;
    this.stopRequested = true;
    this.state = 'stopping';
    if (!this.#send({ kind: 'stop', replaced })) this.#process.kill('SIGTERM');
  }

  /** Has its program cancelled. */
  cut(): void {
    this.stop();
    if (this.exit === null) this.#send({ kind: 'cut' });
  }

  kill(): void {
    this.stopRequested = true;
    if (this.exit !== null) return;
    this.killed = true;
    this.state = 'stopping';
    this.#process.kill('SIGKILL');
  }

  /** Asks for its figures. False: there will be no answer. */
  requestStats(requestId: number): boolean {
    if (this.exit !== null || this.killed || !this.wasReady) return false;
    this.#lastStatsId = requestId;
    return this.#send({ kind: 'stats-request', requestId });
  }

  /**
   * Looks whether it has answered, and asks anew whether it turns: how many looks in a row it has
   * been silent. A question that cannot even be sent, because it does not read or has closed its
   * channel, is one without an answer.
   */
  checkLiveness(): number {
    const isSilent = this.#answeredPingId < this.#lastPingId && !this.#inspected;
    this.#missedChecks = isSilent ? this.#missedChecks + 1 : 0;
    this.#send({ kind: 'ping', requestId: ++this.#lastPingId });
    return this.#missedChecks;
  }

  #send(message: ToWorker): boolean {
    return this.#process.send(message);
  }

  #onMessage(message: unknown): void {
    const said = message as Partial<FromWorker> | null | undefined;
    switch (said?.kind) {
      case 'ready':
        return this.#becomeReady();
      case 'stats':
        return this.#receiveStats(said.requestId, said.servers);
      case 'pong':
        return this.#receivePong(said.requestId, said.inspected);
    }
  }

  #becomeReady(): void {
    if (this.state !== 'starting') return;
    this.state = 'ready';
    this.wasReady = true;
    this.#onChange();
  }

  #receiveStats(requestId: unknown, servers: unknown): void {
    if (!Array.isArray(servers)) return;
    this.servers = servers.slice(0, MAX_SERVERS).filter(isObject);
    if (isNewAnswer(requestId, this.answeredStatsId, this.#lastStatsId))
      this.answeredStatsId = requestId;
    this.#onChange();
  }

  /** An answer to an older question proves as much: it has just come. */
  #receivePong(requestId: unknown, inspected: unknown): void {
    if (!isNewAnswer(requestId, this.#answeredPingId, this.#lastPingId)) return;
    this.#answeredPingId = requestId;
    this.#missedChecks = 0;
    this.#inspected = inspected === true;
  }

  #onExit(exit: WorkerExit): void {
    this.exit = exit;
    this.state = 'ended';
    this.#onChange();
  }
}

/** An answer to a question that was asked, and not answered before. */
function isNewAnswer(requestId: unknown, answered: number, asked: number): requestId is number {
  return Number.isInteger(requestId) && Number(requestId) > answered && Number(requestId) <= asked;
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null;
}

/**
 * Whether workers turn: every one that is ready is asked every so often, and one that has not
 * answered for too long hangs. Its process is there, so nobody else would notice, and connections
 * wait in its queue.
 *
 * Invariants:
 *  1. Who is ready is judged. One that begins has `readyTimeoutMs`, one that was asked to end has
 *     its grace, and one that a person looks at with a debugger may stand still.
 *  2. A worker hangs when LOOKS looks in a row have found a question without any answer since, so
 *     when the limit has passed, and up to two looks later; never before.
 *  3. A supervisor that was held up (stopped, computing) does not take its own silence for that of
 *     its workers: silence is counted in looks and not by the clock, and a look that comes late is
 *     put off once. What has come meanwhile is heard before the next one.
 *  4. One question goes out with each look, so a worker that does not read is sent LOOKS + 1.
 */

/** Looks within the limit. */
const CHECKS_PER_TIMEOUT = 8;
/** The event loop's timers have no finer resolution. */
const MIN_CHECK_INTERVAL_MS = 1;

/**
 * Looks at `workers` for ever, and calls `hung` for each one that has not answered for
 * `hangTimeoutMs`.
 */
export function* watchLiveness(
  workers: Iterable<Worker>,
  hangTimeoutMs: number,
  hung: (worker: Worker, silentMs: number) => void,
): Generator<Wait, never> {
  const everyMs = Math.max(MIN_CHECK_INTERVAL_MS, hangTimeoutMs / CHECKS_PER_TIMEOUT);
  let isPutOff = false;
  for (;;) {
    const before = now();
    yield* sleep(everyMs);
    isPutOff = !isPutOff && now() - before > 2 * everyMs;
    if (isPutOff) continue;
    for (const worker of workers) {
      if (worker.state === 'ready' && worker.checkLiveness() >= CHECKS_PER_TIMEOUT)
        hung(worker, CHECKS_PER_TIMEOUT * everyMs);
    }
  }
}
