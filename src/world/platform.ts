/**
 * What a program asks of the process that it runs in. A world without processes (a simulation)
 * refuses with ERR_UNSUPPORTED what it does not have.
 */
import type { Endpoint } from './network.ts';
import type { SharedListeners } from './worker-messages.ts';

/** The signals that end a program. */
export type StopSignal = 'SIGINT' | 'SIGTERM';

/** The signals that a program can hear. */
export type ObservedSignal = StopSignal | 'SIGHUP' | 'SIGUSR2';

/** How a process begins that runs the same runtime. */
export interface WorkerStart {
  /** The module that it runs: a path or a file: URL. */
  readonly module: string;
  /** What stands behind the module on its command line. */
  readonly args?: readonly string[];
  /** Beside what this process has; `undefined` takes a variable away. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Descriptors that it inherits: the first as 3, the next as 4, …. They stay open here, too. */
  readonly descriptors?: readonly number[];
}

/** How a process has ended: a code, or the signal that ended it, or why it never began. */
export interface WorkerExit {
  readonly code: number | null;
  readonly signal: string | null;
  readonly error?: Error;
}

/** Who is told what about a process; called from the event loop, never inside `startWorker`. */
export interface WorkerEvents {
  onMessage(message: unknown): void;
  /** Called once, last. */
  onExit(exit: WorkerExit): void;
}

/** A process that was started here. It ends with this one: it sees that its channel is closed. */
export interface WorkerProcess {
  /** `undefined`: it could not be started; `onExit` tells why. */
  readonly pid: number | undefined;
  /** Sends what JSON can express. False: the process does not read, or has ended; it is lost. */
  send(message: unknown): boolean;
  kill(signal: StopSignal | 'SIGHUP' | 'SIGKILL'): void;
}

/** The process that has started this one with `startWorker`. */
export interface ParentProcess {
  /** As `WorkerProcess.send`. */
  send(message: unknown): boolean;
  /** Calls `heard` for every message until the returned function is called. */
  onMessage(heard: (message: unknown) => void): () => void;
  /** Calls `heard` once, if the parent ends (or closes the channel) before the returned call. */
  onDisconnect(heard: () => void): () => void;
}

/** A figure for the page of metrics. */
export interface Metric {
  /** `counter` only grows, as long as the process runs. */
  readonly kind: 'counter' | 'gauge';
  /** As Prometheus has them: [a-zA-Z_:][a-zA-Z0-9_:]*. */
  readonly name: string;
  readonly help: string;
  readonly samples: readonly MetricSample[];
}

/** One value of a figure, told from the others by its labels. */
export interface MetricSample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** How a number in the statistics of a source is shown as a metric. */
export interface MetricDefinition {
  /** `counter` only grows as long as the process runs; `gauge` may decrease. */
  readonly kind: Metric['kind'];
  readonly help: string;
  /** 'milliseconds': the metric is shown in seconds. */
  readonly unit?: 'milliseconds';
  /** How the values of several workers are combined. Default 'sum'. */
  readonly total?: 'sum' | 'maximum';
}

/** Definitions by the names of the numbers: 'accepted', 'handshakes.pending', or 'closed' for all
 *  numbers in the record `closed`. A number without a definition is a gauge. */
export type MetricDefinitions = Readonly<Record<string, MetricDefinition>>;

/** A channel of node:diagnostics_channel, or one that is like it. */
export interface DiagnosticsChannel {
  /** False: nobody listens, so a message need not even be made. */
  readonly hasSubscribers: boolean;
  publish(message: unknown): void;
}

export interface Platform {
  /** The number of this process. */
  readonly pid: number;
  /** A variable of the environment. */
  environment(name: string): string | undefined;
  /** Takes a variable away: what is started from now on does not have it. */
  unsetEnvironment(name: string): void;
  /** Calls `heard` for every such signal until the returned function is called. Meanwhile the
   *  signal does nothing else. */
  onSignal(signal: ObservedSignal, heard: () => void): () => void;
  /** Tells the service manager of NOTIFY_SOCKET: lines such as 'READY=1'. Nothing without one. */
  notify(lines: string): void;
  /** The page of metrics in Prometheus text: those of the process, and `metrics`. `done` is called
   *  once, later. */
  metricsPage(metrics: readonly Metric[], done: (error: unknown, page: string) => void): void;
  /**
   * Listens at `at` for processes that inherit the descriptors: on up to `most` sockets that share
   * the port, so that each process has a queue of its own, where the system can do that. Errors:
   * those of listening; ERR_UNSUPPORTED.
   */
  shareListeners(at: Endpoint, most: number): SharedListeners;
  /**
   * The listener that this process has inherited as `fd`, for processes that inherit it in their
   * turn. Nothing about it changes, and it stays open. `local` is the path '' where the system does
   * not tell. Errors: EBADF, ENOTSOCK, EINVAL (it does not listen); ERR_UNSUPPORTED.
   */
  shareInherited(fd: number): SharedListeners;
  /** Starts a process with the same runtime, and a channel for messages to it. */
  startWorker(start: WorkerStart, events: WorkerEvents): WorkerProcess;
  /** Who has started this process with `startWorker`. */
  readonly parent: ParentProcess | undefined;
  /** How many tasks of the machine's can compute at the same time. */
  readonly parallelism: number;
  /** Writes one line to standard error. */
  report(line: string): void;
  /** Sets the code with which the process will end. */
  setExitCode(code: number): void;
  /** Ends the process at once. */
  exit(code: number): never;
  /** Whether a debugger can stop this process now. Absent: none can. */
  inspected?(): boolean;
  /** The channel of that name. Absent where nobody could listen. */
  channel?(name: string): DiagnosticsChannel;
}
