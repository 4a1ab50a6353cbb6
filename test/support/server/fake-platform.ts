/** A platform whose worker processes are driven by a test. */
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

/** A worker process. A test calls its methods to simulate what it does. */
export class FakeProcess implements WorkerProcess {
  readonly pid: number;
  readonly start: WorkerStart;
  /** The messages and signals that it has received, in order. */
  readonly received: string[] = [];
  ended = false;
  /** False: it hangs. */
  isResponsive = true;
  /** True: it does not read, and its channel is full. */
  isChannelFull = false;
  /** Its inspector is open. */
  inspected = false;
  /** Number of pings that it has received. */
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
    if (this.isChannelFull) return false;
    const received = message as ToWorker;
    if (received.kind === 'ping') return this.#pinged(received.requestId);
    if (received.kind === 'serve-queues') this.#note(`serve ${received.slots.join(' ')}`.trim());
    else if (received.kind === 'stats-request') this.#note(`stats ${received.requestId}`);
    else this.#note(received.kind === 'stop' && received.replaced ? 'replaced' : received.kind);
    return !this.ended;
  }

  kill(signal: StopSignal | 'SIGHUP' | 'SIGKILL'): void {
    this.#note(signal);
  }

  /** Answers a ping if it is responsive. Pings are not in `received`. */
  #pinged(requestId: number): boolean {
    this.pings++;
    if (this.isResponsive && !this.ended)
      this.emit({ kind: 'pong', requestId, inspected: this.inspected });
    return !this.ended;
  }

  ready(): void {
    this.emit({ kind: 'ready' });
  }

  emit(message: unknown): void {
    this.#events.onMessage(message);
  }

  end(exit: Partial<WorkerExit>): void {
    this.ended = true;
    this.#events.onExit({ code: null, signal: null, ...exit });
  }

  #note(what: string): void {
    this.received.push(what);
    this.#log(`${this.pid} ${what}`);
  }
}

export class FakePlatform implements Platform {
  readonly pid = 1;
  readonly parallelism = 3;
  parent: ParentProcess | undefined;
  inspected?: () => boolean;
  terminalLost?: () => boolean;
  readonly processes: FakeProcess[] = [];
  /** All events in order, such as "100 starts", "100 stop". */
  readonly log: string[] = [];
  readonly lines: string[] = [];
  readonly variables: Map<string, string> = new Map();
  /** Number of shared listeners that are open. */
  openListeners = 0;
  /** Each shared listener has a queue for each worker. */
  separateQueues = false;
  readonly #signalListeners = new Map<ObservedSignal, Set<() => void>>();

  signal(name: ObservedSignal): void {
    for (const listener of this.#signalListeners.get(name) ?? []) listener();
  }

  /** Number of listeners of a signal. */
  listeners(name: ObservedSignal): number {
    return this.#signalListeners.get(name)?.size ?? 0;
  }

  environment(name: string): string | undefined {
    return this.variables.get(name);
  }

  unsetEnvironment(name: string): void {
    this.variables.delete(name);
  }

  onSignal(signal: ObservedSignal, listener: () => void): () => void {
    const all = this.#signalListeners.get(signal) ?? new Set();
    this.#signalListeners.set(signal, all.add(listener));
    return () => {
      all.delete(listener);
    };
  }

  randomBytes(count: number): Uint8Array {
    return new Uint8Array(count);
  }

  shareListeners(_at: unknown, most: number): SharedListeners {
    this.openListeners++;
    let open = true;
    const close = (): void => {
      if (open) this.openListeners--;
      open = false;
    };
    const descriptors = Array.from({ length: most }, (_, index) => 10 * this.openListeners + index);
    const local = { host: '127.0.0.1', port: 4711, family: 4 } as const;
    const { separateQueues } = this;
    return { local, descriptors, separateQueues, close };
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
    throw new Error(`the process has exited with code ${code}`);
  }
}
