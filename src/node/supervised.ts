/**
 * A program that runs as a worker: the other end of src/server/worker.ts.
 *
 * The supervisor decides when its workers end. Signals that reach the whole family of processes (a
 * terminal sends SIGINT and SIGHUP to all of it, a service manager SIGTERM) must not count twice,
 * so while the supervisor lives, whatever asks for the first time is the first signal, and nothing
 * but its word is the second. A worker whose supervisor has gone drains, and listens to signals
 * itself; after the second one that is the third, since nobody is left who would kill it.
 *
 * When the supervisor asks whether the program turns, a timer of the scheduler answers: it fires
 * while tasks are run, and not when one of them never yields, when the event loop is blocked, or
 * when the program under `main` is over and its process is not.
 */
import type { Scheduler } from '../kernel/scheduler.ts';
import type { TimerTarget } from '../kernel/timers.ts';
import { Timer } from '../kernel/timers.ts';
import type { EndSignal, ParentProcess, Platform } from '../world/platform.ts';
import type { Figures, Program } from '../world/program.ts';
import type { FromWorker, ServerFigures, ToWorker } from '../world/workers.ts';

/** Servers that have ended and whose figures are kept: more than programs have. */
const MOST_ENDED = 64;

/** Whether a process is a worker, once that was asked. */
const known = new WeakMap<Platform, boolean>();

/** `undefined` for a program that is not a worker. */
export function supervisedBy(platform: Platform): Supervised | undefined {
  if (!isWorker(platform)) return undefined;
  const { parent } = platform;
  return parent && new Supervised(platform, parent);
}

/** The program, and what it turns by. */
export interface Supervisee {
  readonly program: Pick<Program, 'servers'>;
  readonly scheduler: Pick<Scheduler, 'now' | 'arm' | 'disarm'>;
}

/** The variable is taken away, so that it misleads no child, which may have a channel as well. */
function isWorker(platform: Platform): boolean {
  let answer = known.get(platform);
  if (answer === undefined) {
    answer = platform.environment('CORONET_WORKER') !== undefined;
    known.set(platform, answer);
    platform.unsetEnvironment('CORONET_WORKER');
  }
  return answer;
}

export class Supervised implements TimerTarget {
  readonly #platform: Platform;
  readonly #parent: ParentProcess;
  /** Something has asked the program to come to its end. */
  #asked = false;
  #orphan = false;
  /** The supervisor has said what means the second signal. */
  #cut = false;
  /** A successor has begun. */
  replaced = false;
  readonly #ended: ServerFigures[] = [];
  /** The last question whether it turns, and what answers it. */
  #ping = 0;
  readonly #answer = new Timer(this);

  constructor(platform: Platform, parent: ParentProcess) {
    this.#platform = platform;
    this.#parent = parent;
  }

  /** Calls `heard` for what means a signal to the program, until the returned call. */
  hear(who: Supervisee, heard: (signal: EndSignal) => void): () => void {
    const platform = this.#platform;
    const forgets = [
      platform.onSignal('SIGHUP', () => {}),
      platform.onSignal('SIGINT', () => this.#signal('SIGINT', heard)),
      platform.onSignal('SIGTERM', () => this.#signal('SIGTERM', heard)),
      this.#parent.onMessage((message) => this.#obey(message as ToWorker, who, heard)),
      this.#parent.onGone(() => {
        this.#orphan = true;
        this.#first(heard);
        if (this.#cut) heard('SIGTERM');
      }),
    ];
    return () => {
      who.scheduler.disarm(this.#answer);
      for (const forget of forgets) forget();
    };
  }

  expire(): void {
    const inspected = this.#platform.inspected?.() === true;
    this.#say({ kind: 'pong', question: this.#ping, inspected });
  }

  ready(): void {
    this.#say({ kind: 'ready' });
  }

  /** Its last figures go out at once: the process may end soon. */
  serverEnds(server: Figures, others: Iterable<Figures>): void {
    this.#ended.push(figuresOf(server));
    if (this.#ended.length > MOST_ENDED) this.#ended.shift();
    this.#tell(0, others);
  }

  #signal(signal: EndSignal, heard: (signal: EndSignal) => void): void {
    if (this.#orphan) heard(signal);
    else if (signal === 'SIGTERM') this.#first(heard);
  }

  #first(heard: (signal: EndSignal) => void): void {
    if (this.#asked) return;
    this.#asked = true;
    heard('SIGTERM');
  }

  #obey(
    message: ToWorker | undefined,
    { program, scheduler }: Supervisee,
    heard: (signal: EndSignal) => void,
  ): void {
    switch (message?.kind) {
      case 'stop':
        this.replaced = message.replaced;
        return this.#first(heard);
      case 'cut':
        this.#cut = true;
        this.#first(heard);
        return heard('SIGTERM');
      case 'tell':
        return this.#tell(message.question, program.servers);
      case 'ping':
        this.#ping = message.question;
        return scheduler.arm(this.#answer, scheduler.now());
    }
  }

  #tell(question: number, servers: Iterable<Figures>): void {
    const running = [...servers].map(figuresOf);
    this.#say({ kind: 'figures', question, servers: [...this.#ended, ...running] });
  }

  #say(message: FromWorker): void {
    this.#parent.send(message);
  }
}

function figuresOf(server: Figures): ServerFigures {
  return { address: `${server.address}`, stats: { ...server.stats() } };
}
