/** A platform whose processes do what a test makes them do. */
import type {
  ObservedSignal,
  ParentProcess,
  Platform,
  SharedListeners,
  StopSignal,
  WorkerEvents,
  WorkerExit,
  WorkerProcess,
  WorkerStart,
} from '../../../src/world/platform.ts';
import type { ToWorker } from '../../../src/world/worker-messages.ts';

/** A process that was started. Calls of its methods are what it does. */
export class FakeProcess implements WorkerProcess {
  readonly pid: number;
  readonly start: WorkerStart;
  /** What it was told, and the signals that it got, in their order. */
  readonly told: string[] = [];
  ended = false;
  /** False: it hangs. */
  turns = true;
  /** True: it does not read, and its channel is full. */
  deaf = false;
  /** A debugger can stop it. */
  inspected = false;
  /** How often it was asked whether it turns. */
  pings = 0;
  readonly #events: WorkerEvents;
  readonly #log: (line: string) => void;

  constructor(pid: number, start: WorkerStart, events: WorkerEvents, log: (line: string) => void) {
    this.pid = pid;
    this.start = start;
    this.#events = events;
    this.#log = log;
  }

  send(message: unknown): boolean {
    if (this.deaf) return false;
    const told = message as ToWorker;
    if (told.kind === 'ping') return this.#pinged(told.requestId);
    if (told.kind === 'stats-request') this.#note(`tell ${told.requestId}`);
    else this.#note(told.kind === 'stop' && told.replaced ? 'replaced' : told.kind);
    return !this.ended;
  }

  kill(signal: StopSignal | 'SIGHUP' | 'SIGKILL'): void {
    this.#note(signal);
  }

  /** Whether it turns: then it answers questions. They are not noted. */
  #pinged(requestId: number): boolean {
    this.pings++;
    if (this.turns && !this.ended) this.say({ kind: 'pong', requestId, inspected: this.inspected });
    return !this.ended;
  }

  ready(): void {
    this.say({ kind: 'ready' });
  }

  say(message: unknown): void {
    this.#events.onMessage(message);
  }

  end(exit: Partial<WorkerExit>): void {
    this.ended = true;
    this.#events.onExit({ code: null, signal: null, ...exit });
  }

  #note(what: string): void {
    this.told.push(what);
    this.#log(`${this.pid} ${what}`);
  }
}

export class FakePlatform implements Platform {
  readonly pid = 1;
  readonly parallelism = 3;
  parent: ParentProcess | undefined;
  inspected?: () => boolean;
  readonly processes: FakeProcess[] = [];
  /** All that has happened, in its order: "1 starts", "1 stop". */
  readonly log: string[] = [];
  readonly lines: string[] = [];
  readonly variables: Map<string, string> = new Map();
  /** Held listeners that are not closed. */
  held = 0;
  readonly #heard = new Map<ObservedSignal, Set<() => void>>();

  signal(name: ObservedSignal): void {
    for (const heard of this.#heard.get(name) ?? []) heard();
  }

  /** Who listens to the signal. */
  listeners(name: ObservedSignal): number {
    return this.#heard.get(name)?.size ?? 0;
  }

  environment(name: string): string | undefined {
    return this.variables.get(name);
  }

  unsetEnvironment(name: string): void {
    this.variables.delete(name);
  }

  onSignal(signal: ObservedSignal, heard: () => void): () => void {
    const all = this.#heard.get(signal) ?? new Set();
    this.#heard.set(signal, all.add(heard));
    return () => {
      all.delete(heard);
    };
  }

  shareListeners(_at: unknown, most: number): SharedListeners {
    this.held++;
    let open = true;
    const close = (): void => {
      if (open) this.held--;
      open = false;
    };
    const descriptors = Array.from({ length: most }, (_, index) => 10 * this.held + index);
    return { local: { host: '127.0.0.1', port: 4711, family: 4 }, descriptors, close };
  }

  shareInherited(fd: number): SharedListeners {
    const local = { host: '127.0.0.1', port: 4711, family: 4 } as const;
    return { local, descriptors: [fd], close: () => {} };
  }

  startWorker(start: WorkerStart, events: WorkerEvents): WorkerProcess {
    const pid = 100 + this.processes.length;
    const process = new FakeProcess(pid, start, events, (line) => this.log.push(line));
    this.processes.push(process);
    this.log.push(`${pid} starts`);
    return process;
  }

  notify(): void {}
  metricsPage(): void {}
  setExitCode(): void {}

  report(line: string): void {
    this.lines.push(line);
  }

  exit(code: number): never {
    throw new Error(`the process has ended with ${code}`);
  }
}
