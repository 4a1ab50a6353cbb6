/**
 * One worker process, as its supervisor sees it.
 *
 *   starting ──it says so──▶ ready ──stop()──▶ stopping ──▶ ended
 *       └───────────────stop()────────────────────▲           ▲
 *                   whatever happens to the process ───────────┘
 */
import type { Platform, WorkerExit, WorkerProcess, WorkerStart } from '../world/platform.ts';
import type { FromWorker, ServerFigures, ToWorker } from '../world/workers.ts';

/** How a worker is doing. */
export type WorkerState = 'starting' | 'ready' | 'stopping' | 'ended';

/** Servers of one worker that are looked at; a worker has one or two. */
const MOST_SERVERS = 64;

/** Who a new worker is, and who wants to hear of it. */
export interface WorkerBirth {
  /** Its place among the workers, from 1. */
  readonly worker: number;
  readonly now: number;
  readonly start: WorkerStart;
  /** Something about it has changed. */
  changed(): void;
}

export class WorkerRecord {
  /** Its place among the workers, from 1. */
  readonly worker: number;
  readonly startedAt: number;
  state: WorkerState = 'starting';
  /** It has been ready, whatever has become of it. */
  wasReady = false;
  exit: WorkerExit | null = null;
  /** It was asked to end, or made to. */
  asked = false;
  /** The figures of its servers, as it told them last. */
  servers: readonly ServerFigures[] = [];
  /** The last question that it has answered. */
  answered = 0;
  readonly #process: WorkerProcess;
  readonly #changed: () => void;

  constructor(platform: Platform, birth: WorkerBirth) {
    this.worker = birth.worker;
    this.startedAt = birth.now;
    this.#changed = birth.changed;
    this.#process = platform.startWorker(birth.start, {
      onMessage: (message) => this.#heard(message),
      onExit: (exit) => this.#ended(exit),
    });
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  /** Asks it to come to its end. It hears that once, however often it is said. */
  stop(replaced = false): void {
    if (this.exit !== null || this.asked) return;
    this.asked = true;
    this.state = 'stopping';
    if (!this.#tell({ kind: 'stop', replaced })) this.#process.kill('SIGTERM');
  }

  /** Has its program cancelled. */
  cut(): void {
    this.stop();
    if (this.exit === null) this.#tell({ kind: 'cut' });
  }

  kill(): void {
    this.asked = true;
    if (this.exit === null) this.#process.kill('SIGKILL');
  }

  /** Asks for its figures. False: there will be no answer. */
  ask(question: number): boolean {
    return this.exit === null && this.wasReady && this.#tell({ kind: 'tell', question });
  }

  #tell(message: ToWorker): boolean {
    return this.#process.send(message);
  }

  #heard(message: unknown): void {
    const said = message as Partial<FromWorker> | null | undefined;
    if (said?.kind === 'ready' && this.state === 'starting') {
      this.state = 'ready';
      this.wasReady = true;
    } else if (said?.kind === 'figures' && Array.isArray(said.servers)) {
      this.servers = said.servers.slice(0, MOST_SERVERS).filter(isRecord);
      this.answered = Math.max(this.answered, Number(said.question) || 0);
    }
    this.#changed();
  }

  #ended(exit: WorkerExit): void {
    this.exit = exit;
    this.state = 'ended';
    this.#changed();
  }
}

function isRecord(value: unknown): boolean {
  return typeof value === 'object' && value !== null;
}
