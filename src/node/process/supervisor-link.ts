/**
 * The worker's end of the channel to its supervisor. src/server/workers/worker.ts is the other end.
 *
 * The supervisor ends its workers. A terminal sends SIGINT and SIGHUP to the whole
 * process group, and a service manager sends SIGTERM to it. These signals must not count twice. So
 * while the supervisor runs, the first request to stop, from any source, is the first signal, and
 * only the message 'cut' of the supervisor is the second.
 *
 * A worker whose supervisor has exited drains and observes the signals itself. If that happens
 * after the second signal, it counts as the third, because no process is left that would kill the
 * worker.
 *
 * A timer of the scheduler answers the supervisor's pings. It fires while tasks run. It does not
 * fire if a task never yields, if the event loop is blocked, or if the program under `main` has
 * ended and its process has not.
 */
import type { Scheduler } from '../../kernel/scheduler.ts';
import type { TimerTarget } from '../../kernel/timers.ts';
import { Timer } from '../../kernel/timers.ts';
import type { ParentProcess, Platform, StopSignal } from '../../world/platform.ts';
import type { FromWorker, ServerStatsMessage, ToWorker } from '../../world/worker-messages.ts';
import type { Program, StatsSource } from '../../world/world.ts';

/** Ended servers whose stats are kept: more than programs have. */
const MAX_ENDED_SERVERS = 64;

/** Whether a process is a worker, per platform. Determined once. */
const workerPlatforms = new WeakMap<Platform, boolean>();

/** Returns `undefined` if the program is not a worker. */
export function supervisorOf(platform: Platform): SupervisorLink | undefined {
  if (!isWorker(platform)) return undefined;
  const { parent } = platform;
  return parent && new SupervisorLink(platform, parent);
}

/** The program of a worker, and its scheduler. */
export interface SupervisedProgram {
  readonly program: Pick<Program, 'servers'>;
  readonly scheduler: Pick<Scheduler, 'now' | 'arm' | 'disarm'>;
  /** Writes the tasks to standard error. */
  showTasks(): void;
}

/**
 * Removes the variable, so that child processes with a channel do not take themselves for workers.
 */
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
  /** Delivers a signal to the program. */
  #onSignal: (signal: StopSignal) => void = () => {};
  /** The first signal was delivered. */
  #stopRequested = false;
  #orphaned = false;
  /** The second signal was delivered. */
  #cut = false;
  /** A successor has started. */
  replaced = false;
  readonly #endedServers: ServerStatsMessage[] = [];
  /** The last ping, and the timer that answers it. */
  #pingId = 0;
  readonly #pongTimer = new Timer(this);

  constructor(platform: Platform, parent: ParentProcess) {
    this.#platform = platform;
    this.#parent = parent;
  }

  /** Calls `onSignal` for each signal to the program. The returned function ends that. */
  listen(who: SupervisedProgram, onSignal: (signal: StopSignal) => void): () => void {
    this.#onSignal = onSignal;
    const platform = this.#platform;
    const stopListening = [
      platform.onSignal('SIGHUP', () => {}),
      platform.onSignal('SIGINT', () => this.#onProcessSignal('SIGINT')),
      platform.onSignal('SIGTERM', () => this.#onProcessSignal('SIGTERM')),
      this.#parent.onMessage((message) => this.#onMessage(message as ToWorker, who)),
      this.#parent.onDisconnect(() => {
        this.#orphaned = true;
        this.#requestStop();
        if (this.#cut) this.#onSignal('SIGTERM');
      }),
    ];
    return () => {
      who.scheduler.disarm(this.#pongTimer);
      for (const forget of stopListening) forget();
    };
  }

  expire(): void {
    const inspected = this.#platform.inspected?.() === true;
    this.#send({ kind: 'pong', requestId: this.#pingId, inspected });
  }

  ready(): void {
    this.#send({ kind: 'ready' });
  }

  /** Sends the last stats of the server at once, because the process may end soon. */
  serverEnds(server: StatsSource, others: Iterable<StatsSource>): void {
    this.#endedServers.push(statsOf(server));
    if (this.#endedServers.length > MAX_ENDED_SERVERS) this.#endedServers.shift();
    this.#sendStats(0, others);
  }

  #onProcessSignal(signal: StopSignal): void {
    if (this.#orphaned) this.#onSignal(signal);
    else if (signal === 'SIGTERM') this.#requestStop();
  }

  #requestStop(): void {
    if (this.#stopRequested) return;
    this.#stopRequested = true;
    this.#onSignal('SIGTERM');
  }

  #onMessage(message: ToWorker | undefined, who: SupervisedProgram): void {
    const { program, scheduler } = who;
    switch (message?.kind) {
      case 'stop':
        this.replaced = message.replaced;
        return this.#requestStop();
      case 'cut':
        this.#cut = true;
        this.#requestStop();
        return this.#onSignal('SIGTERM');
      case 'stats-request':
        return this.#sendStats(message.requestId, program.servers);
      case 'show-tasks':
        return who.showTasks();
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
