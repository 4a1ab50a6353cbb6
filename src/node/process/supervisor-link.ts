/**
 * A program that runs as a worker: the other end of src/server/workers/worker.ts.
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
import type { Scheduler } from '../../kernel/scheduler.ts';
import type { TimerTarget } from '../../kernel/timers.ts';
import { Timer } from '../../kernel/timers.ts';
import type { ParentProcess, Platform, StopSignal } from '../../world/platform.ts';
import type { FromWorker, ServerStatsMessage, ToWorker } from '../../world/worker-messages.ts';
import type { Program, StatsSource } from '../../world/world.ts';

/** Servers that have ended and whose figures are kept: more than programs have. */
const MAX_ENDED_SERVERS = 64;

/** Whether a process is a worker, once that was asked. */
const workerPlatforms = new WeakMap<Platform, boolean>();

/** `undefined` for a program that is not a worker. */
export function supervisorOf(platform: Platform): SupervisorLink | undefined {
  if (!isWorker(platform)) return undefined;
  const { parent } = platform;
  return parent && new SupervisorLink(platform, parent);
}

/** The program, and what it turns by. */
export interface SupervisedProgram {
  readonly program: Pick<Program, 'servers'>;
  readonly scheduler: Pick<Scheduler, 'now' | 'arm' | 'disarm'>;
}

/** The variable is taken away, so that it misleads no child, which may have a channel as well. */
function isWorker(platform: Platform): boolean {
  let answer = workerPlatforms.get(platform);
  if (answer === undefined) {
    answer = platform.environment('CORONET_WORKER') !== undefined;
    workerPlatforms.set(platform, answer);
    platform.unsetEnvironment('CORONET_WORKER');
  }
  return answer;
}

export class SupervisorLink implements TimerTarget {
  readonly #platform: Platform;
  readonly #parent: ParentProcess;
  /** Something has asked the program to come to its end. */
  #stopRequested = false;
  #orphaned = false;
  /** The supervisor has said what means the second signal. */
  #cut = false;
  /** A successor has begun. */
  replaced = false;
  readonly #endedServers: ServerStatsMessage[] = [];
  /** The last question whether it turns, and what answers it. */
  #pingId = 0;
  readonly #pongTimer = new Timer(this);

  constructor(platform: Platform, parent: ParentProcess) {
    this.#platform = platform;
    this.#parent = parent;
  }

  /** Calls `heard` for what means a signal to the program, until the returned call. */
  listen(who: SupervisedProgram, heard: (signal: StopSignal) => void): () => void {
    const platform = this.#platform;
    const forgets = [
      platform.onSignal('SIGHUP', () => {}),
      platform.onSignal('SIGINT', () => this.#onSignal('SIGINT', heard)),
      platform.onSignal('SIGTERM', () => this.#onSignal('SIGTERM', heard)),
      this.#parent.onMessage((message) => this.#onMessage(message as ToWorker, who, heard)),
      this.#parent.onDisconnect(() => {
        this.#orphaned = true;
        this.#requestStop(heard);
        if (this.#cut) heard('SIGTERM');
      }),
    ];
    return () => {
      who.scheduler.disarm(this.#pongTimer);
      for (const forget of forgets) forget();
    };
  }

  expire(): void {
    const inspected = this.#platform.inspected?.() === true;
    this.#send({ kind: 'pong', requestId: this.#pingId, inspected });
  }

  ready(): void {
    this.#send({ kind: 'ready' });
  }

  /** Its last figures go out at once: the process may end soon. */
  serverEnds(server: StatsSource, others: Iterable<StatsSource>): void {
    this.#endedServers.push(statsOf(server));
    if (this.#endedServers.length > MAX_ENDED_SERVERS) this.#endedServers.shift();
    this.#sendStats(0, others);
  }

  #onSignal(signal: StopSignal, heard: (signal: StopSignal) => void): void {
    if (this.#orphaned) heard(signal);
    else if (signal === 'SIGTERM') this.#requestStop(heard);
  }

  #requestStop(heard: (signal: StopSignal) => void): void {
    if (this.#stopRequested) return;
    this.#stopRequested = true;
    heard('SIGTERM');
  }

  #onMessage(
    message: ToWorker | undefined,
    { program, scheduler }: SupervisedProgram,
    heard: (signal: StopSignal) => void,
  ): void {
    switch (message?.kind) {
      case 'stop':
        this.replaced = message.replaced;
        return this.#requestStop(heard);
      case 'cut':
        this.#cut = true;
        this.#requestStop(heard);
        return heard('SIGTERM');
      case 'stats-request':
        return this.#sendStats(message.requestId, program.servers);
      case 'ping':
        this.#pingId = message.requestId;
        return scheduler.arm(this.#pongTimer, scheduler.now());
    }
  }

  #sendStats(requestId: number, servers: Iterable<StatsSource>): void {
    const running = [...servers].map(statsOf);
    this.#send({ kind: 'stats', requestId, servers: [...this.#endedServers, ...running] });
  }

  #send(message: FromWorker): void {
    this.#parent.send(message);
  }
}

function statsOf(server: StatsSource): ServerStatsMessage {
  return { address: `${server.address}`, stats: { ...server.stats() } };
}
