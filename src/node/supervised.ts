/**
 * A program that runs as a worker: the other end of src/server/worker.ts.
 *
 * The supervisor decides when its workers end. Signals that reach the whole family of processes (a
 * terminal sends SIGINT and SIGHUP to all of it, a service manager SIGTERM) must not count twice,
 * so while the supervisor lives, whatever asks for the first time is the first signal, and nothing
 * but its word is the second. A worker whose supervisor has gone drains, and listens to signals
 * itself.
 */
import type { EndSignal, ParentProcess, Platform } from '../world/platform.ts';
import type { Figures, Program } from '../world/program.ts';
import type { FromWorker, ServerFigures, ToWorker } from '../world/workers.ts';

/** Servers that have ended and whose figures are kept: more than programs have. */
const MOST_ENDED = 64;

/** `undefined` for a program that is not a worker. */
export function supervisedBy(platform: Platform): Supervised | undefined {
  if (platform.environment('CORONET_WORKER') === undefined) return undefined;
  const { parent } = platform;
  return parent && new Supervised(platform, parent);
}

export class Supervised {
  readonly #platform: Platform;
  readonly #parent: ParentProcess;
  /** Something has asked the program to come to its end. */
  #asked = false;
  #orphan = false;
  /** A successor has begun. */
  replaced = false;
  readonly #ended: ServerFigures[] = [];

  constructor(platform: Platform, parent: ParentProcess) {
    this.#platform = platform;
    this.#parent = parent;
  }

  /** Calls `heard` for what means a signal to the program, until the returned call. */
  hear(program: Pick<Program, 'servers'>, heard: (signal: EndSignal) => void): () => void {
    const platform = this.#platform;
    const forgets = [
      platform.onSignal('SIGHUP', () => {}),
      platform.onSignal('SIGINT', () => this.#signal('SIGINT', heard)),
      platform.onSignal('SIGTERM', () => this.#signal('SIGTERM', heard)),
      this.#parent.onMessage((message) => this.#obey(message as ToWorker, program, heard)),
      this.#parent.onGone(() => {
        this.#orphan = true;
        this.#first(heard);
      }),
    ];
    return () => {
      for (const forget of forgets) forget();
    };
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
    program: Pick<Program, 'servers'>,
    heard: (signal: EndSignal) => void,
  ): void {
    switch (message?.kind) {
      case 'stop':
        this.replaced = message.replaced;
        return this.#first(heard);
      case 'cut':
        this.#first(heard);
        return heard('SIGTERM');
      case 'tell':
        return this.#tell(message.question, program.servers);
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
