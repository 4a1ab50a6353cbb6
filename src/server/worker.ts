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
  /** Its process was ended with SIGKILL by us: it does not hear anything else. */
  killed = false;
  /** It was killed because it did not answer any more. */
  hung = false;
  /** The figures of its servers, as it told them last. */
  servers: readonly ServerFigures[] = [];
  /** The last question for its figures that it was asked, and the last that it has answered. */
  #question = 0;
  answered = 0;
  /** Likewise, of those whether it turns. */
  #pings = 0;
  #ponged = 0;
  /** Looks in a row that have found a question without an answer, and none since. */
  #silent = 0;
  /** A debugger can stop it: so it said last. */
  #inspected = false;
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
    if (this.exit !== null) return;
    this.killed = true;
    this.state = 'stopping';
    this.#process.kill('SIGKILL');
  }

  /** Asks for its figures. False: there will be no answer. */
  ask(question: number): boolean {
    if (this.exit !== null || this.killed || !this.wasReady) return false;
    this.#question = question;
    return this.#tell({ kind: 'tell', question });
  }

  /**
   * Looks whether it has answered, and asks anew whether it turns: how many looks in a row it has
   * been silent. A question that cannot even be sent, because it does not read or has closed its
   * channel, is one without an answer.
   */
  look(): number {
    const isSilent = this.#ponged < this.#pings && !this.#inspected;
    this.#silent = isSilent ? this.#silent + 1 : 0;
    this.#tell({ kind: 'ping', question: ++this.#pings });
    return this.#silent;
  }

  #tell(message: ToWorker): boolean {
    return this.#process.send(message);
  }

  #heard(message: unknown): void {
    const said = message as Partial<FromWorker> | null | undefined;
    switch (said?.kind) {
      case 'ready':
        return this.#becomeReady();
      case 'figures':
        return this.#heardFigures(said.question, said.servers);
      case 'pong':
        return this.#heardPong(said.question, said.inspected);
    }
  }

  #becomeReady(): void {
    if (this.state !== 'starting') return;
    this.state = 'ready';
    this.wasReady = true;
    this.#changed();
  }

  #heardFigures(question: unknown, servers: unknown): void {
    if (!Array.isArray(servers)) return;
    this.servers = servers.slice(0, MOST_SERVERS).filter(isRecord);
    if (isBetween(question, this.answered, this.#question)) this.answered = question;
    this.#changed();
  }

  /** An answer to an older question proves as much: it has just come. */
  #heardPong(question: unknown, inspected: unknown): void {
    if (!isBetween(question, this.#ponged, this.#pings)) return;
    this.#ponged = question;
    this.#silent = 0;
    this.#inspected = inspected === true;
  }

  #ended(exit: WorkerExit): void {
    this.exit = exit;
    this.state = 'ended';
    this.#changed();
  }
}

/** An answer to a question that was asked, and not answered before. */
function isBetween(question: unknown, answered: number, asked: number): question is number {
  return Number.isInteger(question) && Number(question) > answered && Number(question) <= asked;
}

function isRecord(value: unknown): boolean {
  return typeof value === 'object' && value !== null;
}
